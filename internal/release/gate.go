// Package release holds back what must not be seen yet. A transaction executes
// at some timestamp, and its results may leave the database once everything at
// or below that timestamp is certain: the frontier. The Gate knows the frontier
// and who waits for it. This is the only place where results get out (Invariants
// I2 and I3).
package release

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/hlc"
)

// Gate releases waiters as its frontier moves. The zero Gate is ready to use
// and stands at 0.
type Gate struct {
	// OnWait, if set, is called when somebody begins to wait. It must not block nor
	// call the gate. Set before the gate is used.
	OnWait func()

	// frontier is written by Advance, under mu, and read by everybody.
	frontier atomic.Uint64
	mu       struct {
		sync.Mutex
		waiting []waiter
		spare   []waiter
		failed  error
	}
	pool sync.Pool // of chan error with room for one
}

type waiter struct {
	at   hlc.Timestamp
	tell func(error) // one of the two
	wake chan error
}

// Frontier returns the timestamp up to which everything is released.
func (g *Gate) Frontier() hlc.Timestamp { return hlc.Timestamp(g.frontier.Load()) }

// Advance moves the frontier to ts and releases whoever waited for it. A ts
// behind the frontier changes nothing.
func (g *Gate) Advance(ts hlc.Timestamp) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if uint64(ts) <= g.frontier.Load() {
		return
	}
	g.frontier.Store(uint64(ts))
	g.tell(func(at hlc.Timestamp) bool { return at <= ts }, nil)
}

// Fail ends all waiting, now and later, with err: the frontier will not move
// any more.
func (g *Gate) Fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.failed == nil {
		g.mu.failed = err
	}
	g.tell(func(hlc.Timestamp) bool { return true }, err)
}

// tell tells err to the waiters that which picks, and forgets them.
func (g *Gate) tell(which func(hlc.Timestamp) bool, err error) {
	keep := g.mu.spare[:0]
	for _, w := range g.mu.waiting {
		switch {
		case !which(w.at):
			keep = append(keep, w)
		case w.wake != nil:
			w.wake <- err // has room for it
		default:
			w.tell(err)
		}
	}
	clear(g.mu.waiting)
	g.mu.waiting, g.mu.spare = keep, g.mu.waiting[:0]
}

// Wait returns nil once ts is released, or the error of Fail or ctx. After an
// error of ctx it is not known whether ts will be released.
func (g *Gate) Wait(ctx context.Context, ts hlc.Timestamp) error {
	if ts <= g.Frontier() {
		return nil
	}
	wake, _ := g.pool.Get().(chan error)
	if wake == nil {
		wake = make(chan error, 1)
	}
	if done, err := g.enlist(waiter{at: ts, wake: wake}); done {
		g.pool.Put(wake)
		return err
	}
	select {
	case err := <-wake:
		g.pool.Put(wake)
		return err
	case <-ctx.Done():
		g.leave(wake)
		return ctx.Err()
	}
}

// Notify calls tell once, with nil when ts is released or with the error of
// Fail: at once if that is known already, else from the goroutine that moves
// the frontier. tell must not block nor call the gate.
func (g *Gate) Notify(ts hlc.Timestamp, tell func(error)) {
	if ts <= g.Frontier() {
		tell(nil)
		return
	}
	if done, err := g.enlist(waiter{at: ts, tell: tell}); done {
		tell(err)
	}
}

// enlist adds a waiter, unless what it waits for is decided.
func (g *Gate) enlist(w waiter) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.at <= g.Frontier() {
		return true, nil
	}
	if g.mu.failed != nil {
		return true, g.mu.failed
	}
	g.mu.waiting = append(g.mu.waiting, w)
	if g.OnWait != nil {
		g.OnWait()
	}
	return false, nil
}

// leave forgets a waiter that waits no longer, so that its channel is not told
// anything. (The channel is dropped, since it may have been told already.)
func (g *Gate) leave(wake chan error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.mu.waiting {
		if g.mu.waiting[i].wake == wake {
			last := len(g.mu.waiting) - 1
			g.mu.waiting[i] = g.mu.waiting[last]
			g.mu.waiting[last] = waiter{}
			g.mu.waiting = g.mu.waiting[:last]
			return
		}
	}
}

// Waiting returns how many wait.
func (g *Gate) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.mu.waiting)
}
