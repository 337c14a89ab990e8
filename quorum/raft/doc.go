// Package raft is the Raft consensus protocol written on package quorum, as an
// example of it and as its proof: complete, and sequential enough to be read
// from top to bottom.
//
//	messages.go   what nodes say to each other
//	log.go        the log in memory
//	store.go      what a node has on its disk, in a quorum/journal
//	raft.go       the node and its interface
//	election.go   following, pre-vote, vote, leading
//	append.go     replication, repair, commit, apply
//	member.go     changes of membership, transfer of leadership, snapshots sent
//
// A Node lives on one Runtime; its methods are called by tasks of that Runtime.
// It has these tasks: one that follows, campaigns and leads; one that writes to
// the disk; one that applies; and, while it leads, one for each node that it
// replicates to, itself included, since its own disk is one voter among others.
// Each request has a task that waits for its answer, with a timeout; everybody
// else waits for watermarks that move when a majority has.
//
// The invariants are Raft's, by the names of the dissertation (Ongaro 2014, §3):
// election safety, leader append-only, log matching, leader completeness, state
// machine safety. What the node promises to others is on its disk before it
// does: term and vote before it answers a candidate, entries before it answers
// a leader. A disk that fails stops the node.
//
// Where the package departs from the dissertation: elections always begin with a
// pre-vote (§9.6); a leader that does not hear from a majority for an election
// timeout steps down; a snapshot is one message.
package raft
