// Package mutants holds mistakes planted in the concurrency of package index, and the test
// that demands that the tests of that package find each. It has no code of its own.
package mutants
