// Package mutants holds mistakes planted in the replication of rounds, and in the model
// of a shard above it, and the test that demands that the simulation finds each. It
// has no code of its own.
//
// Two are too rare for a test: they were found by seeds 736 and 3165 of streams-hunt with an
// earlier timing of the group's log, and by none of 670 with this one. They are an answer
// to a candidate before the vote is on the disk, and a candidate whose own disk lacks the
// epoch.
package mutants
