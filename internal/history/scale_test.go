package history

import (
	"runtime"
	"testing"
	"time"
)

const (
	scaleTxns  = 100_000
	brokenTxns = 20_000
	// scaleBytes is what a check may allocate in all.
	scaleBytes = 600 << 20
)

// big returns a valid history of many transactions by clients at a time.
func big(w Workload, clients, txns int) *History {
	g := newGenerator(1, w)
	g.clients, g.txns = clients, txns/clients
	g.keys, g.perKeys, g.opsMax, g.durMax = 16, 1500, 6, 100
	g.failed, g.unknown = 0.02, 0.02
	return g.history()
}

// TestScale checks large histories, of a sound database and of broken ones, where
// cycles are everywhere. What is not linear in time or memory shows in the bytes,
// or does not end.
func TestScale(t *testing.T) {
	sound, broken := scaleTxns, brokenTxns
	if testing.Short() {
		sound, broken = sound/10, broken/4
	}
	for _, tt := range []struct {
		name string
		h    *History
		ok   bool
	}{
		{"lists", big(Lists, 50, sound), true},
		{"registers, 500 clients", big(Registers, 500, sound), true},
		{"sets", big(Sets, 50, sound), true},
		{"lists never read", rewrite(big(Lists, 20, broken), unread), false},
		{"registers that stay empty", rewrite(big(Registers, 20, broken), empty), false},
		{"registers at one key that stay empty", rewrite(rewrite(big(Registers, 20, broken), empty), oneKey), false},
		{"sets at one key that stay empty", rewrite(rewrite(big(Sets, 20, broken), empty), oneKey), false},
		{"registers, old values", rewrite(big(Registers, 20, broken), swapReads()), false},
		{"lists, reads cut short", rewrite(big(Lists, 20, broken), cut), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := tt.h
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			r := mustCheck(t, h, Options{})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			allocated := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d transactions, %d committed: %v, %d MiB, %d anomalies: %s", len(h.Txns), r.Committed, took, allocated>>20, len(r.Anomalies)+r.Omitted, kinds(r))
			if r.OK() != tt.ok {
				t.Errorf("%s", r.String())
			}
			if allocated > scaleBytes {
				t.Errorf("allocated %d MiB, more than %d", allocated>>20, scaleBytes>>20)
			}
		})
	}
}

// rewrite changes each operation of a history.
func rewrite(h *History, change func(t *Txn, op *Op)) *History {
	for i := range h.Txns {
		for j := range h.Txns[i].Ops {
			change(&h.Txns[i], &h.Txns[i].Ops[j])
		}
	}
	return h
}

func unread(_ *Txn, op *Op) { op.List = nil }

func empty(_ *Txn, op *Op) {
	if op.Kind == OpRead {
		op.Found, op.Value = false, 0
	}
	op.Pairs = nil
}

func oneKey(_ *Txn, op *Op) {
	op.Key = 1
	if op.Kind == OpRange {
		op.To = 2
	}
}

// swapReads lets each read return what the read before it at the key returned.
func swapReads() func(*Txn, *Op) {
	last := map[Key]Op{}
	return func(_ *Txn, op *Op) {
		if op.Kind != OpRead {
			return
		}
		before := last[op.Key]
		last[op.Key] = *op
		op.Found, op.Value = before.Found, before.Value
	}
}

// cut lets every tenth client miss the last value of each list.
func cut(t *Txn, op *Op) {
	if t.Client%10 == 0 && len(op.List) > 0 {
		op.List = op.List[:len(op.List)-1]
	}
}
