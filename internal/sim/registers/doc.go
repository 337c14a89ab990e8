// Package registers is what simulations of replication protocols have in common:
// a state machine of registers (store.go), clients that read and write them from
// machines of their own (clients.go), and what is checked of a run: that all
// members carry out the same commands at the same indexes, each once, and that
// what the clients saw is linearizable (history.go).
package registers
