package occ

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/record"
)

// TestTransfers moves money between accounts that come and go, while readers
// add everything up in every way there is: the sum never changes.
func TestTransfers(t *testing.T) {
	const accounts, total, workers = 60, 60000, 3
	rounds := 4000
	e := newEngine(t, 64<<20, 2)
	table := newTable(t, e, 1, true)
	hashed := newTable(t, e, 2, false)
	key := func(i int) []byte { return fmt.Appendf(nil, "account-with-a-long-name-%05d", i) }
	amount := func(n uint64) []byte { // the length varies with the amount
		return append(binary.LittleEndian.AppendUint64(nil, n), bytes.Repeat([]byte{1}, int(n%3000))...)
	}
	update(t, e, func(tx *Tx) error { return tx.Put(table, key(0), amount(total)) })
	var stop atomic.Bool
	var writers, readers sync.WaitGroup
	for g := range workers {
		writers.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 7))
			for range rounds {
				a, b := rng.IntN(accounts), rng.IntN(accounts)
				if a == b {
					continue
				}
				share := 1 + rng.Uint64N(4)
				update(t, e, func(tx *Tx) error {
					from, err := tx.Get(table, key(a))
					if errors.Is(err, ErrNotFound) {
						return nil
					} else if err != nil {
						return err
					}
					have := binary.LittleEndian.Uint64(from)
					move := have / share
					to, err := tx.Get(table, key(b))
					var there uint64
					if err == nil {
						there = binary.LittleEndian.Uint64(to)
					} else if !errors.Is(err, ErrNotFound) {
						return err
					}
					if move == have { // an empty account is deleted
						err = tx.Delete(table, key(a))
					} else {
						err = tx.Put(table, key(a), amount(have-move))
					}
					if err == nil {
						err = tx.Put(table, key(b), amount(there+move))
					}
					if err == nil {
						err = tx.Put(hashed, key(b), amount(there+move))
					}
					return err
				})
			}
		})
	}
	sum := func(tx *Tx, reverse bool) (uint64, error) {
		var n uint64
		err := tx.Scan(table, Range{Reverse: reverse}, func(_, v []byte) bool {
			n += binary.LittleEndian.Uint64(v)
			return true
		})
		return n, err
	}
	var views, snapshots atomic.Int64
	readers.Go(func() {
		for n := 0; !stop.Load(); n++ {
			tx, err := e.BeginView(t.Context())
			must(t, err)
			got, err := sum(tx, n%2 == 0)
			if err == nil {
				_, err = tx.Commit()
			}
			tx.End()
			if errors.Is(err, ErrConflict) {
				continue
			}
			if err != nil || got != total {
				t.Errorf("view: sum %d, %v", got, err)
			}
			views.Add(1)
		}
	})
	readers.Go(func() {
		var held []*Snapshot
		for n := 0; !stop.Load(); n++ {
			s, err := e.OpenSnapshot()
			must(t, err)
			held = append(held, s)
			for _, s := range held {
				tx, err := s.Begin(t.Context())
				must(t, err)
				got, err := sum(tx, n%2 == 0)
				if err != nil || got != total {
					t.Errorf("snapshot %d of %d: sum %d, %v", s.Timestamp(), len(held), got, err)
				}
				tx.End()
				snapshots.Add(1)
			}
			if len(held) > 3 {
				i := n % len(held)
				held[i].Close()
				held = append(held[:i], held[i+1:]...)
			}
			e.Maintain()
		}
		for _, s := range held {
			s.Close()
		}
	})
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	tx := begin(t, e)
	if got, err := sum(tx, false); err != nil || got != total {
		t.Fatalf("sum %d, %v", got, err)
	}
	tx.End()
	if views.Load() == 0 || snapshots.Load() == 0 {
		t.Fatalf("%d views and %d snapshots were checked", views.Load(), snapshots.Load())
	}
	settle(e)
	if s := e.Stats(); s.Versions != 0 || s.Deleted != 0 || s.Retired != 0 {
		t.Fatalf("garbage is left: %+v", s)
	}
	if err := table.tree.Check(); err != nil {
		t.Fatal(err)
	}
}

// settle collects until nothing is left to do.
func settle(e *Engine) {
	for n := 0; n < 10000 && e.Maintain(); n++ {
	}
}

// liveBytes returns what is allocated, not counting what caches hold.
func liveBytes(e *Engine) int64 {
	for _, w := range e.workers {
		w.mem.Cache.Close()
	}
	e.keeper.mem.Cache.Close()
	return e.arena.LiveBytes()
}

