package occ

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/invariant"
	"github.com/godwitdb/godwit/internal/record"
)

// What may not be rolled back is refused, and nothing has happened.
func TestRollBackRefuses(t *testing.T) {
	clock, released := &hlc.Clock{}, hlc.Timestamp(0)
	e := newUndoable(t, 1, clock, func() hlc.Timestamp { return released })
	table := newTable(t, e, 1, true)
	first := put(t, e, table, "key", "1")
	last := put(t, e, table, "key", "2")
	refuse := func(e *Engine, final hlc.Timestamp) {
		t.Helper()
		term := e.Term()
		if err := e.RollBack(final); err == nil || e.Term() != term {
			t.Errorf("rolled back to %d: %v", final, err)
		}
	}
	refuse(e, first)
	e.Seal()
	if _, err := e.OpenSnapshot(); !errors.Is(err, ErrSealed) {
		t.Errorf("a snapshot of a sealed engine: %v", err)
	}
	if s, err := e.OpenSnapshotAt(first); err == nil {
		t.Errorf("a snapshot at %d below what is to be rolled back: %v", first, s)
	}
	released = last
	refuse(e, first)
	if s, err := e.OpenSnapshotAt(first); err == nil {
		t.Errorf("a snapshot at %d below what is released: %v", first, s)
	}
	released = 0
	must(t, e.RollBack(first))
	r := e.NewStepReplayer(0)
	defer r.Close()
	r.Begin()
	must(t, r.Put(table, []byte("key"), []byte("3"), last))
	r.End()
	refuse(e, first)
	must(t, e.RollBack(last))
	e.Unseal()
	refuse(e, last)
	if s, err := e.OpenSnapshotAt(last); err == nil {
		t.Errorf("a snapshot at a timestamp of an engine that executes: %v", s)
	}
	tx := begin(t, e)
	defer tx.End()
	if got := dump(t, tx, table, Range{}); got != "key=3 " {
		t.Error(got)
	}
	without := newEngine(t, 64<<20, 1)
	without.Seal()
	refuse(without, hlc.Max)
}

// A record that has the word again that it had when it was read is another one for all
// who read it, in whatever way: what is at that timestamp may be another transaction's.
func TestWordsThatComeBack(t *testing.T) {
	for _, value := range []string{"short", string(bytes.Repeat([]byte("long"), record.InlineMax))} {
		e := newUndoable(t, 1, &hlc.Clock{}, func() hlc.Timestamp { return 0 })
		table := newTable(t, e, 1, true)
		put(t, e, table, "key", "one "+value)
		snapshot, err := e.OpenSnapshot()
		must(t, err)
		defer snapshot.Close()
		old := put(t, e, table, "key", "old "+value)
		p := e.arena.Ptr(table.get([]byte("key")).Rec)
		var readers []*Tx
		for _, m := range []mode{modeUpdate, modeView, modeSnapshot} {
			tx := newTx(e, e.workers[0])
			tx.at = snapshot.Timestamp()
			if !tx.start(t.Context(), m) {
				t.Fatal("closed")
			}
			if m != modeSnapshot {
				_, err := tx.Get(table, []byte("key"))
				must(t, err)
			}
			if m == modeUpdate {
				must(t, tx.Put(table, []byte("other"), nil))
			}
			readers = append(readers, tx)
		}
		word := record.Word(atomic.LoadUint64((*uint64)(p)))
		e.Seal()
		must(t, e.RollBack(snapshot.Timestamp()))
		if w := record.Word(atomic.LoadUint64((*uint64)(p))); w.Timestamp() >= old {
			t.Fatalf("it is at %d, not rolled back from %d", w.Timestamp(), old)
		}
		r := e.NewStepReplayer(0)
		r.Begin()
		must(t, r.Put(table, []byte("key"), []byte("new "+value), old))
		r.End()
		r.Close()
		if w := record.Word(atomic.LoadUint64((*uint64)(p))); w != word {
			t.Fatalf("its word is %x, was %x", w, word)
		}
		e.Unseal()
		for _, tx := range readers {
			if v, ok := tx.copyValue(p, word); ok {
				t.Errorf("mode %d: it has copied %.10s in another term", tx.mode, v)
			}
			if tx.mode == modeSnapshot {
				if v, err := tx.Get(table, []byte("key")); err != nil || string(v) != "one "+value {
					t.Errorf("the snapshot has %.10q, %v", v, err)
				}
			} else if _, err := tx.Commit(); !errors.Is(err, ErrConflict) || tx.Validate() {
				t.Errorf("mode %d: commit of what has read what was rolled back: %v", tx.mode, err)
			}
		}
		for _, tx := range readers {
			tx.Finish()
		}
	}
}

