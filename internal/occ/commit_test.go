package occ

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/record"
	"github.com/godwitdb/godwit/internal/wal"
)

// get returns what a transaction of its own reads.
func get(t *testing.T, e *Engine, table *Table, key string) string {
	t.Helper()
	tx := begin(t, e)
	defer tx.End()
	v, err := tx.Get(table, []byte(key))
	if errors.Is(err, ErrNotFound) {
		return "none"
	}
	must(t, err)
	return string(v)
}

// Deleting what does not exist is a read of its absence: whoever inserts the key
// while the transaction is in its commit phase is in conflict with it. So it is for
// keys that never were and for those whose record is still in the index.
func TestDeletingNothingIsARead(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		for _, was := range []bool{false, true} {
			e := newUnreleased(t, 2)
			table := newTable(t, e, 1, ordered)
			if was {
				put(t, e, table, "k", "v")
				update(t, e, func(tx *Tx) error { return tx.Delete(table, []byte("k")) })
			}
			tx := begin(t, e)
			must(t, tx.Delete(table, []byte("k")))
			must(t, tx.Put(table, []byte("other"), nil))
			w := e.workers[0]
			w.stream.Lock()
			must(t, w.lockAll(tx))
			if !tx.valid() {
				t.Error("in conflict with nobody")
			}
			w.stream.Unlock() // lets the other one find a worker; the locks stay
			put(t, e, table, "k", "new")
			w.stream.Lock()
			if tx.valid() {
				t.Errorf("ordered %v, was %v: the key was inserted, and the deletion of nothing is valid", ordered, was)
			}
			w.undo(tx)
			w.stream.Unlock()
			tx.End()
		}
	}
}

// A transaction that deletes nothing and writes nothing else is a reader: it is
// validated, and its result rests on what it has read.
func TestDeletingNothingOnly(t *testing.T) {
	e := newEngine(t, 64<<20, 1)
	table := newTable(t, e, 1, false) // no node is shared but by chance
	read := put(t, e, table, "read", "1")
	for _, overtaken := range []bool{false, true} {
		tx := begin(t, e)
		_, err := tx.Get(table, []byte("read"))
		must(t, err)
		must(t, tx.Delete(table, []byte("never was")))
		if overtaken {
			put(t, e, table, "read", "2")
		}
		ts, err := tx.Commit()
		switch {
		case overtaken && !errors.Is(err, ErrConflict):
			t.Error("overtaken, and yet:", err)
		case !overtaken && (err != nil || ts != read):
			t.Errorf("timestamp %d, %v; it has read %d", ts, err, read)
		}
		if tx.Wrote() {
			t.Error("it has written")
		}
		tx.End()
	}
}

// A record that the transaction has met may leave the index before it is locked: its
// key is looked up again.
func TestLockingWhatHasLeftTheIndex(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		for _, del := range []bool{false, true} {
			e := newEngine(t, 64<<20, 1)
			table := newTable(t, e, 1, ordered)
			put(t, e, table, "k", "v")
			tx := begin(t, e)
			must(t, tx.Put(table, []byte("other"), nil))
			if del {
				must(t, tx.Delete(table, []byte("k")))
			} else {
				must(t, tx.Put(table, []byte("k"), []byte("new")))
			}
			x := &tx.writes.entries[1]
			x.rec = table.get([]byte("k")).Rec
			update(t, e, func(tx *Tx) error { return tx.Delete(table, []byte("k")) })
			e.Maintain()
			if word := record.Word(atomic.LoadUint64((*uint64)(tx.ptr(x.rec)))); word&record.Dead == 0 {
				t.Fatalf("the record's word is %#x", word)
			}
			if _, err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			tx.End()
			want := "new"
			if del {
				want = "none"
			}
			if got := get(t, e, table, "k"); got != want {
				t.Errorf("ordered %v: %q was read, want %q", ordered, got, want)
			}
		}
	}
}

