// Package shape makes links of loopback look like those between regions: delay,
// jitter, a bandwidth, cuts in one way or both, broken connections. It is for tests
// and benchmarks with real sockets; simulated ones have internal/sim.
//
// A Shaper stands between the nodes as a relay of TCP connections: a node finds another
// one at the address that Via returns instead of at its own. So it works for any
// program, encrypted or not, in one process or many, and its cost is in the process
// that runs it and in none of the nodes, whose processor time is what benchmarks
// count. Links can be changed at any time.
//
// A connection has two goroutines each way and a queue of what is in flight between
// them, in order, bounded by WindowBytes: beyond that the sender has to wait, as it
// has to for a real link. 50 ms at 100 MB/s are 5 MB.
package shape
