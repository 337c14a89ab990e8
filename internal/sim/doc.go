// Package sim runs the nodes of a cluster in one goroutine, on a clock that
// jumps from event to event, with every choice drawn from one seed. The nodes
// run the code that runs in production: they are given a Host, a Network and a
// file system (package env) that the World plays.
//
// A World has nodes, links between them, and a heap of events. An event is
// something that reaches a node: bytes on a connection, the end of a disk
// operation, a timer. The node takes it in, its tasks run until all of them
// wait, and the next event is due. The order of what happens at one time, the
// task that goes first, delays, losses and faults are drawn from the seed, so
// that one seed is one run, bit by bit: Digest is a hash over all events, and it
// is the same in every process.
//
// What the World can do to nodes: lose, double, delay and reorder frames; block
// links, one way too; reset connections; slow links, disks and processors down;
// pause a node, crash it (with or without a loss of power) and start it again;
// make its clock jump and run wrong; fail its syncs, fill its disk, rot its
// bits. Faults draws a mix of these from the seed, and Chaos applies it.
//
// Scenarios (type Scenario) are programs for a World that end with a verdict.
// Sweep runs a scenario with many seeds on all cores; Replay runs one seed again
// and writes down what happens.
package sim
