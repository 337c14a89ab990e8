package occ

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/hlc"
)

// Snapshot is the state of all tables at one timestamp. It keeps the versions
// that it needs for as long as it is open, and blocks nobody.
type Snapshot struct {
	engine *Engine
	at     hlc.Timestamp
	closed atomic.Bool
	// void is set when something that the snapshot shows was rolled back, before it is.
	void atomic.Bool
	// users counts the transactions that read from the snapshot, plus one until
	// it is closed. The last one lets the versions go.
	users atomic.Int64
}

// OpenSnapshot returns a snapshot of everything that is executed now. Close
// must follow. The errors are ErrClosed and ErrSealed.
func (e *Engine) OpenSnapshot() (*Snapshot, error) {
	return e.openSnapshot(func() (hlc.Timestamp, error) {
		at := e.clock.Next()
		// A rollback from here on knows of the snapshot.
		if e.Sealed() {
			return 0, ErrSealed
		}
		return at, nil
	})
}

// OpenSnapshotAt returns a snapshot of a sealed engine, of what is at or below
// applied. The caller knows that this has been replayed and nothing above, and that
// nothing is being replayed until the call returns. Close must follow. Its errors are
// ErrClosed and those that say what the caller did not know.
func (e *Engine) OpenSnapshotAt(applied hlc.Timestamp) (*Snapshot, error) {
	return e.openSnapshot(func() (hlc.Timestamp, error) {
		// What garbage collection has freed, it has freed because it was replaced at or
		// below a timestamp that was released by now.
		released, newest := e.released(), e.newestChange()
		switch {
		case !e.Sealed():
			return 0, errors.New("occ: a snapshot at a timestamp is one of an engine that is sealed")
		case applied < released:
			return 0, fmt.Errorf("occ: a snapshot at %d: what it shows may be gone, %d is released", applied, released)
		case applied < newest:
			return 0, fmt.Errorf("occ: a snapshot at %d: there is something at %d that has to be rolled back, or is above what was applied", applied, newest)
		}
		return applied, nil
	})
}

// newestChange returns the largest timestamp that was replayed, or executed and neither
// released nor rolled back.
func (e *Engine) newestChange() hlc.Timestamp {
	newest := e.replayed.Last()
	for _, w := range e.workers {
		w.stream.Lock()
		if n := w.undoable.Len(); n > 0 {
			newest = max(newest, w.undoable.At(n-1).at)
		}
		w.stream.Unlock()
	}
	return newest
}

func (e *Engine) openSnapshot(at func() (hlc.Timestamp, error)) (*Snapshot, error) {
	if e.closed.Load() {
		return nil, ErrClosed
	}
	e.snaps.Lock()
	defer e.snaps.Unlock()
	defer e.boundSnapshots()
	// From here on every commit phase that begins keeps what it overwrites;
	// those that began before end before the timestamp is taken.
	e.snapMax.Store(math.MaxUint64)
	e.passCommitPhases()
	s := &Snapshot{engine: e}
	var err error
	if s.at, err = at(); err != nil {
		return nil, err
	}
	i := len(e.snaps.open)
	for i > 0 && e.snaps.open[i-1].at > s.at {
		i--
	}
	e.snaps.open = slices.Insert(e.snaps.open, i, s)
	s.users.Store(1)
	return s, nil
}

// boundSnapshots tells commits which snapshots are open. The lock of snaps is held.
func (e *Engine) boundSnapshots() {
	smallest, largest := uint64(math.MaxUint64), uint64(0)
	if n := len(e.snaps.open); n > 0 {
		smallest, largest = uint64(e.snaps.open[0].at), uint64(e.snaps.open[n-1].at)
	} else if e.snaps.void > 0 {
		largest = 1 // nothing is that old, but somebody may follow a chain
	}
	e.snapMin.Store(smallest)
	e.snapMax.Store(largest)
}

// voidSnapshots gives up the snapshots above final. The lock of snaps is held.
func (e *Engine) voidSnapshots(final hlc.Timestamp) {
	n := len(e.snaps.open)
	for ; n > 0 && e.snaps.open[n-1].at > final; n-- {
		e.snaps.open[n-1].void.Store(true)
		e.snaps.void++
	}
	clear(e.snaps.open[n:])
	e.snaps.open = e.snaps.open[:n]
	e.closedSnaps.Add(1)
	e.boundSnapshots()
}

// Engine returns the engine whose state it is.
func (s *Snapshot) Engine() *Engine { return s.engine }

// Timestamp returns the snapshot's place in the serial order: it sees exactly the
// transactions at or below.
func (s *Snapshot) Timestamp() hlc.Timestamp { return s.at }

// Close lets the snapshot's versions go, once the transactions that read from it
// have ended. It may be called more than once.
func (s *Snapshot) Close() {
	if !s.closed.Swap(true) {
		s.leave()
	}
}

func (s *Snapshot) enter() bool {
	for {
		n := s.users.Load()
		if n == 0 {
			return false
		}
		if s.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *Snapshot) leave() {
	if s.users.Add(-1) > 0 {
		return
	}
	e := s.engine
	e.snaps.Lock()
	defer e.snaps.Unlock()
	if s.void.Load() {
		e.snaps.void--
	} else {
		e.snaps.open = slices.DeleteFunc(e.snaps.open, func(o *Snapshot) bool { return o == s })
	}
	e.boundSnapshots()
	e.closedSnaps.Add(1)
}

// Begin returns a transaction that reads from the snapshot. End must follow. The errors
// are ErrClosed and ErrRolledBack.
func (s *Snapshot) Begin(ctx context.Context) (*Tx, error) {
	if s.closed.Load() || !s.enter() {
		return nil, ErrClosed
	}
	tx, err := s.engine.begin(ctx, modeSnapshot)
	if err != nil {
		s.leave()
		return nil, err
	}
	tx.at, tx.snapshot = s.at, s
	if s.void.Load() {
		tx.End()
		return nil, ErrRolledBack
	}
	return tx, nil
}
