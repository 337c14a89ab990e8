// Package mutants holds mistakes planted in Copilot, and the tests that demand that
// the simulation or the fail-slow checker finds each. It has no code of its own.
package mutants
