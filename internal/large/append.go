// Package large grows slices of very many elements with pointers. What append copies it copies in one piece, and while
// the collector is at work it notes each pointer in it: a goroutine that does so for a hundred megabytes cannot be interrupted
// for half a second, and as the collector then waits for it, nor does any other one run.
package large

import "runtime"

// step is how many elements are copied without a break.
const step = 1 << 12

// Append is append, with breaks.
func Append[E any](s []E, e E) []E {
	if len(s) < cap(s) || len(s) < step {
		return append(s, e)
	}
	grown := make([]E, len(s), 2*len(s))
	for at := 0; at < len(s); at += step {
		copy(grown[at:], s[at:min(at+step, len(s))])
		runtime.Gosched() // nothing else here heeds who wants to interrupt it
	}
	return append(grown, e)
}

// Reset returns an empty slice in the same memory, with no pointers left in it, or nil if it was large.
func Reset[E any](s []E) []E {
	if cap(s) > step {
		return nil
	}
	clear(s)
	return s[:0]
}
