package occ

import (
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/hlc"
)

// A term is a time during which the engine executes, or during which it does not. Seal
// and Unseal begin one, and RollBack does: what was read before is not what
// is there now.
//
// A transaction commits in the term in which its attempt began, or fails. So none that
// has read what was rolled back can commit, whatever was put in its place. Without
// that rule a version word would not do for validation: a record may get a word back
// that it had before, and in a later epoch another version may have the timestamp of one
// that was rolled back. Within a term a record's timestamp only grows.
//
// Those who copy a record between two readings of its word need the same (copyValue),
// also those who read from a snapshot, which go on when a term ends. A snapshot
// that shows nothing of what was rolled back is as good afterwards as before; its
// transactions read again what they were reading at that moment (followTerm).
type term struct {
	_ [64]byte
	// word counts terms. It is odd while the engine is sealed. Seal and its like change
	// it; every transaction reads it.
	word atomic.Uint64
	_    [56]byte
}

func (t *term) now() uint64 { return t.word.Load() }

func isSealed(term uint64) bool { return term%2 == 1 }

// Seal ends execution: on return no transaction is in its commit phase, and no
// other one enters. Those that run, readers too, and those that begin fail with
// ErrSealed; snapshots can be read. Whoever has validated before the call has
// executed. Sealing a sealed engine changes nothing.
func (e *Engine) Seal() {
	if t := e.term.now(); !isSealed(t) {
		e.term.word.CompareAndSwap(t, t+1) // it fails if somebody else has done it
	}
	e.passCommitPhases()
}

// Unseal begins execution. The clock must be above everything that was executed,
// rolled back or not, in any epoch that the caller knows of. Attempts that began
// before fail with ErrConflict.
func (e *Engine) Unseal() {
	if t := e.term.now(); isSealed(t) {
		e.term.word.CompareAndSwap(t, t+1)
	}
}

// Sealed tells whether the engine executes nothing.
func (e *Engine) Sealed() bool { return isSealed(e.term.now()) }

// Term tells in which term the engine is: the number is larger in each. A transaction
// that commits has begun in its Term and was valid there.
func (e *Engine) Term() uint64 { return e.term.now() }

// Term returns the engine's term when the attempt began. What it returns of a
// timestamp (Commit, MaxRead) belongs to that term: in another one, the
// timestamp may be another transaction's.
func (tx *Tx) Term() uint64 { return tx.term }

// sameTerm returns an error if the engine's term is not the one in which the attempt
// began.
func (tx *Tx) sameTerm() error {
	switch t := tx.engine.term.now(); {
	case t == tx.term:
		return nil
	case isSealed(t):
		return tx.fail(ErrSealed)
	}
	return tx.fail(ErrConflict)
}

// inTerm tells whether the engine's term is the one that the transaction knows.
func (tx *Tx) inTerm() bool { return tx.engine.term.now() == tx.term }

// followTerm lets a snapshot's transaction go on in the engine's term. The error says
// that the snapshot was rolled back.
func (tx *Tx) followTerm() error {
	tx.term = tx.engine.term.now()
	if tx.snapshot != nil && tx.snapshot.void.Load() {
		return tx.fail(ErrRolledBack)
	}
	return nil
}

// noteReplayed says that what is at or below ts was replayed, or some of it.
func (e *Engine) noteReplayed(ts hlc.Timestamp) {
	e.replayed.Observe(ts)
	e.clock.Observe(ts)
}
