package model

import (
	"bytes"
	"fmt"
	"hash/maphash"
)

// Result is what a search has found.
type Result struct {
	States int
	// Trace are the steps to the state that breaks an invariant, Err the invariant; nil
	// if there is none.
	Trace []string
	Err   error
}

// search goes through states, each once, depth first.
type search struct {
	rules
	size  Size
	seeds [2]maphash.Seed
	// met are states under the names that they were met with, seen those under the
	// names that stand for all: to look at the first is quicker.
	met, seen map[[2]uint64]struct{}
	trace     []string
	names     [][replicas]int
}

// Check goes through all states that a group of three replicas and two streams can get
// into. It stops at the first that breaks an invariant.
func Check(size Size, mistake Mistake) Result {
	x := &search{rules: rules{mistake}, size: size, met: map[[2]uint64]struct{}{}, seen: map[[2]uint64]struct{}{}}
	x.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	x.names = [][replicas]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	err := x.visit(&state{})
	return Result{States: len(x.seen), Trace: x.trace, Err: err}
}

// isNew tells whether a state, under any names, was not seen before.
func (x *search) isNew(s *state) bool {
	if !x.put(x.met, s) {
		return false
	}
	least := *s
	for _, rs := range x.names {
		for _, ss := range [][streams]int{{0, 1}, {1, 0}} {
			if t := s.renamed(rs, ss); bytes.Compare(t.bytes(), least.bytes()) < 0 {
				least = t
			}
		}
	}
	return x.put(x.seen, &least)
}

// put puts a state into a set, and tells whether it was not there before. What is kept
// are 128 bits of hash.
func (x *search) put(set map[[2]uint64]struct{}, s *state) bool {
	h := [2]uint64{maphash.Bytes(x.seeds[0], s.bytes()), maphash.Bytes(x.seeds[1], s.bytes())}
	before := len(set)
	set[h] = struct{}{}
	return len(set) > before
}

// visit takes every step from a state.
func (x *search) visit(s *state) error {
	if !x.isNew(s) {
		return nil
	}
	if err := x.settles(*s); err != nil {
		x.trace = append(x.trace, "faults end")
		return err
	}
	for i := range replicas {
		if err := x.visitBy(s, i); err != nil {
			return err
		}
	}
	return nil
}

// visitBy takes every step from a state that is about replica i.
func (x *search) visitBy(s *state, i int) error {
	r := &s.replicas[i]
	if int(r.epoch) < x.size.Epochs {
		if err := x.step(s, func(t *state) bool { x.elect(t, i); return true }, "%d stands for epoch %d", i, r.epoch+1); err != nil {
			return err
		}
	}
	if r.role == candidate {
		if err := x.step(s, func(t *state) bool { return x.lead(t, i) }, "%d leads epoch %d", i, r.epoch); err != nil {
			return err
		}
	}
	for j := range replicas {
		if err := x.step(s, func(t *state) bool { return x.grant(t, j, i) }, "%d votes for %d", j, i); err != nil {
			return err
		}
	}
	for e := range s.sent {
		for c := range streams {
			// Of what the replica has already only the last entry tells anything new.
			same := r.logs[c].common(&s.sent[e][c])
			for n := max(1, same); n <= min(same+1, int(s.sent[e][c].n)); n++ {
				deliver := func(t *state) bool { return x.deliver(t, e, c, n, i) }
				if err := x.step(s, deliver, "%d gets %d entries of epoch %d's stream %d", i, n, e, c); err != nil {
					return err
				}
			}
		}
	}
	if r.role != leader {
		return nil
	}
	for c := range streams {
		if int(s.beats) < x.size.Beats {
			if err := x.step(s, func(t *state) bool { x.beat(t, i, c); return true }, "%d closes stream %d", i, c); err != nil {
				return err
			}
		}
		if int(s.count) < x.size.Txns {
			execute := func(t *state) bool { x.execute(t, i, c); return true }
			if err := x.step(s, execute, "%d executes transaction %d on stream %d", i, s.count, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// step takes one step and goes on from there; do is false if it cannot be taken.
func (x *search) step(s *state, do func(*state) bool, format string, args ...any) error {
	t := *s
	if !do(&t) || t == *s {
		return nil
	}
	x.trace = append(x.trace, fmt.Sprintf(format, args...))
	for i := range t.replicas {
		if err := x.advance(&t, i); err != nil {
			return err
		}
	}
	t.forget()
	if err := x.visit(&t); err != nil {
		return err
	}
	x.trace = x.trace[:len(x.trace)-1]
	return nil
}
