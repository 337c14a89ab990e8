package speculate

import (
	"sync"
	"sync/atomic"
)

// Point is a place in a course: the position of a record in a log, a timestamp, a
// number that counts steps. What has the larger point may rest on what has the
// smaller one of the same course, never the other way round. 0 is before
// everything and always certain.
type Point uint64

// State is what is known of something that rests on uncertain events.
type State int

const (
	// Undecided may yet be either.
	Undecided State = iota
	// Certain is what nothing can undo.
	Certain
	// Doomed can never be certain.
	Doomed
)

func (s State) String() string {
	return [...]string{"undecided", "certain", "doomed"}[s]
}

// Course is a sequence of events that are uncertain at first. The zero Course is
// ready to use; nothing of it is certain. It must not be copied.
type Course struct {
	// OnWait, if set, is called when somebody begins to wait, in its goroutine. It
	// must not block. Set before the course is used.
	OnWait func()
	// UndosMax bounds how many undos are kept; 0 means DefaultUndosMax. Set before the
	// course is used.
	UndosMax int

	// frontier is written by whoever decides, under mu, and read by everybody.
	frontier atomic.Uint64
	// ended is set once, after the frontier has become final: whoever sees it and loads
	// the frontier then has the final one.
	ended atomic.Bool

	// deciding is held by whoever brings news, and is taken before mu: news comes
	// one at a time, and functions of the program are called without mu.
	deciding sync.Mutex
	told     []waiter // by whoever holds deciding; empty in between

	mu struct {
		sync.Mutex
		waiting []waiter
		undos   undoList
		undoing bool // the course has ended, and undos still run
		failed  error
	}
	wakes sync.Pool // of wake
}

// Frontier returns the point up to which everything is certain.
func (c *Course) Frontier() Point { return Point(c.frontier.Load()) }

// Final returns the final point, and whether the course has ended there.
func (c *Course) Final() (Point, bool) {
	if !c.ended.Load() {
		return 0, false
	}
	return c.Frontier(), true
}

// State tells what is known of a point. A course that failed leaves what is above its
// frontier undecided.
func (c *Course) State(at Point) State {
	if at <= c.Frontier() {
		return Certain
	}
	if final, ok := c.Final(); ok {
		if at <= final {
			return Certain
		}
		return Doomed
	}
	return Undecided
}

// Advance says that everything up to a point is certain, and lets out who waited for
// it. What is behind the frontier changes nothing, and a course that has ended
// stays where it is.
func (c *Course) Advance(to Point) {
	if to <= c.Frontier() {
		return
	}
	c.deciding.Lock()
	defer c.deciding.Unlock()
	if to <= c.Frontier() || c.ended.Load() {
		return
	}
	c.mu.Lock()
	c.moveTo(to)
	c.settle()
}

// End says that everything up to the final point is certain and everything above
// is gone for good: it runs the undos that are registered above, the newest
// first, and then tells everybody who waits. To say so again changes nothing; ErrFinal
// if it cannot be true.
func (c *Course) End(final Point) error {
	c.deciding.Lock()
	defer c.deciding.Unlock()
	if before, ok := c.Final(); final < c.Frontier() || ok && final != before {
		return ErrFinal
	} else if ok {
		return nil
	}
	c.undo(final)
	c.mu.Lock()
	c.mu.undoing = false
	c.settle()
	return nil
}

// Fail gives up waiting, now and later: whoever waits for what is above the frontier
// gets err, the first one if there are several. If it turns out all the same what is
// certain and what is gone, Advance and End still say so, and undos are kept for that.
func (c *Course) Fail(err error) {
	c.deciding.Lock()
	defer c.deciding.Unlock()
	c.mu.Lock()
	if c.mu.failed == nil {
		c.mu.failed = err
	}
	c.settle()
}

// moveTo moves the frontier and drops the undos that it passes. mu is held.
func (c *Course) moveTo(to Point) {
	c.frontier.Store(uint64(to))
	c.mu.undos.drop(to)
}

// verdict is what somebody who waits for a point has to be told, if anything yet. mu
// is held.
func (c *Course) verdict(at Point) (decided bool, err error) {
	switch {
	case at <= c.Frontier():
		return true, nil
	case c.ended.Load():
		return !c.mu.undoing, ErrDoomed // Invariant I9: after it is put back
	case c.mu.failed != nil:
		return true, c.mu.failed
	}
	return false, nil
}