// Who has read from a table that is dropped, or is about to write to it, is in
// conflict, also when the table's memory is gone already.
func TestCommitsToADroppedTable(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		e := newEngine(t, 64<<20, 1)
		table := newTable(t, e, 1, ordered)
		for i := range 200 {
			put(t, e, table, fmt.Sprint(i), "v")
		}
		reader, err := e.BeginView(t.Context())
		must(t, err)
		writer, inserter, deleter := begin(t, e), begin(t, e), begin(t, e)
		_, err = reader.Get(table, []byte("1"))
		must(t, err)
		must(t, writer.Put(table, []byte("1"), []byte("w")))
		must(t, inserter.Put(table, []byte("new"), []byte("w")))
		must(t, deleter.Delete(table, []byte("2")))
		e.CloseTable(table)
		if _, err := reader.Commit(); !errors.Is(err, ErrConflict) {
			t.Error("a reader:", err)
		}
		e.DropTable(table, e.clock.Next())
		for range 10 {
			e.Maintain()
		}
		for name, tx := range map[string]*Tx{"writer": writer, "inserter": inserter, "deleter": deleter} {
			if _, err := tx.Commit(); !errors.Is(err, ErrConflict) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, tx := range []*Tx{reader, writer, inserter, deleter} {
			tx.End()
		}
	}
}

// What a commit allocates before it fails, and what it replaces, is freed: long
// values, kept versions, records for new keys.
func TestFailedAndReplacedLeaveNothing(t *testing.T) {
	e := newEngine(t, 64<<20, 1)
	table := newTable(t, e, 1, true)
	long := bytes.Repeat([]byte("L"), 3*record.InlineMax)
	put(t, e, table, "long", string(long))
	put(t, e, table, "read", "v")
	put(t, e, table, "deleted", string(long))
	update(t, e, func(tx *Tx) error { return tx.Delete(table, []byte("deleted")) })
	settle(e)
	before := liveBytes(e)
	s, err := e.OpenSnapshot()
	must(t, err)
	for i := range 50 {
		tx := begin(t, e)
		_, err := tx.Get(table, []byte("read"))
		must(t, err)
		must(t, tx.Put(table, []byte("long"), long[:len(long)-i]))  // a version and a block
		must(t, tx.Put(table, fmt.Append(nil, "new", i), long[:i])) // a record
		must(t, tx.Put(table, fmt.Append(nil, "newlong", i), long)) // both
		put(t, e, table, "read", fmt.Sprint(i))
		if _, err := tx.Commit(); !errors.Is(err, ErrConflict) {
			t.Fatal(err)
		}
		tx.End()
	}
	s.Close()
	settle(e)
	if after := liveBytes(e); after > before {
		t.Errorf("failed commits leave %d bytes", after-before)
	}
	for i := range 50 {
		put(t, e, table, "long", string(long[i:]))
	}
	put(t, e, table, "long", string(long))
	settle(e)
	if after := liveBytes(e); after > before {
		t.Errorf("replaced values leave %d bytes", after-before)
	}
}

// With a snapshot open only what it may see is kept: no new keys, nothing twice.
func TestKeptVersionsAreThoseThatASnapshotSees(t *testing.T) {
	e := newEngine(t, 64<<20, 1)
	table := newTable(t, e, 1, true)
	put(t, e, table, "k", "1")
	s, err := e.OpenSnapshot()
	must(t, err)
	for i := range 10 {
		put(t, e, table, "k", fmt.Sprint(i))
		put(t, e, table, fmt.Sprint("new", i), "v")
	}
	if n := e.Stats().Versions; n != 1 {
		t.Errorf("%d versions are kept, want 1", n)
	}
	s.Close()
	settle(e)
}

