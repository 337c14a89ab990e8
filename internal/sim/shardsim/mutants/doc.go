// Package mutants holds mistakes planted in a replica of a shard, and the test that
// demands that the simulation finds each. It has no code of its own.
//
// # What it cannot find
//
// In the simulator one thread runs at a time, and gives way only where it waits. So these
// mistakes change nothing there, and tests with several threads find them:
//
//   - A timestamp that is taken behind the validation (package occ). occ's own mutants
//     have it.
//   - A snapshot that is opened within a step of replay (package shard, moving): a step
//     waits for nothing. TestDirectedAreFound has it.
//   - Streams of a follower that are replayed at the same time and are in each other's
//     way: the simulator replays with one thread. TestDirectedAreFound has it.
//
// Others need more seeds than a test should try, and tests of the replica or of its group find
// them (directed, here and in streamsim's mutants): a follower that keeps what is above an
// epoch's final watermark, a checkpoint that counts a round that it does not hold, a member that
// retires before its disk has what it has acknowledged. Nothing finds a winner that does
// not fetch from behind what it knows to be durable: it does not get what it lacks then, and
// another wins.
//
// What runs between two streams that are gathered into a round it does find, because
// shardsim executes some transactions just there.
package mutants
