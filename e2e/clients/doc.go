// Package clients runs what programs usually do with Redis, through the libraries
// and tools that they do it with, against a server, and checks the results; with
// kills of the server in the middle too. It has tests only:
//
//	go test .                                  # against three nodes of Godwit, which are built and started
//	go test . -args -addr 127.0.0.1:6379       # against a server that runs, Redis for example
//	go test . -v -run Failover -timeout 0 -args -for 10m -every 10s
//
// A test deletes all that the server at the address holds. With several addresses, those of the nodes with commas
// between, the libraries for Go go on to the next when one cannot be reached. The command of -fault kills the leader
// behind -addr and sees to it that it is started again; GODWIT_E2E_ADDR and GODWIT_E2E_FAULT stand for -addr and -fault.
//
// It is a module of its own, so that the libraries stay out of the dependencies
// of Godwit.
package clients
