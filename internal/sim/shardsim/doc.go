// Package shardsim puts replicas of a shard (internal/shard) through simulated faults: the
// engine, its log streams, the group's log on a real tape, replay, rollback, checkpoints.
// Clients on machines of their own run transactions of several operations on lists and
// read snapshots of any replica. While things go wrong, it is checked that final
// watermarks are unique and not below what was released (I6), and that replicas that have
// come to rest at the same timestamp hold the same (I7); afterwards, that the replicas
// agree and work again within a minute, that nothing is kept that nobody needs, and that
// what the clients saw is strictly serializable (I1 to I4; internal/history).
package shardsim
