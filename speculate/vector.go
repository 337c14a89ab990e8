package speculate

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
)

// Vector is what is known of many courses (the vector watermark, with all epochs).
// The zero Vector is ready to use and knows nothing. It must not be copied.
type Vector[K comparable] struct {
	// New, if set, makes the course of a key that is named for the first time. It
	// must not use the vector. Set before the vector is used.
	New func(K) *Course

	// courses is replaced under mu when a course comes or goes, which is rare, and
	// read by everybody.
	courses atomic.Pointer[map[K]*Course]
	// mu is taken before that of a course. It is held while something is enlisted, so that
	// Forget does not take the course away in between.
	mu sync.Mutex
}

// Course returns the course with a key: Advance, End and Fail it with what is known of
// it.
func (v *Vector[K]) Course(key K) *Course {
	if c := v.find(key); c != nil {
		return c
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.make(key)
}

// find returns the course with a key, nil if nobody has named it yet.
func (v *Vector[K]) find(key K) *Course {
	if courses := v.courses.Load(); courses != nil {
		return (*courses)[key]
	}
	return nil
}

// make is Course for those who hold mu.
func (v *Vector[K]) make(key K) *Course {
	if c := v.find(key); c != nil {
		return c
	}
	c := new(Course)
	if v.New != nil {
		c = v.New(key)
	}
	v.replace(func(courses map[K]*Course) { courses[key] = c })
	return c
}

// replace changes a copy of the courses. mu is held.
func (v *Vector[K]) replace(change func(map[K]*Course)) {
	courses := map[K]*Course{}
	if old := v.courses.Load(); old != nil {
		courses = maps.Clone(*old)
	}
	change(courses)
	v.courses.Store(&courses)
}

// Forget drops what is known of a course, unless somebody waits for it or has undos
// there, and returns whether it did. No set that names the course may be used
// afterwards: it would be undecided for ever.
func (v *Vector[K]) Forget(key K) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := v.find(key)
	if c == nil {
		return true
	}
	if c.Waiting() > 0 || c.Undos() > 0 {
		return false
	}
	v.replace(func(courses map[K]*Course) { delete(courses, key) })
	return true
}

// State tells what is known of what rests on a set: it is certain if everything in the
// set is, and doomed if anything in it is.
func (v *Vector[K]) State(s *Set[K]) State {
	all := Certain
	for key, at := range s.All() {
		switch v.stateOf(key, at) {
		case Doomed:
			return Doomed
		case Undecided:
			all = Undecided
		}
	}
	return all
}

func (v *Vector[K]) stateOf(key K, at Point) State {
	if c := v.find(key); c != nil {
		return c.State(at)
	}
	return Undecided
}

// Prune drops from a set what is certain.
func (v *Vector[K]) Prune(s *Set[K]) {
	s.prune(func(key K, at Point) bool { return v.stateOf(key, at) == Certain })
}

// Wait returns nil once everything in a set is certain, ErrDoomed as soon as anything
// in it is gone, or the error of Fail or of ctx. It does not keep the set.
func (v *Vector[K]) Wait(ctx context.Context, s *Set[K]) error {
	if v.State(s) == Certain {
		return nil
	}
	news := make(wake, 1)
	c := v.claim(s, news.hear)
	select {
	case err := <-news:
		return err
	case <-ctx.Done():
		c.leave()
		return ctx.Err()
	}
}

// Notify calls tell once, with what Wait would return: at once if that is known
// already, else from the goroutine that brings the news. tell must not block, nor move
// a course of the set. It does not keep the set.
func (v *Vector[K]) Notify(s *Set[K], tell func(error)) {
	if v.State(s) == Certain {
		tell(nil)
		return
	}
	v.claim(s, tell)
}

// Undo registers what to run, once, if anything in a set turns out to be gone. What is
// registered at one course of the set is as with Course.Undo, order and errors
// included. It does not keep the set.
func (v *Vector[K]) Undo(s *Set[K], run func()) error {
	u := undo{run: run, spent: new(atomic.Bool)}
	v.mu.Lock()
	defer v.mu.Unlock()
	for key, at := range s.All() {
		u.at = at
		err := v.make(key).remember(u)
		if err != nil && u.spent.CompareAndSwap(false, true) {
			return err
		}
		if err != nil {
			return nil // one of the courses before has ended meanwhile, and run it
		}
	}
	return nil
}

// claim is somebody who waits for several courses.
type claim struct {
	tell    func(error)
	courses []*Course
	left    atomic.Int64 // how much is undecided, and one while the claim is made
	told    atomic.Bool
}

// claim makes a claim to everything in a set.
func (v *Vector[K]) claim(s *Set[K], tell func(error)) *claim {
	c := &claim{tell: tell, courses: make([]*Course, 0, s.Len())}
	c.left.Store(int64(s.Len()) + 1)
	if err := v.enlist(s, c); err != nil {
		c.hear(err)
	} else {
		c.hear(nil) // the one for making it
	}
	if c.told.Load() {
		c.leave() // the courses where it was enlisted after it was told
	}
	return c
}

// enlist lets the claim hear of every course in the set. The error is that of a course
// that is doomed already, or else of one that has failed.
func (v *Vector[K]) enlist(s *Set[K], c *claim) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for key := range s.All() {
		c.courses = append(c.courses, v.make(key)) // nobody else changes it afterwards
	}
	var worst error
	for i, e := range s.entries {
		decided, err := c.courses[i].enlist(e.at, c)
		switch {
		case err != nil:
			if worst == nil || errors.Is(err, ErrDoomed) {
				worst = err
			}
		case decided:
			c.left.Add(-1)
		}
	}
	return worst
}

// hear tells the claim's owner at the first error, or when nothing is left.
func (c *claim) hear(err error) {
	if err == nil && c.left.Add(-1) > 0 || !c.told.CompareAndSwap(false, true) {
		return
	}
	if err != nil {
		c.leave() // nobody else has to be heard
	}
	c.tell(err)
}

func (c *claim) leave() {
	for _, course := range c.courses {
		course.leave(c)
	}
}