// A list of the open snapshots from before one was opened at a timestamp does no harm to
// it, wherever the clock is.
func TestKeptForASnapshotAtATimestamp(t *testing.T) {
	clock, released := &hlc.Clock{}, hlc.Timestamp(0)
	e := newUndoable(t, 1, clock, func() hlc.Timestamp { return released })
	table := newTable(t, e, 1, true)
	clock.Observe(1000)
	e.Seal()
	r := e.NewStepReplayer(0)
	defer r.Close()
	replay := func(value string, ts hlc.Timestamp) {
		r.Begin()
		must(t, r.Put(table, []byte("key"), []byte(value), ts))
		r.End()
	}
	replay("1", 10)
	released = 10
	if n := e.Stats().Undoable; n != 0 {
		t.Errorf("%d changes that were replayed are remembered", n)
	}
	open := e.openSnapshots(nil)
	s, err := e.OpenSnapshotAt(10)
	must(t, err)
	replay("2", 20)
	e.workers[0].collectKept(&open, 100)
	check := func(want string) {
		t.Helper()
		tx, err := s.Begin(t.Context())
		must(t, err)
		defer tx.End()
		if got := dump(t, tx, table, Range{}); got != want {
			t.Errorf("the snapshot has %q, want %q", got, want)
		}
	}
	check("key=1 ")
	s.Close()
	released = 20
	settle(e)
	if n := e.Stats().Versions; n != 0 {
		t.Errorf("%d versions are left", n)
	}
}

// Deletions that were rolled back do not hold up later ones, whose timestamps
// may be smaller.
func TestTombstonesAfterARollback(t *testing.T) {
	clock, released := &hlc.Clock{}, hlc.Timestamp(0)
	e := newUndoable(t, 1, clock, func() hlc.Timestamp { return released })
	table := newTable(t, e, 1, true)
	for i := range 10 {
		put(t, e, table, fmt.Sprint(i), "v")
	}
	final := clock.Last()
	clock.Observe(1000)
	for i := range 5 {
		deleteBy(t, e, 0, table, fmt.Sprint(i))
	}
	put(t, e, table, "new", "v")
	e.Seal()
	must(t, e.RollBack(final))
	*clock = hlc.Clock{}
	clock.Observe(final)
	e.Unseal()
	for i := range 5 {
		deleteBy(t, e, 0, table, fmt.Sprint(5+i))
	}
	released = clock.Last()
	settle(e)
	if n := countKeys(table.tree); n != 5 || e.Stats().Deleted != 0 {
		t.Errorf("%d records are in the index, want 5: %+v", n, e.Stats())
	}
}

// Tables that were dropped come back with all that they had, if their drop is
// not released; their memory is not freed before.
func TestDroppedTablesComeBack(t *testing.T) {
	clock, released := &hlc.Clock{}, hlc.Timestamp(0)
	e := newUndoable(t, 2, clock, func() hlc.Timestamp { return released })
	settle(e)
	empty := liveBytes(e)
	table := newTable(t, e, 1, true)
	put(t, e, table, "key", "1")
	final := clock.Last()
	released = final
	put(t, e, table, "key", "2")
	e.CloseTable(table)
	e.DropTable(table, clock.Next())
	settle(e)
	e.Seal()
	must(t, e.RollBack(final))
	e.Unseal()
	if e.TableByID(table.ID()) != table {
		t.Fatal("the table is not there")
	}
	tx := begin(t, e)
	if got := dump(t, tx, table, Range{}); got != "key=1 " {
		t.Error(got)
	}
	tx.End()
	put(t, e, table, "key", "3")
	e.CloseTable(table)
	e.DropTable(table, clock.Next())
	released = clock.Last()
	settle(e)
	if live := liveBytes(e); live != empty {
		t.Errorf("%d bytes are left, want %d", live, empty)
	}
}

// A transaction drops a table when it commits, and a rollback takes that back with it. Nobody makes the
// table anew meanwhile, nor opens it.
func TestTransactionsDropTables(t *testing.T) {
	clock, released := &hlc.Clock{}, hlc.Timestamp(0)
	e := newUndoable(t, 2, clock, func() hlc.Timestamp { return released })
	catalog, table := newTable(t, e, 0, true), newTable(t, e, 1, true)
	put(t, e, catalog, "table", "1")
	put(t, e, table, "key", "1")
	final := clock.Last()
	released = final
	before, err := e.OpenSnapshot()
	must(t, err)
	e.CloseTable(table)
	look := func(want error) hlc.Timestamp {
		t.Helper()
		tx := begin(t, e)
		defer tx.End()
		if _, err := tx.Get(table, []byte("key")); !errors.Is(err, want) {
			t.Errorf("read in the table: %v, want %v", err, want)
		}
		return tx.MaxRead()
	}
	look(ErrConflict) // nobody knows yet whether it is dropped
	failed := begin(t, e)
	_, err = failed.Get(catalog, []byte("table"))
	must(t, err)
	failed.DropTable(table)
	must(t, failed.Delete(catalog, []byte("table")))
	put(t, e, catalog, "table", "1")
	if _, err := failed.Commit(); !errors.Is(err, ErrConflict) {
		t.Fatal(err)
	}
	failed.End()
	if e.TableByID(table.ID()) == nil {
		t.Fatal("an attempt that failed has dropped it")
	}
	drop := func(tx *Tx) error {
		tx.DropTable(table)
		return tx.Delete(catalog, []byte("table"))
	}
	dropped := update(t, e, drop)
	if e.TableByID(table.ID()) != nil {
		t.Fatal("it is not dropped")
	}
	if again, err := e.AddTable(table.ID()); err != nil || again != table {
		t.Errorf("it was made anew: %v", err)
	}
	e.ReopenTable(table)
	// Who hears that it is gone waits for the drop to be released.
	if at := look(ErrNoTable); at != dropped {
		t.Errorf("that it is gone rests on %d, it was dropped at %d", at, dropped)
	}
	old, err := before.Begin(t.Context())
	must(t, err)
	if got := dump(t, old, table, Range{}); got != "key=1 " {
		t.Error(got)
	}
	old.End()
	before.Close()
	e.Seal()
	must(t, e.RollBack(final))
	e.Unseal()
	put(t, e, table, "key", "2")
	e.CloseTable(table)
	released = update(t, e, drop)
	settle(e)
	if !table.Freed() {
		t.Error("it is not freed")
	}
}