// When memory is full, writes fail as a whole, whatever they need it for, and the
// limit holds; deletions go beyond it.
func TestMemoryFullHalfway(t *testing.T) {
	e := newEngine(t, 16<<20, 1)
	table := newTable(t, e, 1, true)
	value := bytes.Repeat([]byte("v"), 500)
	n := 0
	for ; ; n++ {
		tx := begin(t, e)
		must(t, tx.Put(table, fmt.Appendf(nil, "%06d", n), value))
		_, err := tx.Commit()
		tx.End()
		if errors.Is(err, dberr.ErrMemoryFull) {
			break
		}
		must(t, err)
	}
	if used, limit := e.arena.UsedBytes(), e.arena.LimitBytes(); used > limit {
		t.Errorf("%d bytes are used of %d", used, limit)
	}
	s, err := e.OpenSnapshot()
	must(t, err)
	defer s.Close()
	// Of everything that is overwritten a version has to be kept now, for which there
	// is no memory.
	tx := begin(t, e)
	for i := range n {
		must(t, tx.Put(table, fmt.Appendf(nil, "%06d", i), []byte("new")))
	}
	if _, err := tx.Commit(); !errors.Is(err, dberr.ErrMemoryFull) {
		t.Fatal("versions of everything:", err)
	}
	tx.Restart()
	for i := range n {
		must(t, tx.Put(table, fmt.Appendf(nil, "%06d", i), make([]byte, 3*record.InlineMax)))
	}
	if _, err := tx.Commit(); !errors.Is(err, dberr.ErrMemoryFull) {
		t.Fatal("long values for everything:", err)
	}
	tx.Restart()
	for i := range n {
		if v, err := tx.Get(table, fmt.Appendf(nil, "%06d", i)); err != nil || !bytes.Equal(v, value) {
			t.Fatalf("key %d: %d bytes, %v", i, len(v), err)
		}
	}
	tx.Restart()
	deleted := n / 50
	for i := range deleted {
		must(t, tx.Delete(table, fmt.Appendf(nil, "%06d", i)))
	}
	if _, err := tx.Commit(); err != nil {
		t.Error("deletions whose versions are kept:", err)
	}
	tx.End()
	if used, limit := e.arena.UsedBytes(), e.arena.LimitBytes(); used <= limit {
		t.Errorf("%d bytes are used of %d: nothing had to go beyond the limit", used, limit)
	}
}

// Who reads what another one overwrites has the smaller timestamp (Invariant I4),
// however much more it reads.
func TestTimestampsFollowAntiDependencies(t *testing.T) {
	e := newEngine(t, 64<<20, 2)
	table := newTable(t, e, 1, false)
	const others = 300
	rounds := 3000
	if testing.Short() {
		rounds = 500
	}
	keys := make([][]byte, others)
	for i := range keys {
		keys[i] = fmt.Append(nil, "other", i)
		put(t, e, table, string(keys[i]), "v")
	}
	put(t, e, table, "x", "0")
	type seen struct {
		at hlc.Timestamp
		x  int
	}
	var reads []seen
	written := []seen{{0, 0}}
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		defer done.Store(true)
		for range rounds {
			var s seen
			s.at = update(t, e, func(tx *Tx) error {
				v, err := tx.Get(table, []byte("x"))
				_, _ = fmt.Sscan(string(v), &s.x)
				for i := 0; i < others && err == nil; i++ {
					_, err = tx.Get(table, keys[i])
				}
				return errors.Join(err, tx.Put(table, []byte("y"), v))
			})
			reads = append(reads, s)
		}
	})
	for n := 1; !done.Load(); n++ {
		written = append(written, seen{put(t, e, table, "x", fmt.Sprint(n)), n})
	}
	wg.Wait()
	at := 0
	for _, r := range reads {
		for at+1 < len(written) && written[at+1].at < r.at {
			at++
		}
		if written[at].x != r.x {
			t.Fatalf("at %d %d was read; %d was written at %d", r.at, r.x, written[at].x, written[at].at)
		}
	}
}

// A value that changes its length and its place is never read in a mix, from a
// snapshot either, which nobody validates.
func TestLongValuesAreReadWhole(t *testing.T) {
	e := newEngine(t, 64<<20, 2)
	table := newTable(t, e, 1, false)
	lengths := []int{record.InlineMax + 8, 2 * record.InlineMax, 10, 3*record.InlineMax + 5}
	value := func(i int) []byte { return bytes.Repeat([]byte{byte(i % len(lengths))}, lengths[i%len(lengths)]) }
	put(t, e, table, "k", string(value(0)))
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; !stop.Load(); i++ {
			put(t, e, table, "k", string(value(i)))
			if i%64 == 0 {
				e.Maintain() // a slow reader's snapshots would fill the memory with what they keep
			}
		}
	})
	for range 4000 {
		s, err := e.OpenSnapshot()
		must(t, err)
		tx, err := s.Begin(t.Context())
		must(t, err)
		for range 4 {
			v, err := tx.Get(table, []byte("k"))
			must(t, err)
			if !bytes.Equal(v, value(int(v[0]))) {
				t.Fatalf("%d bytes that begin with %d", len(v), v[0])
			}
		}
		tx.End()
		s.Close()
	}
	stop.Store(true)
	wg.Wait()
}

