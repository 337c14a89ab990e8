package speculate

import (
	"cmp"
	"slices"
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/invariant"
)

// DefaultUndosMax is how many undos a course keeps if it is not told otherwise. It is
// far more than runs ahead of a disk or a quorum at full speed, and 64 MiB if each
// undo holds on to 1 KiB.
const DefaultUndosMax = 1 << 16

// undo puts something back.
type undo struct {
	at  Point
	run func()
	// spent, if not nil, is shared by the courses of a set: the first that ends puts
	// back what they have in common.
	spent *atomic.Bool
}

// Undo registers what to run if a point turns out to be gone. It is dropped once the
// point is certain. Of two undos the one with the larger point runs first, and at one
// point the one that was registered later. run must not block, nor move or wait for the
// course.
//
// After an error nothing is registered, and the caller puts back what it did: ErrDoomed
// if the point is gone already, ErrFull.
func (c *Course) Undo(at Point, run func()) error {
	return c.remember(undo{at: at, run: run})
}

// Undos returns how many undos are kept.
func (c *Course) Undos() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.mu.undos.kept())
}

func (c *Course) remember(u undo) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case u.at <= c.Frontier():
		return nil
	case c.ended.Load():
		return ErrDoomed
	case len(c.mu.undos.kept()) >= cmp.Or(c.UndosMax, DefaultUndosMax):
		return ErrFull
	}
	c.mu.undos.add(u)
	return nil
}

// undo ends the course and puts back what is above. deciding is held: those who wait
// hear of it afterwards. Nothing new is registered above from the moment that the end is
// seen.
func (c *Course) undo(final Point) {
	c.mu.Lock()
	c.moveTo(final)
	c.ended.Store(true)
	c.mu.undoing = true
	doomed := c.mu.undos.kept()
	c.mu.undos = undoList{}
	c.mu.Unlock()
	for _, u := range slices.Backward(doomed) {
		if u.spent == nil || u.spent.CompareAndSwap(false, true) {
			u.run()
		}
	}
}

// undoList has undos by their points, those of one point in the order in which they
// came.
type undoList struct {
	all  []undo
	gone int // of all, at the start
}

func (l *undoList) kept() []undo { return l.all[l.gone:] }

// above returns the index in all of the first one above a point.
func (l *undoList) above(at Point) int {
	i, _ := slices.BinarySearchFunc(l.kept(), at, func(u undo, at Point) int {
		if u.at <= at {
			return -1
		}
		return 1
	})
	return l.gone + i
}

// add puts one in its place, which is nearly always the end.
func (l *undoList) add(u undo) {
	l.all = slices.Insert(l.all, l.above(u.at), u)
	if invariant.Enabled {
		invariant.Check(slices.IsSortedFunc(l.kept(), func(a, b undo) int { return cmp.Compare(a.at, b.at) }), "undos are out of order")
	}
}

// drop forgets those up to a point. They leave the memory when they are half of it, so
// each one that stays is moved at most once for each that goes.
func (l *undoList) drop(upTo Point) {
	i := l.above(upTo)
	clear(l.all[l.gone:i])
	l.gone = i
	if 2*l.gone >= len(l.all) {
		l.all = slices.Delete(l.all, 0, l.gone)
		l.gone = 0
	}
}
