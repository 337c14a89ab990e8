// Package mutants holds mistakes planted in the replication of rounds, and in the model
// of a shard above it, and the test that demands that the simulation finds each. It
// has no code of its own.
//
// Two are too rare for the simulation, and have tests of their own (directed): that whatever
// lies where the voter's log begins matches, which seed 286 of streams-hunt once found, and that
// a member which retires does not wait for its disk.
package mutants
