package occ

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/godwitdb/godwit/internal/hlc"
)

// TestUndoOracle runs random transactions of several workers, of which random parts are
// released, rolls them back to random timestamps, replays what another leader could
// have executed then, and executes again; with snapshots open all the time. After each
// step all that can be read is compared with a plain list of what was written.
func TestUndoOracle(t *testing.T) {
	seeds := uint64(8)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) { runUndoOracle(t, seed) })
	}
}

// logged is a transaction of the list.
type logged struct {
	ts     hlc.Timestamp
	writes map[string]string // gone says that the key was deleted
}

const gone = "\x00"

type undoOracle struct {
	t             *testing.T
	rng           *rand.Rand
	e             *Engine
	clock         *hlc.Clock
	released      hlc.Timestamp
	table, hashed *Table
	keys          int
	empty         int64    // bytes in use without tables
	log           []logged // in order
	held, void    []heldSnapshot
	workers       []Bound
	replayers     []*Replayer
}

func runUndoOracle(t *testing.T, seed uint64) {
	o := &undoOracle{t: t, rng: rand.New(rand.NewPCG(seed, 7)), clock: &hlc.Clock{}}
	o.keys = 3 + o.rng.IntN(150)
	workers := 1 + int(seed%3)
	o.e = newUndoable(t, workers, o.clock, func() hlc.Timestamp { return o.released })
	o.empty = liveBytes(o.e)
	o.table, o.hashed = newTable(t, o.e, 1, true), newTable(t, o.e, 2, false)
	for i := range workers {
		b, err := o.e.NewBound(i)
		must(t, err)
		defer b.Drop()
		r := o.e.NewStepReplayer(i)
		defer r.Close()
		o.workers, o.replayers = append(o.workers, b), append(o.replayers, r)
	}
	for range 12 {
		for range 20 + o.rng.IntN(120) {
			o.execute()
			o.asides(func() (*Snapshot, error) { return o.e.OpenSnapshot() }, o.clock.Last())
		}
		o.rollBack()
		for range o.rng.IntN(5) {
			o.replayStep()
			o.asides(func() (*Snapshot, error) { return o.e.OpenSnapshotAt(o.released) }, o.released)
		}
		o.unseal()
	}
	o.end()
}

// state returns what there is at a timestamp.
func (o *undoOracle) state(at hlc.Timestamp) map[string]string {
	state := map[string]string{}
	for _, l := range o.log {
		if l.ts > at {
			break
		}
		for k, v := range l.writes {
			if state[k] = v; v == gone {
				delete(state, k)
			}
		}
	}
	return state
}

func (o *undoOracle) randomWrites() map[string]string {
	writes := map[string]string{}
	for range 1 + o.rng.IntN(4) {
		v := randomValue(o.rng)
		if o.rng.IntN(5) < 2 {
			v = gone
		}
		writes[randomKey(o.rng, o.keys)] = v
	}
	return writes
}

// execute runs a transaction on some worker.
func (o *undoOracle) execute() {
	tx, err := o.workers[o.rng.IntN(len(o.workers))].Begin()
	must(o.t, err)
	defer tx.Finish()
	state, writes := o.state(hlc.Max), o.randomWrites()
	for k, v := range writes {
		if o.rng.IntN(2) == 0 {
			checkGet(o.t, tx, o.table, state, k)
		}
		for _, table := range []*Table{o.table, o.hashed} {
			if v == gone {
				must(o.t, tx.Delete(table, []byte(k)))
			} else {
				must(o.t, tx.Put(table, []byte(k), []byte(v)))
			}
		}
	}
	if o.rng.IntN(10) == 0 {
		tx.Fail(errors.New("given up"))
		return
	}
	ts, err := tx.Commit()
	must(o.t, err)
	if tx.Wrote() {
		o.log = append(o.log, logged{ts, writes})
	}
}

// asides does now and then what goes on beside transactions; newest is as far as things
// may be released.
func (o *undoOracle) asides(open func() (*Snapshot, error), newest hlc.Timestamp) {
	switch o.rng.IntN(24) {
	case 0:
		s, err := open()
		must(o.t, err)
		o.held = append(o.held, heldSnapshot{s, o.state(s.at)})
	case 1:
		if len(o.held) > 0 {
			i := o.rng.IntN(len(o.held))
			o.check(o.held[i])
			o.held[i].Close()
			o.held = slices.Delete(o.held, i, i+1)
		}
	case 2, 3:
		o.e.Maintain()
	case 4, 5, 6:
		o.released += hlc.Timestamp(o.rng.Uint64N(uint64(newest-o.released) + 1))
	}
}

