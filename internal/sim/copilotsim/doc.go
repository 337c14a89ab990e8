// Package copilotsim puts quorum/copilot through simulated faults, in the same way
// as package raftsim does with Raft: while things go wrong, it is checked that all
// nodes carry out the same commands at the same indexes, each once, and that an
// epoch has the same pilots everywhere; afterwards, that the nodes agree and work
// again within a minute, and that what the clients saw is linearizable.
package copilotsim
