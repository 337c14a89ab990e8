// Package copilot is the Copilot replication protocol (Ngo, Sen, Lloyd: Tolerating
// Slowdowns in Replicated State Machines using Copilots, OSDI 2020) written on
// package quorum: a replicated state machine with two leaders, the pilots, of which
// one may be slow at little cost, as may any other node.
//
//	messages.go  what nodes say to each other and write on their disks
//	log.go       a pilot's log in memory
//	state.go     how entries get into the logs, wherever they come from
//	copilot.go   the node and its interface
//	pilot.go     proposing, committing, watching the other pilot
//	append.go    replication
//	epoch.go     takeover: a new epoch, its pilots, and what is left of the last one
//	apply.go     the order of both logs, execution, snapshots
//
// Each pilot writes a log of its own. An entry is a batch of commands. Clients send
// each command to both pilots; a command is carried out once, by the client's name
// and number, and both pilots answer.
//
// An entry of log 0 has a dependency: how much of log 1 comes before it, which is
// what its pilot has of that log. So log 0 says how both are merged. Of the entries
// of log 1 that are newer than all of log 0, its pilot says so too, in all that it
// sends and in its answers to the other pilot: up to here log 0 ends, and all that
// comes there will depend on this much of log 1 at least. That is the front.
//
// An entry is committed when it is on a majority of disks, and carried out when all
// that comes before it is. So an entry of either log takes one round: one of log 0 to
// any majority, and one of log 1 to any majority and to the other pilot, whose answer
// has the front. There is no other way, nor need for one: whatever crosses, the
// first pilot has seen one of the two before the other.
//
// # Invariants
//
// Order: entry k of log 1 comes after exactly those of log 0 that have a lower
// dependency than k. In an epoch all nodes have the same entries, as far as they go,
// and the dependencies of log 0 only grow, so that the order of all is the same
// wherever and whenever it is worked out (Node.next).
//
// Durable: what a node has acknowledged or promised is on its disk before it says so.
//
// Epoch: an epoch is opened by one node, after a majority has promised to take part
// in no earlier one, with the logs that Node.learn takes over. In an epoch each log
// has one writer, so positions need no ballots of their own. A commit and the front
// are facts of an epoch, and mean nothing in another one.
//
// Continuity: what any node has carried out is in the logs of all later epochs, at the
// same place. It was committed, and so was all that comes before it, so the majority
// that promised has it. Of log 0, that majority may have entries that nobody has
// carried out; those that depend on less than what was carried out of log 1 were there
// before. What depends on entries that are lost was carried out nowhere (Node.open).
//
// A pilot that starts again may have forgotten what it had proposed and what front it
// had told of: it is none any more in that epoch, and wants another one.
//
// # Bounds
//
// A pilot's log holds EntriesMax entries that are not carried out, of BatchBytesMax
// each at most; the rest of both logs is at most SnapshotBytes and SnapshotEntries,
// however long a node does not answer. One that comes back gets a snapshot. To each
// node at most eight requests are under way, within its outbox's bound.
//
// # Departures from the paper
//
// The paper's replicas vote on the dependency of each entry of either log, with a
// second round if they do not agree, and where two entries come after each other the
// first pilot's goes first. Here the first pilot's word is the dependency, and nobody
// votes. It costs nothing while the first pilot answers, for in the paper too an entry
// waits for what comes before it in the other log. When it does not, the second
// pilot's entries wait for the takeover, while in the paper they can be committed by
// the others, and then wait for the takeover of what they depend on.
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
