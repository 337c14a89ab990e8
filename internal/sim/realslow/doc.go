// Package realslow makes nodes slow on real sockets and real files, and measures
// what that costs a cluster: what package raftsim does in simulation, in the real
// world.
//
// Each member is a process of its own; the clients are one more. What all of them
// share is one machine, and a node that does less leaves more of it to the others,
// which a machine of its own would not. Two things keep that small. A member is
// held to a share of a processor, so that all together need much less than there
// is. And a healthy time and one with a fault are measured in the same cluster,
// one after the other, with pairs that have no fault between those that have one:
// these tell how much of a difference is none.
//
// A node is slow in the ways that a simulated one can be: its share of a processor
// is cut, its syncs take long, what it sends and is sent is late, it is stopped by
// a signal, it is killed. Nothing is burnt to make it slow.
//
// A protocol is measured by way of the interface Protocol; Raft is one.
package realslow
