// Package raftsim puts quorum/raft through simulated faults. A run is a cluster
// with a key-value store on it and clients on machines of their own. While
// things go wrong, it is checked that there is one leader in a term at most and
// that all nodes apply the same commands at the same indexes; afterwards, that
// the nodes agree and work again within a minute, and that what the clients saw
// is linearizable.
package raftsim
