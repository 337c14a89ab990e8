// Package shardsim puts replicas of a shard (internal/shard) through simulated faults: the
// engine, its log streams, the group's log on a real tape, replay, rollback, checkpoints,
// changes of leaders and members, durability on disks or in memory.
//
//	scenario.go  what a seed draws
//	change.go    changes of leaders and members; the loss of what is in memory
//	damage.go    disks that are lost, or lose a part of what is on them
//	cluster.go   the group, and what is checked of it
//	member.go    a replica's program
//	clients.go   what clients do and have seen
//	tables.go    the data: lists, and rows that come and go
//	named.go     tables that come and go
//	truth.go     what has survived, and so what everybody must have read
//
// Clients on machines of their own run transactions of several operations and read
// snapshots of any replica. While things go wrong, it is checked that final watermarks are
// unique and not below what was released (I6). Afterwards the group works again within two
// minutes, and
//
//   - what has survived, by the final watermarks, has everything that a client was told of,
//     once (I1), and a request that is sent again has its first outcome;
//   - each transaction has read what the survivors with smaller timestamps had left (I4), and
//     each snapshot what those up to its own had (I2, I3);
//   - a table is there from when it was created until it was dropped, its number is given once, and who
//     hears that it is gone does not find it in the catalog afterwards;
//   - the members hold that and nothing else (I7), and keep nothing that nobody needs;
//   - what the clients saw is strictly serializable, for lists and for rows, each row
//     linearizable, and lists together with snapshots serializable (internal/history): which
//     asks nothing of the replicas.
package shardsim
