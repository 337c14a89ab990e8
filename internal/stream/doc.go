// Package stream replicates what a shard's workers append to their streams. The streams
// of a replica group are gathered at one time into a round (package wal), and the group
// has one log of rounds, with one epoch and one leader for all streams. So what the
// design says stream by stream ("the epoch and index of the last entry") is one pair:
// (epoch, round number).
//
//	group.go      a member of a group and its interface
//	log.go        what a member knows of its log in memory
//	disk.go       what it keeps of log and promises: the task that writes
//	messages.go   what members say to each other
//	election.go   following, pre-vote, vote
//	adopt.go      how the winner gets the log that it continues
//	lead.go       leading: barrier, watermark of what is durable, confirmation
//	replicate.go  the leader's side of replication
//	window.go     how much is on its way to a follower
//	follow.go     the other side
//	recover.go    what a member does not do before it has got what it has lost
//	repair.go     what is damaged on the disk, from others
//	members.go    changes of membership, transfer of leadership
//
// # Rules
//
// A voter grants an epoch once, also if the same candidate asks again, and reports (epoch,
// number) of its last round.
// From then on it accepts nothing of older epochs; that is on its disk before it
// answers. Any member may win: the winner takes the log with the highest (last epoch,
// last number) of its quorum, fetches what it lacks of it, truncates what conflicts, and
// appends a barrier, a round of kind wal.RoundOpen, which is the first of its epoch.
//
// A round is durable when a majority has it (Durability says where) and it is of the
// leader's epoch or before one that is. Commit is the number up to which rounds are
// known to be durable; these never change.
//
// The final watermark F(e) of an epoch is the watermark of its last round in the log,
// fixed when a barrier of a later epoch is durable. It is unique because the rounds up
// to a durable one are the same everywhere, and at or above each watermark that was
// announced in epoch e because a leader announces those of durable rounds (Invariant
// I6). Records of e above F(e) are dropped by everybody.
//
// A vote or an acknowledgement counts only from the folder in which the member has
// promised and kept what it did before. So a membership in the log names the members'
// folders (wal.FolderID); requests say which folder they are for, and who has another one
// refuses them (ErrOtherFolder). The first members are not told apart before the first
// leader has asked them: all of them elect it, and its first round behind the barrier says
// which folders they have. One that loses its disk before that is durable comes back as a
// first member like the others. It may vote once more in an epoch, but no epoch is won twice
// while one of the others has kept its vote for it. A folder that was put back to an earlier state is
// not noticed.
//
// A member that is behind the beginning of the leader's log needs a snapshot: Behind
// and First tell the shard, which fetches one and calls Install. The log of the next leader may begin
// earlier.
//
// # Departures
//
// In Raft a voter refuses whoever has less than itself. Here anyone may win, as in
// DESIGN 4.2, and pays by fetching: the group is led by whom it wants, and a
// winner costs one more exchange only if it lacks something. So its votes have to be a
// majority of the members that the adopted log names, too: its own may be old.
//
// # Bounds
//
// Rounds in memory: TailBytesMax, and what is not on the own disk yet. What is not
// durable: BacklogBytesMax, then Append refuses. Each follower: WindowRequestsMax
// requests and WindowBytesMax bytes in flight. Waits for others have timeouts that are
// made of ElectionTimeout.
package stream
