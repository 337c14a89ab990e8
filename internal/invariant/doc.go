// Package invariant holds the assertions that are too costly to leave on. They
// run in builds with the tag invariants, which the tests and the simulator use;
// in every other build they compile to nothing.
//
// An assertion says what no input can cause. Bytes from a disk or a network
// never trip one: they are checked in every build and reported as an error
// (package dberr). A cheap assertion needs no package: compare and panic.
//
// Check evaluates its arguments before it is called. Where that costs
// something, or where the condition needs work of its own, guard it:
//
//	if invariant.Enabled {
//		invariant.Check(node.sorted(), "keys of node %d are out of order", ref)
//	}
package invariant

import "fmt"

// Check panics with the formatted message if Enabled and cond is false. The
// message says what is wrong with which values, and names the invariant of the
// design where there is one ("I5 closed: record at %d, stream closed at %d").
func Check(cond bool, format string, args ...any) {
	if Enabled && !cond {
		panic("invariant violated: " + fmt.Sprintf(format, args...))
	}
}
