// Package benchcluster measures replica groups of real processes on one machine: what
// "godwit bench cluster" does.
//
//	parent ── orders, one a line ──► member 1 ──┐
//	   │  ── orders ───────────────► member 2   ├─ TCP between them
//	   │  ── orders ───────────────► member 3 ──┘
//	   ◄──── reports, one a line, every 10 ms and when something has happened
//
// A member is a replica with a folder of its own. Whoever leads runs the workload in its
// own process, as registered procedures would run, so what its process costs is all that
// a transaction costs the leader. Or a process of clients draws the transactions and sends
// them to whoever leads, as calls of registered procedures, each once. What they
// are told is executed is then compared with the data of every member:
//
//	parent ── orders ──► clients ── requests ──► leader
//	   ◄──── reports ────      ◄──── answers, released ──
//
//	protocol.go   orders and reports
//	member.go     a member's process
//	replica.go    the replica in it
//	procedures.go what clients can call there
//	clients.go    the clients' process
//	reporter.go   how both report
//	network.go    what it sends, counted
//	folder.go     the replica's folder
//	protocols.go  ways to replicate, for comparison
//	work.go       the workload, while the member leads
//	verify.go     the checks afterwards
//	profile.go    a profile meanwhile
//	links.go      how far the members are apart
//	fault.go      what is wrong with one of them
//	process.go    a member's process, seen by the parent
//	cluster.go    all of them
//	run.go        a run from load to check
//	progress.go   what is shown meanwhile
//	window.go     what a run has cost whom
//	failover.go   leaders that are killed or stopped
//	timeline.go   throughput around that
//	result.go     what is known afterwards
//	compare.go    replicated and unreplicated in turn
//	contest.go    two clusters in turn
//
// All processes share the machine, and its clock, by which reports are put beside each
// other.
package benchcluster