func (o *undoOracle) check(s heldSnapshot) {
	checkSnapshot(o.t, s, o.table, o.hashed, o.rng, o.keys)
}

// rollBack seals the engine and rolls it back, under transactions that have begun.
func (o *undoOracle) rollBack() {
	running, err := o.workers[0].Begin()
	must(o.t, err)
	key := []byte(randomKey(o.rng, o.keys))
	_, _ = running.Get(o.table, key)
	must(o.t, running.Put(o.hashed, key, nil))
	reader, err := o.e.BeginView(o.t.Context())
	must(o.t, err)
	_, _ = reader.Get(o.table, key)
	var reading []*Tx // from snapshots, all the time
	for _, s := range o.held {
		tx, err := s.Begin(o.t.Context())
		must(o.t, err)
		reading = append(reading, tx)
	}
	o.e.Seal()
	for _, tx := range []*Tx{running, reader} {
		if _, err := tx.Commit(); !errors.Is(err, ErrSealed) {
			o.t.Fatalf("commit of a sealed engine: %v", err)
		}
	}
	reader.End()
	running.Restart()
	if _, err := running.Get(o.table, key); !errors.Is(err, ErrSealed) {
		o.t.Fatalf("an attempt in a sealed engine: %v", err)
	}
	running.Finish()
	if _, err := o.e.Begin(o.t.Context()); !errors.Is(err, ErrSealed) {
		o.t.Fatalf("Begin of a sealed engine: %v", err)
	}
	final := o.released + hlc.Timestamp(o.rng.Uint64N(uint64(o.clock.Last()-o.released)+1))
	must(o.t, o.e.RollBack(final))
	o.log = slices.DeleteFunc(o.log, func(l logged) bool { return l.ts > final })
	o.released = final
	o.voidAbove(final, reading)
	if n := o.e.Stats().Records; n != int64(2*len(o.state(final))) {
		o.t.Fatalf("%d records, want twice %d", n, len(o.state(final)))
	}
	s, err := o.e.OpenSnapshotAt(final)
	must(o.t, err)
	now := heldSnapshot{s, o.state(final)}
	o.check(now)
	o.e.Maintain()
	o.check(now)
	if o.rng.IntN(2) == 0 {
		s.Close()
	} else {
		o.held = append(o.held, now)
	}
}

// voidAbove checks what a rollback to final has done to the snapshots, from which there
// are running transactions.
func (o *undoOracle) voidAbove(final hlc.Timestamp, reading []*Tx) {
	var good []heldSnapshot
	for i, s := range o.held {
		tx := reading[i]
		if s.at <= final {
			good = append(good, s)
			for range 5 {
				checkGet(o.t, tx, o.table, s.state, randomKey(o.rng, o.keys))
			}
			_, err := tx.Commit()
			must(o.t, err)
			tx.End()
			continue
		}
		_, err := tx.Get(o.table, []byte(randomKey(o.rng, o.keys)))
		_, commit := tx.Commit()
		if !errors.Is(commit, ErrRolledBack) || tx.Validate() || err != nil && !errors.Is(err, ErrRolledBack) && !errors.Is(err, ErrNotFound) {
			o.t.Fatalf("a snapshot at %d, rolled back to %d: %v, %v", s.at, final, err, commit)
		}
		if _, err := s.Begin(o.t.Context()); !errors.Is(err, ErrRolledBack) {
			o.t.Fatalf("Begin of a snapshot that was rolled back: %v", err)
		}
		tx.End()
		if o.rng.IntN(2) == 0 {
			s.Close()
		} else {
			o.void = append(o.void, s) // closed in the end
		}
	}
	o.held = good
	for _, s := range good {
		o.check(s)
	}
}

