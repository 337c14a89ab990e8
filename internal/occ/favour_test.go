package occ

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitdb/godwit/internal/record"
)

// The tests below run in virtual time: what takes time takes exactly that time, and
// what does not takes none.

// favour makes tx the favoured transaction, and returns how many attempts had to
// fail for that.
func favour(t *testing.T, tx *Tx) int {
	t.Helper()
	n := 0
	for !tx.favoured() {
		n++
		must(t, tx.Retry())
	}
	return n
}

// pass lets d pass.
func pass(d time.Duration) { <-time.NewTimer(d).C }

// took returns how long fn took.
func took(fn func()) time.Duration {
	start := time.Now()
	fn()
	return time.Since(start)
}

func TestWhoeverFailsOftenIsFavoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, 64<<20, 2)
		short := begin(t, e)
		if n := favour(t, short); n < backOffSpins || n > 25 {
			t.Errorf("a short transaction is favoured after %d attempts", n)
		}
		short.End()
		long := begin(t, e)
		n := 0
		for ; !long.favoured(); n++ {
			pass(50 * time.Millisecond)
			must(t, long.Retry())
		}
		if n != favourAfter {
			t.Errorf("a long transaction is favoured after %d attempts, want %d", n, favourAfter)
		}
		if w := long.retries.window; w != 100*time.Millisecond {
			t.Errorf("it is favoured for %v, want twice what its attempts take", w)
		}
		long.End()
		if s := e.Stats(); s.Favoured != 2 {
			t.Errorf("%d favours were counted", s.Favoured)
		}
		reader, err := e.BeginView(t.Context())
		must(t, err)
		for range 40 {
			must(t, reader.Retry())
			if reader.favoured() {
				t.Fatal("a reader is favoured")
			}
		}
		reader.End()
		// The next transaction in the same Tx begins anew.
		again := begin(t, e)
		defer again.End()
		if again.Conflicts() != 0 {
			t.Errorf("%d conflicts of a transaction that has just begun", again.Conflicts())
		}
	})
}

// Nobody commits while another transaction is favoured, neither to what it has read
// nor to anything else, and it commits.
func TestOthersWaitForTheFavoured(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			e := newEngine(t, 64<<20, 2)
			table := newTable(t, e, 1, ordered)
			put(t, e, table, "read", "0")
			put(t, e, table, "deleted", "0")
			tx := begin(t, e)
			favour(t, tx)
			_, err := tx.Get(table, []byte("read"))
			must(t, err)
			if _, err := tx.Get(table, []byte("inserted")); !errors.Is(err, ErrNotFound) {
				t.Fatal(err)
			}
			if ordered {
				dump(t, tx, table, Range{})
			}
			must(t, tx.Put(table, []byte("mine"), nil))
			var wg sync.WaitGroup
			var after [3]atomic.Uint64
			for i, fn := range []func(tx *Tx) error{
				func(tx *Tx) error { return tx.Put(table, []byte("read"), nil) },
				func(tx *Tx) error { return tx.Put(table, []byte("inserted"), nil) },
				func(tx *Tx) error { return tx.Delete(table, []byte("deleted")) },
			} {
				wg.Go(func() { after[i].Store(uint64(update(t, e, fn))) })
			}
			synctest.Wait()
			e.Maintain()
			ts, err := tx.Commit()
			if err != nil {
				t.Fatal("the favoured transaction:", err)
			}
			for i := range after {
				if at := after[i].Load(); at != 0 {
					t.Errorf("commit %d at %d did not wait", i, at)
				}
			}
			if d := took(func() { tx.End(); wg.Wait() }); d != 0 {
				t.Errorf("the others waited %v longer than they had to", d)
			}
			for i := range after {
				if at := after[i].Load(); at <= uint64(ts) {
					t.Errorf("commit %d has timestamp %d, the favoured one %d", i, at, ts)
				}
			}
		})
	}
}

// A favoured transaction that does not end holds the others up for as long as it
// was promised, and no longer; the next favour is longer, up to favourMax.
func TestFavoursLapse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, 64<<20, 2)
		table := newTable(t, e, 1, true)
		put(t, e, table, "k", "0")
		tx := begin(t, e)
		favour(t, tx)
		longest := time.Duration(0)
		for n := 0; longest < favourMax; n++ {
			if n > 20 {
				t.Fatalf("after %d favours the last was for %v", n, longest)
			}
			promised := tx.retries.window
			if promised < 2*longest && promised != favourMax {
				t.Fatalf("%v were promised after %v", promised, longest)
			}
			_, err := tx.Get(table, []byte("k"))
			must(t, err)
			must(t, tx.Put(table, []byte("other"), nil))
			if d := took(func() { put(t, e, table, "k", fmt.Sprint(n)) }); d != promised {
				t.Fatalf("a commit waited %v for a favour of %v", d, promised)
			}
			if d := took(func() { put(t, e, table, "k", fmt.Sprint(n)) }); d != 0 {
				t.Fatalf("the commit after that waited %v", d)
			}
			if _, err := tx.Commit(); !errors.Is(err, ErrConflict) {
				t.Fatal("overtaken, and yet:", err)
			}
			longest = promised
			if d := took(func() { favour(t, tx) }); d < promised {
				t.Fatalf("favoured again after a rest of %v, it had been for %v", d, promised)
			}
		}
		// A favour for which nobody waits is good for as long as it takes.
		pass(10 * favourMax)
		_, err := tx.Get(table, []byte("k"))
		must(t, err)
		must(t, tx.Put(table, []byte("k"), nil))
		if _, err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		tx.End()
	})
}

