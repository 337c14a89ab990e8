// Package benchshard shows a replica of a shard to the workloads of package bench: the
// leader through sessions that run ahead of the releases, any replica through a
// snapshot, and for comparison an engine alone, which has no log.
//
// A table's name is not in the database. Tables have numbers, in the order in which the
// workload creates or opens them, which is the same everywhere.
//
// Nothing here allocates per transaction: each session has one transaction handle and
// one function for the replica, made when it opens.
package benchshard