// A record that is read while it leaves the index, and is put again, is looked up
// again.
func TestReadingWhatHasLeftTheIndex(t *testing.T) {
	e := newEngine(t, 64<<20, 1)
	table := newTable(t, e, 1, true)
	put(t, e, table, "k", "old")
	tx := begin(t, e)
	defer tx.End()
	found := table.get([]byte("k"))
	update(t, e, func(tx *Tx) error { return tx.Delete(table, []byte("k")) })
	e.Maintain()
	put(t, e, table, "k", "new")
	if now := table.get([]byte("k")).Rec; now == found.Rec || now == arena.Ref(0) {
		t.Fatal("it is the same record")
	}
	v, err := tx.readFound(table, []byte("k"), tx.hash(table, []byte("k")), found)
	if err != nil || string(v) != "new" {
		t.Errorf("%q, %v", v, err)
	}
}

// Finding a key deleted is a read like any other, also while its record is still in
// the index and the index does not change.
func TestReadingADeletedKeyIsARead(t *testing.T) {
	for name, read := range map[string]func(tx *Tx, table *Table) error{
		"get": func(tx *Tx, table *Table) error {
			_, err := tx.Get(table, []byte("k"))
			if errors.Is(err, ErrNotFound) {
				return nil
			}
			return errors.Join(errors.New("it is there"), err)
		},
		"get many": func(tx *Tx, table *Table) error {
			return tx.GetMany(table, [][]byte{[]byte("k"), []byte("k")}, make([][]byte, 2))
		},
		"scan": func(tx *Tx, table *Table) error {
			return tx.Scan(table, Range{}, func(_, _ []byte) bool { return true })
		},
		"reverse": func(tx *Tx, table *Table) error {
			return tx.Scan(table, Range{Reverse: true}, func(_, _ []byte) bool { return true })
		},
		"range": func(tx *Tx, table *Table) error {
			_, err := tx.DeleteRange(table, nil, nil)
			return err
		},
		"insert": func(tx *Tx, table *Table) error { return tx.Insert(table, []byte("k"), nil) },
	} {
		for _, overtaken := range []bool{false, true} {
			e := newUnreleased(t, 2)
			table := newTable(t, e, 1, true)
			put(t, e, table, "k", "v")
			update(t, e, func(tx *Tx) error { return tx.Delete(table, []byte("k")) })
			tx := begin(t, e)
			must(t, read(tx, table))
			must(t, tx.Put(table, []byte("other"), nil))
			if overtaken {
				put(t, e, table, "k", "new")
			}
			if _, err := tx.Commit(); errors.Is(err, ErrConflict) != overtaken {
				t.Errorf("%s, overtaken is %v: %v", name, overtaken, err)
			}
			tx.End()
		}
	}
}

// A value is copied only if the record's word is the same before and after, wherever
// the value lies.
func TestCopiesOfWhatChangesAreRefused(t *testing.T) {
	e := newEngine(t, 64<<20, 1)
	table := newTable(t, e, 1, true)
	long := string(make([]byte, 2*record.InlineMax))
	for _, values := range [][2]string{{"short", "also"}, {long, long[1:]}, {long[2:], "short"}, {"short", long}} {
		put(t, e, table, "k", values[0])
		tx := begin(t, e)
		p := tx.ptr(table.get([]byte("k")).Rec)
		word := record.Word(atomic.LoadUint64((*uint64)(p)))
		if v, ok := tx.copyValue(p, word); !ok || string(v) != values[0] {
			t.Errorf("%d bytes, %v", len(v), ok)
		}
		put(t, e, table, "k", values[1])
		if _, ok := tx.copyValue(p, word); ok {
			t.Errorf("%d bytes replaced by %d were copied", len(values[0]), len(values[1]))
		}
		tx.End()
	}
}

