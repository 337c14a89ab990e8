package occ

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/index"
)

// TestSnapshotOracle runs random changes, many of them deletions, with snapshots
// open that were taken on the way, and compares what each sees, in every way of
// reading, with a copy of the state that it was taken of.
func TestSnapshotOracle(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) { runSnapshotOracle(t, seed) })
	}
}

type heldSnapshot struct {
	*Snapshot
	state map[string]string
}

func runSnapshotOracle(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 2))
	e := newEngine(t, 128<<20, 1+int(seed%3))
	table, hashed := newTable(t, e, 1, true), newTable(t, e, 2, false)
	model := map[string]string{}
	keys := 5 + rng.IntN(300)
	var held []heldSnapshot
	asides := 0
	for range 1200 {
		key := randomKey(rng, keys)
		if rng.IntN(2) == 0 {
			v := randomValue(rng)
			model[key] = v
			update(t, e, func(tx *Tx) error {
				must(t, tx.Put(table, []byte(key), []byte(v)))
				return tx.Put(hashed, []byte(key), []byte(v))
			})
		} else {
			delete(model, key)
			update(t, e, func(tx *Tx) error {
				must(t, tx.Delete(table, []byte(key)))
				return tx.Delete(hashed, []byte(key))
			})
		}
		switch rng.IntN(24) {
		case 0:
			s, err := e.OpenSnapshot()
			must(t, err)
			held = append(held, heldSnapshot{s, maps.Clone(model)})
		case 1:
			if len(held) > 0 {
				i := rng.IntN(len(held))
				checkSnapshot(t, held[i], table, hashed, rng, keys)
				held[i].Close()
				held = append(held[:i], held[i+1:]...)
			}
		case 2, 3:
			e.Maintain()
		}
		if tree := table.aside.Load(); tree != nil {
			asides = max(asides, countKeys(tree))
		}
	}
	if asides == 0 {
		t.Error("no record was ever put aside")
	}
	for _, s := range held {
		checkSnapshot(t, s, table, hashed, rng, keys)
		s.Close()
	}
	settle(e)
	if s := e.Stats(); s.Versions != 0 || s.Deleted != 0 || s.Retired != 0 {
		t.Errorf("garbage is left: %+v", s)
	}
	for _, table := range []*Table{table, hashed} {
		if n := countKeys(table.aside.Load()); n != 0 {
			t.Errorf("%d records are left aside", n)
		}
	}
	if n := countKeys(table.tree); n != len(model) {
		t.Errorf("%d records in the index, %d keys", n, len(model))
	}
}

// countKeys returns how many records a tree has.
func countKeys(tree *index.Tree) int {
	var p index.Page
	n := 0
	for tree.Ascend(&p, nil, nil); ; {
		n += len(p.Recs)
		if !tree.Next(&p) {
			return n
		}
	}
}

func checkSnapshot(t *testing.T, s heldSnapshot, table, hashed *Table, rng *rand.Rand, keys int) {
	t.Helper()
	tx, err := s.Begin(context.Background())
	must(t, err)
	defer tx.End()
	for range 30 {
		key := randomKey(rng, keys)
		checkGet(t, tx, table, s.state, key)
		checkGet(t, tx, hashed, s.state, key)
	}
	for range 10 {
		checkGetMany(t, tx, table, s.state, rng, keys)
		checkScan(t, tx, table, s.state, rng, keys)
	}
	last := ""
	n := 0
	must(t, tx.EachOrdered(table, func(key, value []byte) error {
		if n > 0 && string(key) <= last {
			t.Fatalf("%q after %q", key, last)
		}
		if v, ok := s.state[string(key)]; !ok || v != string(value) {
			t.Fatalf("%q = %.20q, want %.20q, %v", key, value, v, ok)
		}
		last = string(key)
		n++
		return nil
	}))
	if n != len(s.state) {
		t.Fatalf("%d keys of %d", n, len(s.state))
	}
	seen := map[string]bool{}
	must(t, tx.EachHashed(hashed, func(key, value []byte) error {
		if v, ok := s.state[string(key)]; !ok || v != string(value) {
			t.Fatalf("%q = %.20q, want %.20q, %v", key, value, v, ok)
		}
		seen[string(key)] = true
		return nil
	}))
	if len(seen) != len(s.state) {
		t.Fatalf("%d keys of %d", len(seen), len(s.state))
	}
}

