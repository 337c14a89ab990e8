package occ

import (
	"context"
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
	// users counts the transactions that read from the snapshot, plus one until
	// it is closed. The last one lets the versions go.
	users atomic.Int64
}

// OpenSnapshot returns a snapshot of everything that is executed now. Close
// must follow.
func (e *Engine) OpenSnapshot() (*Snapshot, error) {
	if e.closed.Load() {
		return nil, ErrClosed
	}
	e.snaps.Lock()
	defer e.snaps.Unlock()
	// From here on every commit phase that begins keeps what it overwrites;
	// those that began before end before the timestamp is taken.
	e.snapMax.Store(math.MaxUint64)
	e.passCommitPhases()
	s := &Snapshot{engine: e, at: e.clock.Next()}
	e.snaps.open = append(e.snaps.open, s.at)
	e.snapMax.Store(uint64(s.at))
	s.users.Store(1)
	return s, nil
}

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
	i, _ := slices.BinarySearch(e.snaps.open, s.at)
	e.snaps.open = slices.Delete(e.snaps.open, i, i+1)
	var largest hlc.Timestamp
	if n := len(e.snaps.open); n > 0 {
		largest = e.snaps.open[n-1]
	}
	e.snapMax.Store(uint64(largest))
	e.closedSnaps.Add(1)
}

// Begin returns a transaction that reads from the snapshot. End must follow.
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
	return tx, nil
}
