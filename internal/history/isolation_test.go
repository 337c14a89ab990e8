package history

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// isolation is a level of isolation that database keeps.
type isolation int

const (
	// readUncommitted: writes show at once; those of failed transactions go
	// away again when they fail.
	readUncommitted isolation = iota
	// readCommitted: each read sees the latest commit; writes show at commit.
	readCommitted
	// snapshotIsolation: all reads see the latest commit at the time of the
	// first; of two transactions that write the same key at the same time only
	// the first to commit does.
	snapshotIsolation
	// staleReads: transactions that write are serial; others see what was
	// committed some time ago.
	staleReads
)

// database runs transactions of several clients, their operations interleaved,
// at one of the levels of isolation.
type database struct {
	rand    *rand.Rand
	w       Workload
	level   isolation
	keys    int
	now     Time
	last    Value
	commits []map[Key][]Value // the state after each
	written map[Key]int       // the commit that wrote a key last
	dirty   map[Key][]Value   // readUncommitted
	h       *History
}

// running is a transaction under way.
type running struct {
	txn      Txn
	steps    int // operations still to come
	readOnly bool
	snapshot int             // of commits
	writes   map[Key][]Value // registers: what is written; lists: what is appended
	fails    bool
}

func runDatabase(seed uint64, w Workload, level isolation, clients, txns, keys int) *History {
	d := &database{
		rand: rand.New(rand.NewPCG(seed, 7)), w: w, level: level, keys: keys,
		commits: []map[Key][]Value{{}}, dirty: map[Key][]Value{}, written: map[Key]int{}, h: &History{Workload: w},
	}
	open := make([]*running, clients)
	for len(d.h.Txns) < txns {
		d.now++
		c := d.rand.IntN(clients)
		if open[c] == nil {
			open[c] = d.begin(ClientID(c))
			continue
		}
		if open[c].steps > 0 {
			open[c].steps--
			d.step(open[c])
			continue
		}
		d.end(open[c])
		open[c] = nil
	}
	for _, t := range open {
		if t != nil {
			d.end(t)
		}
	}
	return d.h
}

func (d *database) begin(c ClientID) *running {
	t := &running{txn: Txn{Client: c, Invoke: d.now}, steps: 1 + d.rand.IntN(4), snapshot: len(d.commits) - 1, writes: map[Key][]Value{}}
	t.readOnly = d.rand.IntN(3) == 0
	t.fails = d.rand.IntN(10) == 0
	if d.level == staleReads && t.readOnly {
		t.snapshot = max(0, t.snapshot-d.rand.IntN(4))
	}
	if d.level == staleReads && !t.readOnly {
		t.steps = 1 // and then all at once
	}
	return t
}

// step runs an operation, or for staleReads a whole transaction.
func (d *database) step(t *running) {
	if d.level != staleReads || t.readOnly {
		d.op(t)
		return
	}
	t.snapshot = len(d.commits) - 1
	for range 1 + d.rand.IntN(4) {
		d.op(t)
	}
	if !t.fails {
		d.commit(t)
	}
}

// view returns what t sees of k.
func (d *database) view(t *running, k Key) []Value {
	var v []Value
	switch d.level {
	case readUncommitted:
		return d.dirty[k]
	case readCommitted:
		v = d.commits[len(d.commits)-1][k]
	default:
		v = d.commits[t.snapshot][k]
	}
	own, wrote := t.writes[k]
	switch {
	case wrote && d.w == Lists:
		return append(slices.Clone(v), own...)
	case wrote:
		return own
	}
	return v
}

func (d *database) op(t *running) {
	d.last++
	op := Op{Key: Key(d.rand.IntN(d.keys)), Value: d.last}
	p := d.rand.IntN(8)
	if t.readOnly {
		p = 4 + p/2
	}
	switch {
	case d.w == Lists && p < 4:
		op.Kind = OpAppend
		t.writes[op.Key] = append(slices.Clone(t.writes[op.Key]), op.Value)
		d.dirty[op.Key] = append(slices.Clone(d.dirty[op.Key]), op.Value)
	case d.w == Lists:
		op.Kind, op.Value = OpList, 0
		op.List = slices.Clone(d.view(t, op.Key))
	case d.w == Sets && p == 0:
		op.Kind, op.Value = OpDelete, 0
		t.writes[op.Key], d.dirty[op.Key] = nil, nil
	case p < 4:
		op.Kind = OpWrite
		t.writes[op.Key], d.dirty[op.Key] = []Value{op.Value}, []Value{op.Value}
	case d.w == Sets && p < 6:
		op = Op{Kind: OpRange, To: Key(d.keys)}
		for k := range op.To {
			if v := d.view(t, k); len(v) == 1 {
				op.Pairs = append(op.Pairs, Pair{k, v[0]})
			}
		}
	default:
		op.Kind, op.Value = OpRead, 0
		if v := d.view(t, op.Key); len(v) == 1 {
			op.Value, op.Found = v[0], true
		}
	}
	t.txn.Ops = append(t.txn.Ops, op)
}

