// Package mutants holds mistakes planted in a replica of a shard, and the test that
// demands that the simulation finds each. It has no code of its own.
//
// # What it cannot find
//
// In the simulator one thread runs at a time, and gives way only where it waits. So these
// mistakes change nothing there:
//
//   - A timestamp that is taken behind the validation (package occ). occ's own mutants
//     have it.
//   - A snapshot that is opened within a step of replay (package shard, moving): a step
//     waits for nothing.
//   - Streams of a follower that are replayed at the same time and are in each other's
//     way: the simulator replays with one thread.
//
// These need more seeds than a test has time for. Each was found by one of the first fifty
// of shard-hunt with an earlier timing of the group's log, and by none of 700 with a later one (of 300 the last):
//
//   - results are released up to a round's last timestamp, not its watermark;
//   - a follower keeps what is above an epoch's final watermark for the next epoch;
//   - a checkpoint counts a round that it does not hold, or whose watermark only.
//
// What runs between two streams that are gathered into a round it does find, because
// shardsim executes some transactions just there.
package mutants