// Whoever waits for a favour, or to be favoured, is let go by his context. The one
// who is favoured does not notice.
func TestContextsEndWaitingForFavours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, 64<<20, 2)
		table := newTable(t, e, 1, true)
		ctx, cancel := context.WithCancel(context.Background())
		canceled := func() *Tx {
			tx, err := e.Begin(ctx)
			must(t, err)
			return tx
		}
		tx := begin(t, e)
		for !tx.favoured() {
			pass(time.Second)
			must(t, tx.Retry())
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			tx := canceled()
			defer tx.End()
			must(t, tx.Put(table, []byte("k"), nil))
			if _, err := tx.Commit(); !errors.Is(err, context.Canceled) {
				t.Error("a commit:", err)
			}
		})
		for range 3 { // the first of them waits for the favour to end, the others for the first
			wg.Go(func() {
				tx := canceled()
				defer tx.End()
				var err error
				for err == nil {
					err = tx.Retry()
				}
				if !errors.Is(err, context.Canceled) || tx.favoured() {
					t.Error("in line:", err)
				}
			})
		}
		pass(time.Second)
		cancel()
		wg.Wait()
		if !tx.favoured() {
			t.Error("the favoured one is it no more")
		}
		tx.End()
		other := begin(t, e) // nobody's place is taken
		favour(t, other)
		other.End()
	})
}

// They take turns: of those who want to be favoured, the first comes first.
func TestFavoursInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, 64<<20, 1)
		const n = 5
		var order []int
		var wg sync.WaitGroup
		first := begin(t, e)
		favour(t, first)
		for i := range n {
			tx := begin(t, e)
			tx.retries = retries{conflicts: favourAfter, since: time.Now().Add(-favourDelay), began: time.Now()}
			wg.Go(func() {
				favour(t, tx)
				order = append(order, i)
				tx.End()
			})
			synctest.Wait()
		}
		first.End()
		wg.Wait()
		if fmt.Sprint(order) != "[0 1 2 3 4]" {
			t.Errorf("they were favoured in the order %v", order)
		}
	})
}

// Close turns away who waits to be favoured, and waits for the one who is.
func TestCloseWithFavours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, 64<<20, 1)
		table := newTable(t, e, 1, true)
		tx := begin(t, e)
		favour(t, tx)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				tx := begin(t, e)
				defer tx.End()
				var err error
				for err == nil {
					err = tx.Retry()
					tx.unfavour()
				}
				if !errors.Is(err, ErrClosed) {
					t.Error("in line:", err)
				}
			})
		}
		var closed atomic.Bool
		wg.Go(func() {
			pass(100 * time.Millisecond)
			e.Close()
			closed.Store(true)
		})
		pass(time.Second)
		if closed.Load() {
			t.Error("closed while a transaction runs")
		}
		must(t, tx.Put(table, []byte("k"), nil))
		if _, err := tx.Commit(); err != nil {
			t.Error(err)
		}
		tx.End()
		wg.Wait()
	})
}

// Garbage collection takes nothing away from under a favoured transaction, and goes
// on behind it.
func TestGarbageWaitsForTheFavoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, 64<<20, 1)
		table := newTable(t, e, 1, true)
		for i := range 300 {
			put(t, e, table, fmt.Sprintf("%03d", i), "v")
		}
		update(t, e, func(tx *Tx) error {
			_, err := tx.DeleteRange(table, []byte("100"), []byte("200"))
			return err
		})
		tx := begin(t, e)
		favour(t, tx)
		deleted := e.Stats().Deleted
		if deleted == 0 {
			t.Fatal("nothing is there to be collected")
		}
		dump(t, tx, table, Range{})
		for range 10 {
			e.Maintain()
		}
		if n := e.Stats().Deleted; n != deleted {
			t.Errorf("%d of %d deleted records are left", n, deleted)
		}
		must(t, tx.Put(table, []byte("sum"), nil))
		if _, err := tx.Commit(); err != nil {
			t.Error(err)
		}
		tx.End()
		settle(e)
		if n := e.Stats().Deleted; n != 0 {
			t.Errorf("%d deleted records are left", n)
		}
	})
}

