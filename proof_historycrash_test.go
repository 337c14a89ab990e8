package godwit

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/history"
)

// crashingLoad is a historyLoad of several lives: all but the last end with a
// crash at some moment. What a client has not been told by then, it does not know.
type crashingLoad struct {
	historyLoad
	rng *rand.Rand
	mu  struct {
		sync.RWMutex
		crashed bool
	}
}

// told records that a client was told of its transaction's release, and returns
// true, unless the crash was before that.
func (l *crashingLoad) told(h history.Tx) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.mu.crashed {
		h.Unknown()
		return false
	}
	h.OK()
	return true
}

// crash takes what a crash leaves now. The clients go on in a database that
// nobody will hear of.
func (l *crashingLoad) crash(f *faultfs.FS) *faultfs.FS {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.crashed = true
	if l.rng.IntN(4) == 0 {
		return f.Clone() // only the process
	}
	return f.Crash(l.rng)
}

// readAll reads all keys in one transaction.
func (l *crashingLoad) readAll(ctx context.Context, id history.ClientID) error {
	h := l.rec.Client(id).Begin()
	err := l.db.View(ctx, func(tx *Tx) error {
		h.Restart()
		for k := range history.Key(l.keys) {
			if err := l.readKey(tx, h, k); err != nil {
				return err
			}
		}
		return nil
	})
	h.OK()
	return err
}

// releasedClient runs transactions in the ways that end with the release, until
// the crash or, without one, txs of them.
func (l *crashingLoad) releasedClient(ctx context.Context, id history.ClientID, seed uint64, txs int) error {
	rng := rand.New(rand.NewPCG(seed, uint64(id)))
	c := l.rec.Client(id)
	session, err := l.db.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	for range txs {
		h := c.Begin()
		course := rng.Uint64()
		run := func(writes bool) func(*Tx) error {
			return l.transaction(c, h, course, writes, func(rng *rand.Rand) {
				if rng.IntN(2) == 0 {
					pass(ctx, time.Duration(rng.IntN(300))*time.Microsecond)
				}
			})
		}
		switch rng.IntN(6) {
		case 0:
			err = l.db.View(ctx, run(false))
		case 1:
			err = l.snapshot(ctx, run(false))
		case 2:
			var p *Pending
			if p, err = l.db.UpdateAsync(ctx, run(true)); err == nil {
				err = p.Wait(ctx)
			}
		case 3:
			var ts Timestamp
			for ts, err = session.Update(run(true)); err == nil && session.Released() < ts; {
				pass(ctx, 50*time.Microsecond)
			}
		default:
			err = l.db.Update(ctx, run(true))
		}
		if err != nil {
			h.Unknown()
			return err
		}
		if !l.told(h) {
			return nil
		}
		pass(ctx, time.Duration(rng.IntN(300))*time.Microsecond)
	}
	return nil
}

// live runs one life on f. With a crash it returns what that leaves.
func (l *crashingLoad) live(f *faultfs.FS, life, clients, txs int, crash bool) *faultfs.FS {
	t, ctx := l.t, l.t.Context()
	o := onFaults(f)
	o.Workers = 1 + l.rng.IntN(4)
	o.LogSegmentBytes = 32 << 10 << l.rng.IntN(4)
	db, err := openBare(proofDir, *o)
	must(t, err)
	l.db, l.mu.crashed = db, false
	for i, name := range []string{"o", "h"} {
		if l.tables[i], err = db.Table(name); err != nil {
			l.tables[i] = mustTable(t, db, name, []TableKind{Ordered, Hashed}[i])
		}
	}
	base := history.ClientID(life * (clients + 1))
	must(t, l.readAll(ctx, base))
	f.SetHook(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpSync && strings.HasSuffix(op.Name, ".seg") {
			pass(ctx, time.Millisecond)
		}
		return nil
	})
	var left *faultfs.FS
	over := make(chan struct{})
	var others, all sync.WaitGroup
	if crash {
		others.Go(func() {
			pass(ctx, time.Duration(l.rng.IntN(200))*time.Millisecond+time.Duration(l.rng.IntN(3000))*time.Microsecond)
			left = l.crash(f)
		})
	}
	others.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(20 * time.Millisecond):
				if err := db.Checkpoint(ctx); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for id := range clients {
		all.Go(func() {
			if err := l.releasedClient(ctx, base+1+history.ClientID(id), uint64(life), txs); err != nil {
				t.Errorf("client %d: %v", id, err)
			}
		})
	}
	all.Wait()
	close(over)
	others.Wait()
	if !crash {
		must(t, l.readAll(ctx, base))
	}
	l.conflicts += db.Stats().Conflicts
	must(t, db.Close())
	return left
}

// What clients see before crashes and after them fits one order: what was
// released is there, what nobody was told of is there as a whole or not at all,
// and nobody was told what was lost.
func TestProofHistoriesAcrossCrashes(t *testing.T) {
	for _, w := range []history.Workload{history.Lists, history.Registers, history.Sets} {
		t.Run(w.String(), func(t *testing.T) {
			forSeeds(t, 4, func(t *testing.T, seed uint64) {
				synctest.Test(t, func(t *testing.T) {
					const lives, clients, txs = 8, 6, 150
					l := &crashingLoad{rng: rand.New(rand.NewPCG(seed, 16))}
					l.historyLoad = historyLoad{t: t, workload: w, keys: 4 + l.rng.IntN(8), rec: history.NewRecorder(w, history.Increasing(history.MonotonicClock()))}
					f := faultfs.New(seed)
					for life := range lives {
						f = l.live(f, life, clients, txs, life < lives-1)
					}
					h := l.rec.History()
					unknown := 0
					for i := range h.Txns {
						if h.Txns[i].Outcome == history.Unknown {
							unknown++
						}
					}
					r, err := history.Check(h, history.Options{})
					must(t, err)
					if !r.OK() {
						t.Fatal(r.String())
					}
					t.Logf("%d transactions, %d conflicts, the outcome of %d is not known", r.Committed, l.conflicts, unknown)
					if r.Committed < 1000 || unknown < lives {
						t.Fatalf("only %d transactions were checked, %d of them cut off by a crash", r.Committed, unknown)
					}
				})
			})
		})
	}
}