// A transaction that has scanned a leaf, and splits it by an insert of its own, still
// notices what others put into either half.
func TestPhantomsInAHalfThatOneHasSplitOff(t *testing.T) {
	for _, where := range []string{"000", "999"} {
		e := newEngine(t, 64<<20, 2)
		table := newTable(t, e, 1, true)
		n := 0
		for ; table.tree.Stats().Leaves == 1; n++ {
			put(t, e, table, fmt.Sprintf("%03d", 100+n), "v")
		}
		for i := range n { // one full leaf again, by merging
			if i >= n/2 {
				update(t, e, func(tx *Tx) error { return tx.Delete(table, fmt.Appendf(nil, "%03d", 100+i)) })
			}
		}
		settle(e)
		for i := n / 2; table.tree.Stats().Leaves != 1 || i < n-1; i++ {
			put(t, e, table, fmt.Sprintf("%03d", 100+i), "v")
			if i > n {
				t.Fatal("no single full leaf")
			}
		}
		tx := begin(t, e)
		dump(t, tx, table, Range{})
		must(t, tx.Put(table, []byte("120x"), nil))
		w := e.workers[0]
		w.stream.Lock()
		must(t, w.lockAll(tx))
		if leaves := table.tree.Stats().Leaves; leaves != 2 {
			t.Fatalf("%d leaves", leaves)
		}
		if !tx.valid() {
			t.Error("in conflict with itself")
		}
		w.stream.Unlock()
		put(t, e, table, where, "phantom")
		w.stream.Lock()
		if tx.valid() {
			t.Errorf("a phantom at %s is not noticed", where)
		}
		w.undo(tx)
		w.stream.Unlock()
		tx.End()
	}
}

// A snapshot that is opened while garbage is being collected finds what it needs,
// although the collector's list of snapshots does not have it.
func TestCollectingWithAnOldListOfSnapshots(t *testing.T) {
	e := newEngine(t, 64<<20, 1)
	table := newTable(t, e, 1, true)
	put(t, e, table, "k", "old")
	list := e.openSnapshots(nil)
	s, err := e.OpenSnapshot()
	must(t, err)
	defer s.Close()
	put(t, e, table, "k", "new")
	w := e.workers[0]
	w.stream.Lock()
	w.collectKept(&list, w.kept.count)
	w.stream.Unlock()
	tx, err := s.Begin(t.Context())
	must(t, err)
	defer tx.End()
	if got := dump(t, tx, table, Range{}); got != "k=old " {
		t.Errorf("the snapshot sees %q", got)
	}
}

// What only a closed snapshot needed goes, although a later one is open.
func TestVersionsGoWithTheirSnapshot(t *testing.T) {
	e := newEngine(t, 64<<20, 1)
	table := newTable(t, e, 1, true)
	put(t, e, table, "k", "1")
	first, err := e.OpenSnapshot()
	must(t, err)
	put(t, e, table, "k", "2")
	second, err := e.OpenSnapshot()
	must(t, err)
	defer second.Close()
	first.Close()
	settle(e)
	if n := e.Stats().Versions; n != 0 {
		t.Errorf("%d versions are kept", n)
	}
}

