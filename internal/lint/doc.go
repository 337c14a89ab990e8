// Package lint holds the rules of this code base that no off-the-shelf linter
// knows: which package may import which, what the protocol packages must not
// touch, that nothing is global, that assembly has a twin in Go. Its test runs
// every rule over the whole source tree, for all operating systems and
// processors at once, since it reads the source and does not build it.
//
// A rule is a function from the parsed Tree to the places that break it. Each
// rule's own test plants a violation in a small tree in memory and demands that
// the rule finds it and nothing else.
//
// Where a rule is right but a place has a reason to break it, the place goes
// into exceptions with that reason. An exception that no longer applies is a
// problem itself.
//
// The package depends on the standard library only and nothing depends on it.
package lint
