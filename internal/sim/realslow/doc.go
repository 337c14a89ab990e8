// Package realslow makes nodes slow on real sockets and real files, and measures
// what that costs a Raft cluster: what package raftsim does in simulation, in the
// real world. All nodes are in one process, each with a loop, sockets and a
// folder of its own.
//
// A Machine is slow in the ways that a simulated node can be: its loop is held
// up, its syncs take long, what it sends and is sent is late, it stands still, or
// it has stopped. Nothing is burnt to make it slow, so a slow node leaves the
// others more of the processors that they share: figures of a machine with few
// processors look better than they are, and what they prove is that nobody waits
// for the slow node.
package realslow
