package syncrepl

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

func aged(age uint64) *owner {
	o := newOwner()
	o.age = age
	return o
}

// asks asks for a lock and tells what came of it without waiting.
func asks(l *locks, o *owner, key string, m mode) <-chan error {
	done := make(chan error, 1)
	n := name{"t", key}
	p := l.partition(n)
	p.Lock()
	var before int
	if k := p.locks[n]; k != nil {
		before = len(k.waiters) + len(k.owners)
	}
	p.Unlock()
	go func() { done <- l.acquire(o, n, m) }()
	for {
		p.Lock()
		k, arrived := p.locks[n], len(done) > 0
		arrived = arrived || k != nil && len(k.waiters)+len(k.owners) > before
		p.Unlock()
		if arrived {
			return done
		}
	}
}

func granted(t *testing.T, l *locks, o *owner, key string, m mode) {
	t.Helper()
	if err := l.acquire(o, name{"t", key}, m); err != nil {
		t.Fatal(err)
	}
}

func TestReadersShareAndWritersDoNot(t *testing.T) {
	l, first, second, writer := newLocks(), aged(1), aged(2), aged(3)
	granted(t, l, first, "a", shared)
	granted(t, l, second, "a", shared)
	done := asks(l, writer, "a", exclusive)
	l.release(first, exclusive)
	if len(done) > 0 {
		t.Fatal("a writer beside a reader")
	}
	l.release(second, exclusive)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	l.release(writer, exclusive)
	for i := range l.partitions {
		if n := len(l.partitions[i].locks); n != 0 {
			t.Errorf("%d locks are left", n)
		}
	}
}

// TestOlderOnesWound holds that whoever is in the way of an older transaction runs again,
// and that a younger one waits.
func TestOlderOnesWound(t *testing.T) {
	l, old, young := newLocks(), aged(1), aged(2)
	granted(t, l, young, "a", shared)
	granted(t, l, old, "b", exclusive)
	oldHas := asks(l, old, "a", exclusive)
	if err := l.acquire(young, name{"t", "b"}, shared); !errors.Is(err, errWounded) {
		t.Fatalf("the younger one got %v", err)
	}
	l.release(young, exclusive)
	if err := <-oldHas; err != nil {
		t.Fatal(err)
	}
	youngHas := asks(l, young, "a", shared)
	if len(youngHas) > 0 {
		t.Fatal("the younger one does not wait")
	}
	l.release(old, exclusive)
	if err := <-youngHas; err != nil {
		t.Fatal(err)
	}
}

// TestWaitingOnesAreWounded: a ring of two, of which one waits already.
func TestWaitingOnesAreWounded(t *testing.T) {
	l, old, young := newLocks(), aged(1), aged(2)
	granted(t, l, young, "a", exclusive)
	granted(t, l, old, "b", exclusive)
	youngHas := asks(l, young, "b", exclusive)
	oldHas := asks(l, old, "a", exclusive)
	if err := <-youngHas; !errors.Is(err, errWounded) {
		t.Fatalf("the younger one got %v", err)
	}
	l.release(young, exclusive)
	if err := <-oldHas; err != nil {
		t.Fatal(err)
	}
}

// TestNoRingStands has many transactions lock a few keys in any order: all come to an end,
// and nobody is beside a writer.
func TestNoRingStands(t *testing.T) {
	const (
		sessions, transactions = 16, 300
		keys, each             = 6, 4
	)
	l := newLocks()
	var (
		ages    atomic.Uint64
		writers [keys]atomic.Int32
		readers [keys]atomic.Int32
		all     sync.WaitGroup
	)
	for s := range sessions {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(s), 1)) //nolint:gosec // not secret
			o := newOwner()
			for range transactions {
				o.age = ages.Add(1)
				for done := false; !done; {
					done = true
					held := map[int]mode{}
					for range each {
						k, m := r.IntN(keys), mode(1+r.IntN(2))
						if l.acquire(o, name{"t", fmt.Sprint(k)}, m) != nil {
							done = false
							break
						}
						m = max(m, held[k])
						if m == exclusive && held[k] != exclusive {
							if writers[k].Add(1) != 1 || int(readers[k].Load()) > int(held[k]) {
								t.Errorf("a writer of %d is not alone", k)
							}
						}
						if held[k] == 0 && m == shared {
							readers[k].Add(1)
							if writers[k].Load() > 0 {
								t.Errorf("a reader of %d beside a writer", k)
							}
						}
						if held[k] == shared && m == exclusive {
							readers[k].Add(-1)
						}
						held[k] = m
					}
					for k, m := range held {
						if m == exclusive {
							writers[k].Add(-1)
						} else {
							readers[k].Add(-1)
						}
					}
					l.release(o, exclusive)
				}
			}
		})
	}
	all.Wait()
}
