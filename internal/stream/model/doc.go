// Package model checks the rules of election and release in a replica group by going
// through every state that a small group can get into.
//
// A group has several streams, one epoch for all of them, and one leader in an epoch.
// Whoever becomes the leader takes for each stream the log with the highest (last epoch,
// length) of a quorum and appends a barrier to it. When all barriers are durable, the
// final watermark of each earlier epoch is fixed: the least, over the streams, of the last
// timestamp closed in that epoch. What an epoch executed above that is dropped, by
// everybody. Below the watermark of its own epoch a leader releases.
//
// What is checked, in every state (names as in the glossary):
//
//   - I1: a leader whose barriers are durable has all that was ever released;
//   - I2: it has what that has read, too;
//   - I6: whoever computes the final watermark of an epoch computes the same, and
//     nothing above it was released;
//   - I7: when faults end, a leader is elected, and all replicas come to the same data.
//
// The model is small because of what it leaves out. Messages are not kept: what a leader
// has in its log has been sent, any beginning of it may arrive any number of times, at any
// time until all replicas have moved on to later epochs, and what never arrives was
// lost. An acknowledgement arrives at once: a late one only makes something be
// released later. A granted vote counts at once, but the candidate may take its time to
// make use of it. What a replica knows of its disk after a crash is all of its log.
//
// States that differ only by the names of replicas or of streams are one state.
package model
