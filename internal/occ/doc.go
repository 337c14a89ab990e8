// Package occ runs transactions: optimistic concurrency control in the manner of
// Silo (SOSP'13), over records and indexes in the arena, with each committed
// write set appended to the log stream of the worker that committed it.
//
// # A transaction
//
// Tx executes: reads copy records and note (record, version word); reads of
// missing keys and scans note (index node, version) so that phantoms are
// found; writes are buffered. Commit then runs in one go, on a Worker:
//
//  1. enter the commit phase: lock the worker's stream;
//  2. lock the write set; keys that are new get a locked placeholder record in
//     the index;
//  3. allocate all memory that installing will need: nothing can fail later;
//  4. take the timestamp;
//  5. validate: every record read still has its word, every node its version;
//  6. append the write set to the stream;
//  7. install: overwrite in place, put the new word, which unlocks;
//  8. leave the commit phase.
//
// The timestamp is taken between locking and validation, from a clock that all
// workers share. If T1 read what T2 overwrote, T1 validated before T2 locked;
// T1 took its timestamp before it validated and T2 after it locked: so T1's is
// smaller. Together with write-write and write-read order this is Invariant I4,
// and a snapshot at any timestamp is serializable.
//
// Locks are never waited for without a bound: a transaction that finds one held
// spins for a moment, then gives up with a conflict and is run again by its
// caller. One that is overtaken again and again is favoured: others' commit phases
// wait for its next attempt (favour.go).
//
// # Versions
//
// The newest version of a record lives in place (package record); the one that
// it replaces is copied out first if a snapshot may need it, into a chain that
// starts at the record. (The other layout, immutable versions swapped by
// reference, was measured too: docs/ARCHITECTURE.md.) Values too long to live in
// their record are immutable blocks that are swapped by reference.
//
// A snapshot announces itself, passes every worker's commit phase once (so that
// each later commit knows of it), and then takes its timestamp. It reads the
// newest version at or below it. Old versions are freed when no snapshot needs
// them; a deleted record leaves the index when its deletion is released. If a
// snapshot needs what it was, it is put aside, into a second index that only
// snapshots look into (Table.aside): a queue in a table stays quick to take from
// while a snapshot keeps all that ever went through it.
//
// # Undo
//
// With Config.Undo the replaced version is kept until the new one is released,
// snapshots or not (undo.go), and a sealed engine can be rolled back (rollback.go):
// what was executed and not released is gone, as if it had not been. Nothing that was read
// before outlives that (term.go). The engine of a follower is sealed for as long as it
// follows; it is replayed into, and only snapshots read it.
//
// # Memory
//
// What was unlinked is freed after a grace period (package epoch). A Tx is
// pinned while its function runs, so slices and references that it holds stay
// good; a transaction function that takes long delays reclamation.
//
// # Bounds (Invariant I11)
//
// The write set is bounded by TxBytesMax, spinning on a lock by lockSpinsMax, a
// favour by favourMax; memory by the arena's limit, with ErrMemoryFull; the stream's
// backlog by the log's Throttle, which callers pass before they commit.
package occ
