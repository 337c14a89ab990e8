// Package mutants holds mistakes planted in who waits for room in the log of package wal,
// and the test that demands that the tests of that package find each. It has no code of
// its own.
package mutants