// A deleted record that is locked when it should leave the index leaves it later.
func TestLockedTombstonesGoLater(t *testing.T) {
	released := false
	clock := &hlc.Clock{}
	e := newEngineReleasing(t, 64<<20, 1, clock, func() hlc.Timestamp {
		if released {
			return clock.Last()
		}
		return 0
	})
	table := newTable(t, e, 1, true)
	put(t, e, table, "k", "v")
	update(t, e, func(tx *Tx) error { return tx.Delete(table, []byte("k")) })
	word := (*uint64)(e.arena.Ptr(table.get([]byte("k")).Rec))
	free := atomic.LoadUint64(word)
	released = true
	atomic.StoreUint64(word, free|uint64(record.Locked))
	e.Maintain()
	atomic.StoreUint64(word, free)
	settle(e)
	if n := countKeys(table.tree); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

// The caller may use his bounds for something else while a scan runs, and a scan
// keeps no values in memory that it has shown.
func TestScansOwnTheirBoundsAndNoValues(t *testing.T) {
	e := newEngine(t, 64<<20, 1)
	table := newTable(t, e, 1, true)
	for i := range 20 {
		put(t, e, table, fmt.Sprintf("b%02d", i), string(make([]byte, 32<<10)))
	}
	tx := begin(t, e)
	defer tx.End()
	must(t, tx.Put(table, []byte("d"), nil))
	from, to := []byte("a"), []byte("c")
	n := 0
	must(t, tx.Scan(table, Range{From: from, To: to}, func(_, _ []byte) bool {
		from[0], to[0] = 'z', 'z'
		n++
		return true
	}))
	if n != 20 {
		t.Errorf("%d keys, want 20", n)
	}
	if len(tx.scratch.chunks) > 2 {
		t.Errorf("%d chunks of values are kept", len(tx.scratch.chunks))
	}
}

// A lock that another transaction holds is taken for one's own only for records that
// the transaction writes.
func TestForeignLocksAreNotTakenForOnesOwn(t *testing.T) {
	e := newEngine(t, 64<<20, 1)
	table := newTable(t, e, 1, true)
	put(t, e, table, "a", "v")
	put(t, e, table, "b", "v")
	word := (*uint64)(e.arena.Ptr(table.get([]byte("a")).Rec))
	tx := begin(t, e)
	for _, k := range []string{"a", "b"} {
		_, err := tx.Get(table, []byte(k))
		must(t, err)
	}
	must(t, tx.Put(table, []byte("b"), []byte("new")))
	must(t, tx.Put(table, []byte("b"), []byte("newer")))
	if want := wal.WriteBytes(len("b"), len("newer")); tx.writes.bytes != want {
		t.Errorf("the transaction writes %d bytes, %d are counted", want, tx.writes.bytes)
	}
	free := atomic.LoadUint64(word)
	atomic.StoreUint64(word, free|uint64(record.Locked))
	if _, err := tx.Commit(); !errors.Is(err, ErrConflict) {
		t.Error("what it has read is locked, and yet:", err)
	}
	atomic.StoreUint64(word, free)
	tx.End()
}

// Snapshots do not see a table that was dropped before them, nor begin transactions
// once they are closed, while others still read from them.
func TestSnapshotsOfWhatIsGone(t *testing.T) {
	e := newEngine(t, 64<<20, 1)
	table := newTable(t, e, 1, true)
	put(t, e, table, "k", "v")
	before, err := e.OpenSnapshot()
	must(t, err)
	e.CloseTable(table)
	e.DropTable(table, e.clock.Next())
	after, err := e.OpenSnapshot()
	must(t, err)
	defer after.Close()
	for s, want := range map[*Snapshot]error{before: nil, after: ErrNoTable} {
		tx, err := s.Begin(t.Context())
		must(t, err)
		if _, err := tx.Get(table, []byte("k")); !errors.Is(err, want) {
			t.Errorf("snapshot at %d: %v", s.Timestamp(), err)
		}
		if s == before {
			s.Close()
			if _, err := s.Begin(t.Context()); !errors.Is(err, ErrClosed) {
				t.Errorf("begun on a closed snapshot: %v", err)
			}
		}
		tx.End()
	}
}

// CloseTable returns when no commit phase that may use the table goes on, and a favour
// begins to run out when those of others have ended.
func TestWhatWaitsForCommitPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, 64<<20, 2)
		table := newTable(t, e, 1, true)
		tx := begin(t, e)
		for _, wait := range []func(){func() { e.CloseTable(table) }, func() { favour(t, tx) }} {
			var ended atomic.Bool
			var wg sync.WaitGroup
			e.workers[1].stream.Lock()
			wg.Go(func() {
				wait()
				ended.Store(true)
			})
			pass(time.Second)
			if ended.Load() {
				t.Error("it did not wait for a commit phase")
			}
			e.workers[1].stream.Unlock()
			wg.Wait()
		}
		other := newTable(t, e, 2, true)
		if d := took(func() { put(t, e, other, "k", "v") }); d != tx.retries.window {
			t.Errorf("a favour of %v lasts %v", tx.retries.window, d)
		}
		tx.End()
	})
}
