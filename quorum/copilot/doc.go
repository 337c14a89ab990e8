// Package copilot is the Copilot replication protocol (Ngo, Sen, Lloyd: Tolerating
// Slowdowns in Replicated State Machines using Copilots, OSDI 2020) written on
// package quorum: a replicated state machine with two leaders, the pilots, of which
// one may be slow at little cost, as may any other node.
//
//	messages.go  what nodes say to each other
//	log.go       a pilot's log in memory; what crosses what
//	store.go     what a node has on its disk, in a quorum/journal
//	copilot.go   the node and its interface
//	pilot.go     proposing, the fast and the regular way to commit, watching the other pilot
//	append.go    replication and votes
//	epoch.go     takeover: a new epoch, its pilots, and what is left of the last one
//	apply.go     the order of both logs, execution, snapshots
//
// Each pilot writes a log of its own. An entry is a batch of commands with a
// dependency: how much of the other log comes first, which is what the pilot has of
// it. Clients send each command to both pilots; a command is carried out once, by
// the client's name and number, and both pilots answer.
//
// An entry is committed the fast way, after one round, when a majority has it on
// disk and the other pilot has voted for its dependency; else the regular way:
// the pilot gathers the votes of a majority, takes the least dependency that they
// allow, and writes it into its log as a ruling, which a majority has to have on
// disk too. A node votes against a dependency if it has an entry of the other log
// that crosses this one: neither comes after the other.
//
// # Invariants
//
// Order: of two committed entries of different logs, one comes after the other, or
// each after the other; then log 0 goes first. So the order of all is the same
// wherever and whenever it is worked out (Node.next). On the fast way the other
// pilot's vote sees to it: it has proposed nothing that crosses the entry, and will
// not, since it knows of it. On the regular way two majorities share a node, and
// whichever entry reached that one later got its vote for the other.
//
// Durable: what a node has voted for or promised is on its disk before it says so.
//
// Epoch: an epoch is opened by one node, after a majority has promised to take part
// in no earlier one, with the logs that Node.learn takes over and the dependencies
// that Node.open gives; it argues there why these are right. In an epoch each log
// has one writer, so positions need no ballots of their own.
//
// A pilot that starts again may have forgotten what it had proposed: it proposes
// nothing more in that epoch, and its vote makes nothing fast.
//
// # Bounds
//
// A pilot's log holds EntriesMax records that are not carried out, of BatchBytesMax
// each at most; the rest of both logs is at most SnapshotBytes and SnapshotRecords,
// however long a node does not answer. One that comes back gets a snapshot. To each
// node at most eight requests are under way, within its outbox's bound.
//
// # Departures from the paper
//
// The paper's fast quorum is any f + ⌊(f+1)/2⌋ compatible votes; here it is a
// majority, which are as many for three and five nodes, that has the other pilot
// among it. The paper's nodes do not come back. Here they do, with their disk's
// memory but without that of what they had decided: with three nodes, pilots A and B
// that have started again with two entries that cross, and C down, nobody could
// tell which of the two C had made fast.
//
// The paper finishes the slow pilot's entries one by one, with a ballot for each
// (fast takeover), and elects a new pilot only for one that has failed. Here both
// are one thing: a takeover opens an epoch for both logs, which finishes all entries
// at once and makes the node that answered first the other pilot. It takes two
// rounds, and then nobody waits for the slow node any more.
//
// A pilot does not propose what it has seen in the other's log: its entry would
// have to wait for that one anyway.
package copilot
