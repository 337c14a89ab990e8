// Package singlestream is the design that Godwit is compared with: the workers of a replica
// run ahead of the replication as Godwit's do, but share one stream of the log, behind one
// lock. It is the strawman of the Rolis paper (section 2.3), whose throughput does not grow
// with the workers.
//
// It is a way to set a replica up, so everything else is the same: index, validation,
// rounds, network, durability, release. The one lock is held for the whole commit phase,
// since a stream's lock is what a commit phase is; and a follower, which has one stream
// to replay, replays it in one goroutine.
package singlestream

import "github.com/godwitdb/godwit/internal/shard"

// Options returns a replica's options with one stream for all sessions.
func Options(o shard.Options) shard.Options {
	o.Workers, o.ReplayParallel = 1, 1
	return o
}
