// Package mutants holds mistakes planted in the replication of rounds, and in the model
// of a shard above it, and the test that demands that the simulation finds each. It
// has no code of its own.
package mutants