// A rollback needs no memory, and gives back what the transactions took.
func TestRollBackWithFullMemory(t *testing.T) {
	clock := &hlc.Clock{}
	final := hlc.Timestamp(0)
	e := newUndoable(t, 1, clock, func() hlc.Timestamp { return final })
	table := newTable(t, e, 1, true)
	value := func(i, round int) string { return string(bytes.Repeat([]byte{byte('a' + round)}, 100+i*40)) }
	const keys = 100
	for i := range keys {
		put(t, e, table, fmt.Sprint(i), value(i, 0))
	}
	final = clock.Last()
	settle(e)
	before := liveBytes(e)
	fill := func() bool {
		tx := begin(t, e)
		defer tx.End()
		for i := range keys {
			if i%10 == 0 {
				must(t, tx.Delete(table, fmt.Append(nil, i)))
			} else {
				must(t, tx.Put(table, fmt.Append(nil, i), []byte(value(keys-i, 1))))
			}
		}
		_, err := tx.Commit()
		return err == nil
	}
	rounds := 0
	for fill() {
		rounds++
	}
	e.Seal()
	must(t, e.RollBack(final))
	settle(e)
	if after := liveBytes(e); after != before || rounds == 0 {
		t.Errorf("%d bytes after %d rounds, %d before", after, rounds, before)
	}
	e.Unseal()
	tx := begin(t, e)
	defer tx.End()
	for i := range keys {
		if v, err := tx.Get(table, fmt.Append(nil, i)); err != nil || string(v) != value(i, 0) {
			t.Errorf("%d has %.5q of %d bytes, %v", i, v, len(v), err)
		}
	}
}

// A snapshot's reader finds its version while the record is rolled back and changed again:
// it does not follow the chain of one from the word of another.
func TestChainsThatAreCut(t *testing.T) {
	clock := &hlc.Clock{}
	e := newUndoable(t, 1, clock, func() hlc.Timestamp { return 0 })
	table := newTable(t, e, 1, true)
	put(t, e, table, "key", "oldest")
	put(t, e, table, "key", "seen")
	s, err := e.OpenSnapshot()
	must(t, err)
	defer s.Close()
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !stop.Load() {
				tx, err := s.Begin(t.Context())
				must(t, err)
				if v, err := tx.Get(table, []byte("key")); string(v) != "seen" {
					t.Errorf("the snapshot has %q, %v", v, err)
				}
				tx.End()
			}
		})
	}
	for range 40000 {
		put(t, e, table, "key", "lost")
		e.Seal()
		must(t, e.RollBack(s.Timestamp()))
		e.Unseal()
	}
	stop.Store(true)
	wg.Wait()
}

// What undo remembers is not on Go's heap for each write.
func TestUndoDoesNotAllocate(t *testing.T) {
	const lag, keys = 3000, 500
	clock := &hlc.Clock{}
	clock.Observe(lag)
	e := newUndoable(t, 1, clock, func() hlc.Timestamp { return clock.Last() - lag })
	table := newTable(t, e, 1, true)
	b, err := e.NewBound(0)
	must(t, err)
	defer b.Drop()
	ks, n := make([][]byte, keys), 0
	for i := range ks {
		ks[i] = fmt.Append(nil, i)
	}
	value := make([]byte, 100)
	run := func() {
		tx, err := b.Begin()
		must(t, err)
		for i := range 3 {
			must(t, tx.Put(table, ks[(n+i)%keys], value))
		}
		must(t, tx.Delete(table, ks[(n+7)%keys]))
		_, err = tx.Commit()
		must(t, err)
		tx.Finish()
		n++
	}
	for range 5 * lag {
		run()
	}
	if got := testing.AllocsPerRun(2*lag, run); got != 0 && !invariant.Enabled {
		t.Errorf("%v allocations for a transaction", got)
	}
	if n := e.Stats().Undoable; n < lag || n > 5*lag {
		t.Errorf("%d changes are remembered, %d transactions are not released", n, lag)
	}
}
