// Package realslow makes nodes slow on real sockets and real files, and measures
// what that costs a cluster: what package raftsim does in simulation, in the real
// world.
//
// Each member is a process of its own; the clients are one more. What all of them
// share is one machine, and a node that does less leaves more of it to the others,
// which machines of their own would not. One that has fallen behind does in one piece
// what has piled up, and others who want the processor then wait for it. So a ballast
// process uses what the node used, and the node runs only while nobody else wants to.
//
// What one machine does in a second and what it does in the next differ by more than
// what is to be seen, and the two halves of a cluster's life by more than two
// neighbouring moments. So the halves of a Pair are short, on one cluster, and the
// one with the fault has one part of the other before it and one behind: what
// changes steadily is in both. Pairs without a fault tell how much of a difference is
// none, and many pairs, what is chance (sim.Compare).
//
// A node is slow in the ways that a simulated one can be: its share of a processor
// is cut, its syncs take long, what it sends and is sent is late, it is stopped by
// a signal, it is killed. Nothing is burnt to make it slow. Then it is well again,
// and the next fault begins when it has caught up.
//
// A protocol is measured by way of the interface Protocol; Raft and Copilot are two.
package realslow
