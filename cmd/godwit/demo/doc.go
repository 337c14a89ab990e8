// Package demo is `godwit demo`: a replicated shard on this machine, to be looked at and maltreated. Its replicas are
// processes of their own, with real sockets and disks.
package demo
