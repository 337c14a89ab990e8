package sim

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"
)

// ReplayLess runs one seed without what less takes away. transcript, if not nil,
// is written what happens.
func ReplayLess(s Scenario, seed uint64, less Less, transcript io.Writer) Result {
	r, _ := replay(s, seed, less, transcript)
	return r
}

// replay also returns the World as it is at the end, to see what it has chosen.
func replay(s Scenario, seed uint64, less Less, transcript io.Writer) (Result, *World) {
	w := New(seed, transcript)
	w.less = less
	err := s.Run(w)
	if w.failed != nil {
		err = w.failed // what happened first explains the rest
	} else if err != nil {
		w.Fail("%w", err)
	}
	r := Result{Seed: seed, Digest: w.digest, Events: w.events, Time: w.now, Err: err}
	w.Close()
	return r, w
}

// sort returns what sort of failure an error is: what it says up to a colon.
func sort(err error) string {
	text, _, _ := strings.Cut(err.Error(), ":")
	return text
}

// Shrink looks for the least that makes a failing seed fail in the same way: it
// leaves out faults, many at a time and then one by one, and lowers choices, as long
// as that makes no more events, until nothing more can go or ctx ends. Each step is told to report. It
// returns the least that it has found and what happens then.
func Shrink(ctx context.Context, s Scenario, seed uint64, report func(Less, Result)) (Less, Result) {
	best, w := replay(s, seed, Less{}, nil)
	less := Less{Most: map[string]int{}, Only: []int{}}
	if best.Err == nil {
		return Less{}, best
	}
	for n := range w.faults {
		less.Only = append(less.Only, n+1)
	}
	choices, want := w.choices, sort(best.Err)
	// try keeps a Less if the seed fails with it as before.
	try := func(l Less) bool {
		if ctx.Err() != nil {
			return false
		}
		r, w := replay(s, seed, l, nil)
		if r.Err == nil || sort(r.Err) != want || r.Events > best.Events {
			return false
		}
		l.Only = slices.DeleteFunc(l.Only, func(n int) bool { return n > w.faults }) // it has failed before
		less, best, choices = l, r, w.choices
		report(less, best)
		return true
	}
	for again := true; again && ctx.Err() == nil; {
		again = false
		for size := len(less.Only); size > 0; size /= 2 {
			for at := 0; at < len(less.Only); {
				l := Less{less.Most, slices.Delete(slices.Clone(less.Only), at, min(at+size, len(less.Only)))}
				if try(l) {
					again = true
				} else {
					at += size
				}
			}
		}
		for _, c := range slices.Clone(choices) {
			// The lowest, or else halfway down to it, as often as that goes.
			for at := c.low; at < c.value && ctx.Err() == nil; {
				l := Less{maps.Clone(less.Most), slices.Clone(less.Only)}
				l.Most[c.name] = at
				if try(l) {
					again = true
					break
				}
				at += (c.value - at + 1) / 2
			}
		}
	}
	return less, best
}
