// Package shard is one member of a shard's replica group: the engine, its log
// streams and the group that makes them durable, put together (DESIGN §4).
//
// # Place in the flow
//
//	transactions ──► occ: execute ──► streams ──► gather: a round ──► stream.Group: durable ──► released
//	                                                                        │
//	          followers' engines ◄── replay at or below the watermark ◄─────┘
//
// A Replica leads or follows, and the group says which.
//
// It *leads* in an epoch, from when that epoch's barrier is durable and everything
// before it is applied until it is deposed. Meanwhile transactions run on its engine
// from any goroutine. A task gathers what the workers have appended into rounds and hands
// them to the group; as they become durable, the watermark moves and lets results
// out. A Leadership is that time. Who executes a transaction takes the
// Leadership first and asks it about the outcome.
//
// It *follows* otherwise: the engine is sealed, and a task applies what is durable, in
// steps, each stream by itself, records at or below the watermark only. So a
// follower's state is never speculative, and between two steps it is exactly
// the state at one timestamp, which snapshots can be opened at.
//
// # When a leadership ends
//
// The deposed leader seals its engine and puts back what it has executed and not
// released (occ.Engine.RollBack). So it holds what is certain and nothing else, and
// follows, from the first round that has more. What it has put back is undecided until the group's
// log shows a later epoch's barrier, which fixes the final watermark F of its own: everything
// at or below F is released, and has been replayed by then, and the callers of what is above are told
// that it was dropped, which is certain: they may try again.
//
// # Invariants
//
//   - I2, I3: a result leaves through Leadership.Wait or Notify only, which knows the
//     watermark.
//   - I5: the engine's clock has seen all timestamps in the log before it executes.
//   - I7: between two steps a follower holds what is at or below Applied and nothing else.
//
// # Bounds (I11)
//
// What is executed and not durable: Options.PendingBytesMax, then transactions are
// refused or wait. A round goes to the others in pieces of 1 MiB; a transaction whose record
// does not fit into a message of the endpoint is refused. Records that were taken in and are above the watermark: those of
// one round.
package shard
