package speculate

import (
	"iter"
	"slices"
)

// Set is a dependency set: what must be certain before something that rests on it is.
// For each course, by its key, it has the largest point. The zero Set is empty and has no
// memory. A copy of a Set shares its memory: use CopyFrom.
type Set[K comparable] struct {
	// entries are in the order in which the courses came, so that what is simulated runs
	// the same way each time.
	entries []entry[K]
}

type entry[K comparable] struct {
	key K
	at  Point
}

// Add adds a point of a course: everything up to it must be certain.
func (s *Set[K]) Add(key K, at Point) {
	if at == 0 {
		return // always certain
	}
	for i := range s.entries {
		if e := &s.entries[i]; e.key == key {
			e.at = max(e.at, at)
			return
		}
	}
	s.entries = append(s.entries, entry[K]{key, at})
}

// Merge adds everything that is in another set: what rests on other's owner rests on
// that.
func (s *Set[K]) Merge(other *Set[K]) {
	for _, e := range other.entries {
		s.Add(e.key, e.at)
	}
}

// At returns the point of a course, 0 if there is none.
func (s *Set[K]) At(key K) Point {
	for _, e := range s.entries {
		if e.key == key {
			return e.at
		}
	}
	return 0
}

// Len returns how many courses are in the set.
func (s *Set[K]) Len() int { return len(s.entries) }

// All returns the courses and their points, in the order in which the courses
// came.
func (s *Set[K]) All() iter.Seq2[K, Point] {
	return func(yield func(K, Point) bool) {
		for _, e := range s.entries {
			if !yield(e.key, e.at) {
				return
			}
		}
	}
}

// CopyFrom makes the set equal to another one, in its own memory.
func (s *Set[K]) CopyFrom(other *Set[K]) {
	s.entries = append(s.entries[:0], other.entries...)
}

// Clear empties the set and keeps its memory for later.
func (s *Set[K]) Clear() {
	clear(s.entries)
	s.entries = s.entries[:0]
}

// prune drops the entries that are not wanted any more.
func (s *Set[K]) prune(drop func(K, Point) bool) {
	s.entries = slices.DeleteFunc(s.entries, func(e entry[K]) bool { return drop(e.key, e.at) })
}