// commit makes t's writes the latest state.
func (d *database) commit(t *running) {
	next := map[Key][]Value{}
	for k, v := range d.commits[len(d.commits)-1] {
		next[k] = v
	}
	for k, v := range t.writes {
		if d.w == Lists {
			v = append(slices.Clone(next[k]), v...)
		}
		next[k] = v
		d.written[k] = len(d.commits)
	}
	d.commits = append(d.commits, next)
}

// conflicts tells whether a key that t wrote has changed since its snapshot.
func (d *database) conflicts(t *running) bool {
	for k := range t.writes {
		if d.written[k] > t.snapshot {
			return true
		}
	}
	return false
}

func (d *database) end(t *running) {
	t.txn.Complete, t.txn.Outcome = d.now, OK
	switch {
	case t.fails || d.level == snapshotIsolation && d.conflicts(t):
		t.txn.Outcome = Failed
		d.undo(t)
	case d.level == readCommitted || d.level == snapshotIsolation:
		d.commit(t)
	}
	d.h.Txns = append(d.h.Txns, t.txn)
}

// undo takes back what t did to the dirty state.
func (d *database) undo(t *running) {
	for k, v := range t.writes {
		d.dirty[k] = slices.DeleteFunc(slices.Clone(d.dirty[k]), func(x Value) bool { return slices.Contains(v, x) })
	}
}

// TestIsolationLevels runs databases of weaker isolation: they have to be found
// out, and must not be accused of more than their level allows.
func TestIsolationLevels(t *testing.T) {
	const seeds = 150
	cycles := []Kind{GSingle, GSingleProcess, GSingleRealtime, WriteSkew, G2Item, G2ItemProcess, G2ItemRealtime, LostUpdate, G2, G2Process, G2Realtime}
	skews := []Kind{WriteSkew, G2Item, G2ItemProcess, G2ItemRealtime, G2, G2Process, G2Realtime}
	stale := []Kind{G0Realtime, G1cRealtime, G1cProcess, GSingleProcess, GSingleRealtime, G2ItemProcess, G2ItemRealtime, G2Process, G2Realtime, LostWrite}
	for _, tt := range []struct {
		name     string
		w        Workload
		level    isolation
		opt      Options
		must     []Kind // found in some history
		may      []Kind // besides
		foundMin int    // of 100 histories
	}{
		{"read uncommitted", Lists, readUncommitted, Options{}, []Kind{G0, G1a, G1b, DirtyUpdate}, nil, 90},
		{"read uncommitted", Registers, readUncommitted, Options{}, []Kind{G1a, G1b, G1c}, nil, 90},
		{"read committed", Lists, readCommitted, Options{}, []Kind{GSingle, LostUpdate, WriteSkew, Internal}, cycles, 90},
		{"read committed", Registers, readCommitted, Options{}, []Kind{GSingle, LostUpdate, WriteSkew, Internal}, append(cycles, CyclicVersions), 90},
		{"snapshot isolation", Lists, snapshotIsolation, Options{}, []Kind{WriteSkew, G2Item}, skews, 80},
		{"snapshot isolation", Registers, snapshotIsolation, Options{}, []Kind{WriteSkew, G2Item}, skews, 80},
		{"snapshot isolation", Sets, snapshotIsolation, Options{}, []Kind{WriteSkew, G2}, skews, 80},
		{"stale reads", Lists, staleReads, Options{}, []Kind{GSingleRealtime, GSingleProcess}, stale, 90},
		{"stale reads", Registers, staleReads, Options{}, []Kind{GSingleRealtime, GSingleProcess}, append(stale, CyclicVersions), 90},
		{"stale reads", Sets, staleReads, Options{}, []Kind{GSingleRealtime}, append(stale, CyclicVersions), 90},
		{"stale reads are serializable", Lists, staleReads, Options{Consistency: Serializable}, nil, nil, 0},
		{"stale reads are serializable", Registers, staleReads, Options{Consistency: Serializable}, nil, nil, 0},
		{"stale reads are serializable", Sets, staleReads, Options{Consistency: Serializable}, nil, nil, 0},
	} {
		t.Run(tt.w.String()+"/"+tt.name, func(t *testing.T) {
			count := map[Kind]int{}
			bad := 0
			for seed := range uint64(seeds) {
				h := runDatabase(seed, tt.w, tt.level, 6, 80, 4)
				r := mustCheck(t, h, tt.opt)
				if !r.OK() {
					bad++
				}
				for _, k := range found(r) {
					count[k]++
					if allowed := append(tt.may, tt.must...); allowed != nil && tt.level != readUncommitted && !slices.Contains(allowed, k) {
						t.Fatalf("seed %d: %s at this level: %s", seed, k, r.String())
					}
				}
				if tt.must == nil && !r.OK() {
					t.Fatalf("seed %d: %s", seed, r.String())
				}
			}
			t.Logf("%d of %d: %v", bad, seeds, count)
			for _, k := range tt.must {
				if count[k] == 0 {
					t.Errorf("no %s in %d histories", k, seeds)
				}
			}
			if bad*100 < tt.foundMin*seeds {
				t.Errorf("%d of %d histories found bad", bad, seeds)
			}
		})
	}
}
