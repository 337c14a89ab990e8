// Package benchchaos is what "godwit bench chaos" does: replicas as processes of their own,
// clients that call them over the network and note what they see, and one thing after the
// other that happens to the processes, their disks and their links.
//
//	clients ──────── procedures ───────► node 1 ──┐
//	(this process)                       node 2   ├─ TCP, through relays that can be cut
//	   └── orders, SIGKILL, SIGSTOP ───► node 3 ──┘
//
// A cycle is one fault, the load during it, its end, and the time until all replicas have
// what was released. Chapters of some cycles end with checks of everything that was seen in
// them: lists by their cycles of dependencies, registers one by one, a bank's total,
// counters that tell once from twice, and that all replicas hold the same. So what is
// remembered is bounded, however long a run is. At the end of the run all lists of all
// chapters are read again.
//
//	config.go    what to do
//	cluster.go   the processes
//	fault.go     what can happen
//	cycle.go     how it goes on
//	client.go    one client
//	clients.go   all of them, and what they have seen
//	check.go     whether that can be
//	result.go    what is known afterwards
package benchchaos
