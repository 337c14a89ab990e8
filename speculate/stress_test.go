package speculate

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func TestWaitStress(t *testing.T) {
	var c Course
	var wg sync.WaitGroup
	const waiters, steps = 8, 2000
	for range waiters {
		wg.Go(func() {
			for at := Point(1); at <= steps; at++ {
				if err := c.Wait(t.Context(), at); err != nil || c.Frontier() < at {
					t.Errorf("Wait(%d): %v, frontier %d", at, err, c.Frontier())
					return
				}
			}
		})
	}
	for at := Point(1); at <= steps; at++ {
		c.Advance(at)
	}
	wg.Wait()
}

// life is one epoch of a shard, as a key.
type life struct{ shard, epoch int }

// ledger is a program that runs ahead of several shards: a list to which everybody
// appends, each on top of what is there.
type ledger struct {
	Vector[life]
	mu struct {
		sync.Mutex
		epoch   [2]int // of each shard
		next    Point
		entries []ledgerEntry
	}
}

type ledgerEntry struct {
	number int64
	needs  *Set[life]
}

// put appends a number that rests on the current epochs of some shards and on
// the entries below.
func (l *ledger) put(number int64, shards []int) (*Set[life], error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	needs := new(Set[life])
	if n := len(l.mu.entries); n > 0 {
		needs.CopyFrom(l.mu.entries[n-1].needs)
		l.Prune(needs)
	}
	l.mu.next++
	for _, s := range shards {
		needs.Add(life{s, l.mu.epoch[s]}, l.mu.next)
	}
	l.mu.entries = append(l.mu.entries, ledgerEntry{number, needs})
	return needs, l.Undo(needs, func() {
		top := len(l.mu.entries) - 1
		if l.mu.entries[top].number != number {
			panic(fmt.Sprintf("undo of %d, but %d is on top", number, l.mu.entries[top].number))
		}
		l.mu.entries = l.mu.entries[:top]
	})
}

// end ends the epoch of a shard. The ledger's lock protects what is put back.
func (l *ledger) end(shard int, lost Point) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.Course(life{shard, l.mu.epoch[shard]})
	l.mu.epoch[shard]++
	return c.End(max(c.Frontier(), l.mu.next-min(l.mu.next, lost)))
}

// advance makes certain what is there, for one shard.
func (l *ledger) advance(shard int) {
	l.mu.Lock()
	c, to := l.Course(life{shard, l.mu.epoch[shard]}), l.mu.next
	l.mu.Unlock()
	c.Advance(to)
}

// Many goroutines append while epochs end: what was let out is there in the end, in
// order, and what was doomed is not.
func TestStressOfEndingCourses(t *testing.T) {
	const workers, puts = 4, 400
	var l ledger
	var wg sync.WaitGroup
	var running atomic.Int64
	running.Store(workers)
	kept, gone := sync.Map{}, sync.Map{}
	for w := range workers {
		wg.Go(func() {
			defer running.Add(-1)
			for i := range puts {
				number := int64(w*puts + i)
				needs, err := l.put(number, [][]int{{0}, {1}, {0, 1}}[(w+i)%3])
				if err != nil {
					t.Error(err)
					return
				}
				switch err := l.Wait(t.Context(), needs); {
				case err == nil:
					kept.Store(number, true)
				case errors.Is(err, ErrDoomed):
					gone.Store(number, true)
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	for i := 0; running.Load() > 0; i++ {
		runtime.Gosched()
		if i%3 < 2 {
			l.advance(i % 3)
		} else if err := l.end(i%2, Point(i%5)); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	lost := 0
	gone.Range(func(any, any) bool { lost++; return true })
	if lost == 0 || lost == workers*puts {
		t.Errorf("%d of %d were doomed: the test shows nothing", lost, workers*puts)
	}
	n := 0
	for _, e := range l.mu.entries {
		if _, ok := kept.Load(e.number); ok {
			n++
		}
		if _, ok := gone.Load(e.number); ok {
			t.Errorf("%d was doomed and is there", e.number)
		}
	}
	total := 0
	kept.Range(func(any, any) bool { total++; return true })
	if n != total {
		t.Errorf("%d were let out, %d of them are there", total, n)
	}
	for key := range *l.courses.Load() {
		if c := l.Course(key); c.Waiting() != 0 {
			t.Errorf("%d still wait for %v", c.Waiting(), key)
		}
	}
	t.Logf("%d kept of %d, %d epochs", total, workers*puts, l.mu.epoch)
}

// Whoever stops waiting, or registers, while courses end is told once or never.
func TestStressOfClaims(t *testing.T) {
	for i := range 300 {
		var v Vector[int]
		var s Set[int]
		for key := range 3 {
			s.Add(key, 2)
			v.Course(key)
		}
		var told, undone, refused atomic.Int64
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := v.Undo(&s, func() { undone.Add(1) }); err != nil {
					refused.Add(1)
				}
				v.Notify(&s, func(err error) {
					told.Add(1)
					if !errors.Is(err, ErrDoomed) {
						t.Errorf("told %v", err)
					}
				})
			})
		}
		for key := range 3 {
			wg.Go(func() {
				if i%3 == key {
					v.Course(key).Advance(2)
				} else if err := v.Course(key).End(1); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if told.Load() != 4 || undone.Load()+refused.Load() != 4 {
			t.Fatalf("%d told, %d undone, %d refused, of 4", told.Load(), undone.Load(), refused.Load())
		}
		for key := range 3 {
			if n := v.Course(key).Waiting(); n != 0 {
				t.Fatalf("%d still wait for %d", n, key)
			}
		}
	}
}
