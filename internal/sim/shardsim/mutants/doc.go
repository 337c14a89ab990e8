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
//     waits for nothing. TestThreadsAreTested has it.
//   - Streams of a follower that are replayed at the same time and are in each other's
//     way: the simulator replays with one thread. TestThreadsAreTested has it.
//
// These need more seeds than a test should try. Of shard-hunt found them:
//
//   - seed 558: results are released up to a round's last timestamp, not its watermark;
//   - seed 860: a follower keeps what is above an epoch's final watermark for the next epoch;
//   - seed 212: a checkpoint counts a round that it does not hold, or whose watermark only;
//   - none of 1,000: a winner that does not fetch from behind what it knows to be durable, and
//     a member that retires before its disk has what it has acknowledged.
//
// What runs between two streams that are gathered into a round it does find, because
// shardsim executes some transactions just there.
package mutants