// A queue: one goroutine puts keys at its end while others take them from its
// front, as long as snapshots are open. A snapshot always sees one unbroken run
// of keys, and readers of the newest do not run over what it keeps.
func TestSnapshotsOfAQueue(t *testing.T) {
	e := newEngine(t, 256<<20, 3)
	table := newTable(t, e, 1, true)
	const window = 200
	key := func(i uint64) []byte { return binary.BigEndian.AppendUint64(nil, i) }
	for i := range uint64(window) {
		put(t, e, table, string(key(i)), "v")
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	goOn := func(fn func()) {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					fn()
				}
			}
		})
	}
	next := uint64(window)
	var moved int
	goOn(func() { // one in, one out
		update(t, e, func(tx *Tx) error {
			var first []byte
			if err := tx.Scan(table, Range{Limit: 1}, func(k, _ []byte) bool {
				first = append(first, k...)
				return true
			}); err != nil {
				return err
			}
			if err := tx.Delete(table, first); err != nil {
				return err
			}
			return tx.Put(table, key(next), []byte("v"))
		})
		next++
		moved++
	})
	goOn(func() { e.Maintain() })
	checks := 0
	deadline := time.Now().Add(2 * time.Second)
	for checks < 20 || time.Now().Before(deadline) {
		s, err := e.OpenSnapshot()
		must(t, err)
		for range 5 {
			for _, reverse := range []bool{false, true} {
				checkRun(t, s, table, window, reverse)
			}
		}
		s.Close()
		checks++
	}
	close(stop)
	wg.Wait()
	settle(e)
	if s := e.Stats(); s.Versions != 0 || s.Deleted != 0 {
		t.Errorf("garbage is left: %+v", s)
	}
	t.Logf("%d snapshots, %d keys went through", checks, moved)
}

func checkRun(t *testing.T, s *Snapshot, table *Table, window int, reverse bool) {
	t.Helper()
	tx, err := s.Begin(context.Background())
	must(t, err)
	defer tx.End()
	var last uint64
	n := 0
	must(t, tx.Scan(table, Range{Reverse: reverse}, func(k, _ []byte) bool {
		at := binary.BigEndian.Uint64(k)
		if n > 0 && at != last+1 && !reverse || n > 0 && reverse && at != last-1 {
			t.Errorf("%d after %d", at, last)
		}
		last = at
		n++
		return true
	}))
	if n != window {
		t.Errorf("%d keys, want %d", n, window)
	}
	if _, err := tx.Get(table, binary.BigEndian.AppendUint64(nil, last)); err != nil {
		t.Errorf("the last key of the scan: %v", err)
	}
}

// Deleted keys that a snapshot keeps are not in the way of those who scan the
// newest state.
func TestScansDoNotMeetWhatASnapshotKeeps(t *testing.T) {
	clock := &hlc.Clock{}
	scanWhatASnapshotKeeps(t, newEngineReleasing(t, 64<<20, 1, clock, clock.Last))
	clock = &hlc.Clock{}
	scanWhatASnapshotKeeps(t, newUndoable(t, 1, clock, clock.Last))
}

func scanWhatASnapshotKeeps(t *testing.T, e *Engine) {
	table := newTable(t, e, 1, true)
	const n = 1000
	for i := range n {
		put(t, e, table, fmt.Sprintf("%06d", i), "v")
	}
	s, err := e.OpenSnapshot()
	must(t, err)
	var ts hlc.Timestamp
	for i := range n - 1 {
		ts = update(t, e, func(tx *Tx) error { return tx.Delete(table, []byte(fmt.Sprintf("%06d", i))) })
	}
	if ts <= s.Timestamp() {
		t.Fatal("deleted before the snapshot")
	}
	e.Maintain()
	var p index.Page
	met := []arena.Ref{}
	for table.tree.Ascend(&p, nil, nil); ; {
		met = append(met, p.Recs...)
		if !table.tree.Next(&p) {
			break
		}
	}
	if len(met) != 1 {
		t.Errorf("the index has %d records, want 1", len(met))
	}
	checkRunOf(t, s, table, n)
	s.Close()
	settle(e)
	if s := e.Stats(); s.Deleted != 0 || s.Versions != 0 || s.Retired != 0 {
		t.Errorf("garbage is left: %+v", s)
	}
}

func checkRunOf(t *testing.T, s *Snapshot, table *Table, want int) {
	t.Helper()
	tx, err := s.Begin(context.Background())
	must(t, err)
	defer tx.End()
	n := 0
	must(t, tx.Scan(table, Range{}, func(k, _ []byte) bool {
		if string(k) != fmt.Sprintf("%06d", n) {
			t.Errorf("%q, want %06d", k, n)
		}
		n++
		return true
	}))
	if n != want {
		t.Errorf("%d keys, want %d", n, want)
	}
}

// Whoever meets a snapshot that is being opened waits in a way that virtual time
// goes on: opening one sleeps while a commit phase is long.
func TestOpeningASnapshotMaySleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, 64<<20, 1)
		pass := func(d time.Duration) { <-time.NewTimer(d).C } // in the bubble's own time
		e.workers[0].stream.Lock()
		var wg sync.WaitGroup
		wg.Go(func() {
			s, err := e.OpenSnapshot()
			must(t, err)
			s.Close()
		})
		pass(time.Millisecond) // it naps now
		wg.Go(func() { e.openSnapshots(nil) })
		pass(5 * time.Millisecond)
		e.workers[0].stream.Unlock()
		wg.Wait()
	})
}
