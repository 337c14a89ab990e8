// Package streamsim puts a replica group's log of rounds (internal/stream) through
// simulated faults. A run is a group with a small model of a shard on each member:
// while it leads, workers execute transactions ahead of the log, each on its stream,
// and rounds are gathered from some of them; what is at or below the watermark of
// what is durable is released. While things go wrong, it is checked that there is one
// leader in an epoch at most and that all members have the same rounds and the same
// data (I7), that records are above what was closed (I5), that final watermarks are
// unique and not below what was announced (I6), and that each leader has what was
// ever released (I1) and what that has read (I2); afterwards, that the members agree
// and release again within a minute.
package streamsim