// Collecting versions locks records for a moment: others than favoured transactions
// take that for a conflict.
func TestTheFavouredOutlastLocks(t *testing.T) {
	e := newEngine(t, 64<<20, 1)
	table := newTable(t, e, 1, true)
	put(t, e, table, "k", "v")
	word := (*uint64)(e.arena.Ptr(table.get([]byte("k")).Rec))
	for name, end := range map[string]func(tx *Tx) error{
		"read":       func(tx *Tx) error { _, err := tx.Get(table, []byte("k")); return err },
		"write":      func(tx *Tx) error { return errors.Join(tx.Put(table, []byte("k"), nil), commit(tx)) },
		"validation": func(tx *Tx) error { return errors.Join(tx.Put(table, []byte("other"), nil), commit(tx)) },
	} {
		for _, favoured := range []bool{false, true} {
			tx := begin(t, e)
			if favoured {
				favour(t, tx)
			}
			if name == "validation" {
				_, err := tx.Get(table, []byte("k"))
				must(t, err)
			}
			var unlocked sync.WaitGroup
			goOn := make(chan struct{})
			atomic.StoreUint64(word, atomic.LoadUint64(word)|uint64(record.Locked))
			unlocked.Go(func() {
				if !favoured {
					<-goOn
				}
				for range 10 * lockSpinsMax {
					runtime.Gosched()
				}
				atomic.StoreUint64(word, atomic.LoadUint64(word)&^uint64(record.Locked))
			})
			if err := end(tx); errors.Is(err, ErrConflict) == favoured {
				t.Errorf("%s, favoured is %v: %v", name, favoured, err)
			}
			close(goOn)
			unlocked.Wait()
			tx.End()
		}
	}
}

func commit(tx *Tx) error {
	_, err := tx.Commit()
	return err
}

// TestFavouredAmongWriters: long transactions over everything, with deletions,
// insertions, snapshots and garbage collection beside them. Once they are favoured
// they commit, unless they are too slow for what they were promised.
func TestFavouredAmongWriters(t *testing.T) {
	e := newEngine(t, 128<<20, 2)
	table, hashed := newTable(t, e, 1, true), newTable(t, e, 2, false)
	const keys = 3000
	key := func(i int) []byte { return fmt.Appendf(nil, "%05d", i) }
	for i := range keys {
		update(t, e, func(tx *Tx) error {
			return errors.Join(tx.Put(table, key(i), nil), tx.Put(hashed, key(i), nil))
		})
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for g := range 2 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 9))
			for !stop.Load() {
				k := key(rng.IntN(keys))
				update(t, e, func(tx *Tx) error {
					if _, err := tx.Get(hashed, k); err == nil {
						return errors.Join(tx.Delete(hashed, k), tx.Put(table, k, k))
					}
					return errors.Join(tx.Put(hashed, k, nil), tx.Delete(table, k))
				})
			}
		})
	}
	wg.Go(func() {
		for !stop.Load() {
			s, err := e.OpenSnapshot()
			must(t, err)
			e.Maintain()
			s.Close()
			e.Maintain()
		}
	})
	for range 10 {
		tx := begin(t, e)
		tx.retries.window = 50 * time.Millisecond
		for favour(t, tx); ; must(t, tx.Retry()) {
			n := 0
			err := tx.Scan(table, Range{}, func(_, _ []byte) bool { n++; return true })
			for i := 0; i < keys && err == nil; i++ {
				if _, err = tx.Get(hashed, key(i)); errors.Is(err, ErrNotFound) {
					err = nil
				}
			}
			if err == nil {
				err = errors.Join(tx.Put(table, []byte("sum"), fmt.Append(nil, n)), commit(tx))
			}
			if err == nil {
				break
			}
			if tx.favoured() { // and the favour has not lapsed
				t.Fatalf("a favoured transaction: %v", err)
			}
		}
		tx.End()
	}
	stop.Store(true)
	wg.Wait()
}

// A transaction that begins another attempt is never seen outside of its pin:
// Close waits for it.
func TestCloseWaitsForRestarts(t *testing.T) {
	for range 10 {
		e := newEngine(t, 16<<20, 1)
		tx := begin(t, e)
		var closing, ended atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			for !closing.Load() {
				runtime.Gosched()
			}
			for range 100_000 {
				tx.Restart()
			}
			ended.Store(true)
			tx.End()
		})
		closing.Store(true)
		e.Close()
		if !ended.Load() {
			t.Error("closed while a transaction runs")
		}
		wg.Wait()
	}
}