// TestWriteSkewByPhantom: two transactions each insert a key unless a range
// is empty but for their own; serial execution lets only one succeed.
func TestWriteSkewByPhantom(t *testing.T) {
	for _, found := range []string{"scan", "get"} {
		t.Run(found, func(t *testing.T) {
			e := newEngine(t, 64<<20, 2)
			table := newTable(t, e, 1, found == "scan")
			a, b := begin(t, e), begin(t, e)
			for i, tx := range []*Tx{a, b} {
				if found == "scan" {
					if got := dump(t, tx, table, Range{From: []byte("k"), To: []byte("l")}); got != "" {
						t.Fatal(got)
					}
				} else {
					for _, k := range []string{"k0", "k1"} {
						if _, err := tx.Get(table, []byte(k)); !errors.Is(err, ErrNotFound) {
							t.Fatal(err)
						}
					}
				}
				must(t, tx.Insert(table, fmt.Appendf(nil, "k%d", i), nil))
			}
			if _, err := a.Commit(); err != nil {
				t.Fatalf("the first commit: %v", err)
			}
			if _, err := b.Commit(); !errors.Is(err, ErrConflict) {
				t.Fatalf("the second commit: %v, want a conflict", err)
			}
			a.End()
			b.End()
		})
	}
}

// TestOwnInsertsDoNotConflictWithOwnScans: a transaction that has scanned a
// range may fill it, splitting its nodes.
func TestOwnInsertsDoNotConflictWithOwnScans(t *testing.T) {
	e := newEngine(t, 64<<20, 1)
	table := newTable(t, e, 1, true)
	hashed := newTable(t, e, 2, false)
	for round := range 20 {
		tx := begin(t, e)
		n := 0
		must(t, tx.Scan(table, Range{}, func(_, _ []byte) bool { n++; return true }))
		if n != round*300 {
			t.Fatalf("round %d: %d keys", round, n)
		}
		for i := range 300 {
			k := fmt.Appendf(nil, "%d", (i*7919+round)%1000003*1000+round)
			must(t, tx.Insert(table, k, k))
			must(t, tx.Insert(hashed, k, k))
		}
		if _, err := tx.Commit(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		tx.End()
	}
}

func TestSnapshotSeesItsState(t *testing.T) {
	e := newEngine(t, 64<<20, 1)
	table := newTable(t, e, 1, true)
	long := string(bytes.Repeat([]byte("L"), record.InlineMax+1))
	put(t, e, table, "changed", "1")
	put(t, e, table, "deleted", "1")
	put(t, e, table, "grown", "1")
	put(t, e, table, "long", long)
	s1, err := e.OpenSnapshot()
	must(t, err)
	update(t, e, func(tx *Tx) error {
		return errors.Join(tx.Put(table, []byte("changed"), []byte("2")), tx.Delete(table, []byte("deleted")),
			tx.Put(table, []byte("grown"), []byte(long)), tx.Put(table, []byte("long"), []byte("2")), tx.Put(table, []byte("new"), []byte("2")))
	})
	s2, err := e.OpenSnapshot()
	must(t, err)
	put(t, e, table, "deleted", "3")
	put(t, e, table, "changed", "3")
	update(t, e, func(tx *Tx) error { return tx.Delete(table, []byte("new")) })
	settle(e)
	check := func(s *Snapshot, want string) {
		t.Helper()
		tx, err := s.Begin(t.Context())
		must(t, err)
		defer tx.End()
		if got := dump(t, tx, table, Range{}); got != want {
			t.Errorf("scan at %d:\n got %.200s\nwant %.200s", s.Timestamp(), got, want)
		}
		for _, key := range []string{"changed", "deleted", "grown", "long", "new", "never"} {
			v, err := tx.Get(table, []byte(key))
			one := dump(t, tx, table, Range{From: []byte(key), To: []byte(key + "\x00")})
			if (err == nil) != (one != "") || err == nil && one != fmt.Sprintf("%s=%s ", key, v) {
				t.Errorf("Get(%s) at %d = %.20q, %v; scan says %.30q", key, s.Timestamp(), v, err, one)
			}
		}
	}
	want1 := "changed=1 deleted=1 grown=1 long=" + long + " "
	want2 := "changed=2 grown=" + long + " long=2 new=2 "
	check(s1, want1)
	check(s2, want2)
	s2.Close()
	settle(e)
	check(s1, want1)
	s1.Close()
	if _, err := s1.Begin(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Begin on a closed snapshot: %v", err)
	}
	settle(e)
	if s := e.Stats(); s.Versions != 0 || s.Deleted != 0 || s.Retired != 0 || s.Snapshots != 0 {
		t.Errorf("garbage is left: %+v", s)
	}
}

func TestDropTable(t *testing.T) {
	e := newEngine(t, 64<<20, 2)
	keep := newTable(t, e, 1, true)
	for _, ordered := range []bool{true, false} {
		table := newTable(t, e, 2, ordered)
		put(t, e, keep, "k", "v")
		settle(e)
		before := liveBytes(e)
		for i := range 3000 {
			put(t, e, table, fmt.Sprint(i), string(bytes.Repeat([]byte("x"), i)))
		}
		s, err := e.OpenSnapshot()
		must(t, err)
		for i := range 1000 {
			update(t, e, func(tx *Tx) error {
				return errors.Join(tx.Delete(table, fmt.Append(nil, i)), tx.Put(table, fmt.Append(nil, i+1000), nil))
			})
		}
		running := begin(t, e)
		must(t, running.Put(table, []byte("late"), nil))
		if !e.CloseTable(table) || e.CloseTable(table) {
			t.Fatal("CloseTable must say who was first")
		}
		e.DropTable(table, e.clock.Next())
		if _, err := running.Commit(); !errors.Is(err, ErrConflict) {
			t.Fatalf("commit to a dropped table: %v", err)
		}
		running.Restart()
		if err := running.Put(table, []byte("late"), nil); !errors.Is(err, ErrNoTable) {
			t.Fatalf("put to a dropped table: %v", err)
		}
		running.End()
		settle(e)
		tx, err := s.Begin(t.Context())
		must(t, err)
		for i := range 3000 {
			if v, err := tx.Get(table, fmt.Append(nil, i)); err != nil || len(v) != i {
				t.Fatalf("snapshot of the dropped table: %d: %d bytes, %v", i, len(v), err)
			}
		}
		tx.End()
		s.Close()
		settle(e)
		if after := liveBytes(e); after > before {
			t.Fatalf("dropping left %d bytes, there were %d before", after, before)
		}
		if n := e.Stats().Records; n != 1 {
			t.Fatalf("%d records are left, want 1", n)
		}
	}
}

func TestMemoryFullLeavesNothingBehind(t *testing.T) {
	e := newEngine(t, 16<<20, 1)
	table := newTable(t, e, 1, true)
	n := 0
	tx := begin(t, e)
	for ; ; n++ {
		must(t, tx.Put(table, fmt.Appendf(nil, "%06d", n), make([]byte, 1000)))
		must(t, tx.Put(table, fmt.Appendf(nil, "%06d-long", n), make([]byte, 5000)))
		_, err := tx.Commit()
		if errors.Is(err, dberr.ErrMemoryFull) {
			break
		}
		must(t, err)
		tx.Restart()
	}
	tx.Restart()
	count := 0
	must(t, tx.Scan(table, Range{}, func(_, _ []byte) bool { count++; return true }))
	if count != 2*n {
		t.Fatalf("%d keys after %d commits", count, n)
	}
	tx.Restart()
	if deleted, err := tx.DeleteRange(table, nil, nil); err != nil || deleted != 2*n {
		t.Fatalf("deleted %d, %v", deleted, err)
	}
	if _, err := tx.Commit(); err != nil {
		t.Fatalf("deleting with full memory: %v", err)
	}
	tx.End()
	settle(e)
	for i := range n {
		put(t, e, table, fmt.Sprintf("%06d", i), string(make([]byte, 1000)))
	}
}

func TestReplayInAnyOrder(t *testing.T) {
	type op struct {
		key, value string
		ts         hlc.Timestamp
	}
	var ops []op
	want := map[string]string{}
	rng := rand.New(rand.NewPCG(3, 3))
	for ts := hlc.Timestamp(1); ts <= 4000; ts++ {
		o := op{fmt.Sprint(rng.IntN(200)), randomValue(rng), ts}
		if rng.IntN(3) == 0 {
			o.value = "deleted"
			delete(want, o.key)
		} else {
			want[o.key] = o.value
		}
		ops = append(ops, o, o) // each twice
	}
	rng.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
	e := newEngine(t, 64<<20, 4)
	table := newTable(t, e, 1, true)
	replay := func(ops []op) {
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				r := e.NewReplayer(g)
				defer r.Close()
				for i := g; i < len(ops); i += 4 {
					r.Begin()
					var err error
					if o := ops[i]; o.value == "deleted" {
						err = r.Delete(table, []byte(o.key), o.ts)
					} else {
						err = r.Put(table, []byte(o.key), []byte(o.value), o.ts)
					}
					if err != nil {
						t.Error(err)
					}
					r.End()
				}
			})
		}
		wg.Wait()
	}
	// What is at or below half is replayed with some of the rest, and then collected.
	const half = 2000
	first, newest := 0, map[string]op{}
	for i, o := range ops {
		if o.ts > half && rng.IntN(2) == 0 {
			continue
		}
		if o.ts > newest[o.key].ts {
			newest[o.key] = o
		}
		ops[i], ops[first] = ops[first], ops[i]
		first++
	}
	replay(ops[:first])
	var least, most int64
	for _, o := range newest {
		if o.value == "deleted" && o.ts > half {
			least++
		}
	}
	for _, o := range ops[:first] {
		if o.value == "deleted" && o.ts > half {
			most++
		}
	}
	e.CollectReplayed(half)
	if s := e.Stats(); s.Deleted < least || s.Deleted > most || s.Retired != 0 {
		t.Errorf("collected up to %d, with %d to %d deletions above: %+v", half, least, most, s)
	}
	replay(ops[first:])
	e.clock.Observe(4000)
	settle(e)
	tx := begin(t, e)
	defer tx.End()
	n := 0
	must(t, tx.Scan(table, Range{}, func(k, v []byte) bool {
		if want[string(k)] != string(v) {
			t.Errorf("%s = %.20q, want %.20q", k, v, want[string(k)])
		}
		n++
		return true
	}))
	if s := e.Stats(); n != len(want) || s.Records != int64(n) || s.Deleted != 0 {
		t.Errorf("%d keys, want %d; %+v", n, len(want), s)
	}
}