// replay replays writes, in one of the two ways.
func (o *undoOracle) replay(r *Replayer, writes []Replayed) {
	if o.rng.IntN(3) > 0 {
		for len(writes) > 0 {
			n := min(len(writes), 1+o.rng.IntN(ReplayGroup))
			must(o.t, r.ApplyMany(writes[:n]))
			writes = writes[n:]
		}
		return
	}
	for _, w := range writes {
		if w.Delete {
			must(o.t, r.Delete(w.Table, w.Key, w.TS))
		} else {
			must(o.t, r.Put(w.Table, w.Key, w.Value, w.TS))
		}
	}
}

// replayStep replays some transactions above what is released: each by a random worker, in
// random order, some twice.
func (o *undoOracle) replayStep() {
	type op struct {
		ts         hlc.Timestamp
		key, value string
	}
	work := make([][]op, len(o.replayers))
	for range o.rng.IntN(30) {
		ts := max(o.released, o.newest()) + 1 + hlc.Timestamp(o.rng.IntN(3))
		l := logged{ts, o.randomWrites()}
		o.log = append(o.log, l)
		w := o.rng.IntN(len(work))
		for k, v := range l.writes {
			work[w] = append(work[w], op{ts, k, v})
			if o.rng.IntN(4) == 0 {
				work[w] = append(work[w], op{ts, k, v})
			}
		}
	}
	for w, ops := range work {
		o.rng.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
		r := o.replayers[w]
		r.Begin()
		var many []Replayed
		for _, op := range ops {
			for _, table := range []*Table{o.table, o.hashed} {
				many = append(many, Replayed{table, []byte(op.key), []byte(op.value), op.value == gone, op.ts})
			}
		}
		o.replay(r, many)
		r.End()
		if o.rng.IntN(3) == 0 {
			o.e.Maintain()
		}
	}
	for _, s := range o.held {
		o.check(s)
	}
	o.released = max(o.released, o.newest())
	s, err := o.e.OpenSnapshotAt(o.released)
	must(o.t, err)
	o.check(heldSnapshot{s, o.state(hlc.Max)})
	s.Close()
}

// newest returns the timestamp of the last transaction.
func (o *undoOracle) newest() hlc.Timestamp {
	if len(o.log) == 0 {
		return 0
	}
	return o.log[len(o.log)-1].ts
}

// unseal lets the engine execute; sometimes with the clock of another leader, which has not
// seen what was rolled back.
func (o *undoOracle) unseal() {
	if o.rng.IntN(2) == 0 {
		*o.clock = hlc.Clock{}
		o.clock.Observe(o.released)
		for _, s := range o.held {
			o.clock.Observe(s.at)
		}
	}
	old, err := o.workers[0].Begin()
	must(o.t, err)
	o.e.Unseal()
	if _, err := old.Commit(); err == nil {
		o.t.Fatal("an attempt that began in a sealed engine has committed")
	}
	old.Finish()
}

// end closes everything and demands that only what there is takes memory.
func (o *undoOracle) end() {
	for _, s := range slices.Concat(o.held, o.void) {
		s.Close()
	}
	o.released = o.clock.Last()
	settle(o.e)
	state := o.state(hlc.Max)
	s := o.e.Stats()
	if s.Versions != 0 || s.Undoable != 0 || s.Deleted != 0 || s.Retired != 0 || s.Snapshots != 0 {
		o.t.Errorf("garbage is left: %+v", s)
	}
	if n := countKeys(o.table.tree); n != len(state) || s.Records != int64(2*n) {
		o.t.Errorf("%d records in the index, %d by the count, %d keys", n, s.Records, len(state))
	}
	must(o.t, o.table.tree.Check())
	must(o.t, o.hashed.hash.Check())
	tx, err := o.e.BeginView(o.t.Context())
	must(o.t, err)
	got := map[string]string{}
	must(o.t, tx.Scan(o.table, Range{}, func(k, v []byte) bool {
		got[string(k)] = string(v)
		return true
	}))
	tx.End()
	if !maps.Equal(got, state) {
		o.t.Errorf("%d keys, want %d", len(got), len(state))
	}
	for _, table := range []*Table{o.table, o.hashed} {
		o.e.CloseTable(table)
		o.e.DropTable(table, o.clock.Next())
	}
	o.released = o.clock.Last()
	settle(o.e)
	if live := liveBytes(o.e); live != o.empty {
		o.t.Errorf("%d bytes are left of %d without tables", live, o.empty)
	}
}
