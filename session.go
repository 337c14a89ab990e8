package godwit

import (
	"context"
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/occ"
)

// Session runs transactions in a loop, for one goroutine: the shortest path
// into the database. It is tied to one worker, allocates nothing, and returns at
// executed: results must not be shown to anybody before Released has reached
// the timestamp that came with them.
type Session struct {
	db     *DB
	bound  occ.Bound
	closed atomic.Bool
	spins  uint64 // conflicts so far
}

// Timestamp is a transaction's place in the serial order: the larger, the
// later. 0 is before all transactions.
type Timestamp uint64

// NewSession returns a session on the next worker in turn. Close must follow.
func (db *DB) NewSession() (*Session, error) {
	bound, err := db.engine.NewBound(int(db.sessions.Add(1) - 1))
	if err != nil {
		return nil, err
	}
	return &Session{db: db, bound: bound}, nil
}

// Update executes fn as one transaction. It returns the timestamp whose release
// makes the result final. If fn returns an error, nothing of the transaction
// has happened, and the timestamp is that of what fn has read.
func (s *Session) Update(fn func(*Tx) error) (Timestamp, error) {
	if s.closed.Load() {
		return 0, ErrClosed
	}
	if s.db.log != nil {
		if err := s.db.log.Throttle(context.Background()); err != nil {
			return 0, err
		}
	}
	tx, err := s.bound.Begin()
	if err != nil {
		return 0, err
	}
	return s.run(tx, fn, 0)
}

// View executes fn as one transaction that only reads.
func (s *Session) View(fn func(*Tx) error) (Timestamp, error) {
	if s.closed.Load() {
		return 0, ErrClosed
	}
	tx, err := s.bound.BeginView()
	if err != nil {
		return 0, err
	}
	ts, err := s.run(tx, fn, viewAttemptsMax)
	if err != occ.ErrConflict { //nolint:errorlint // the sentinel itself
		return ts, err
	}
	s.spins++
	at, err := s.db.viewNewSnapshot(context.Background(), fn)
	return Timestamp(at), err
}

func (s *Session) run(tx *occ.Tx, fn func(*Tx) error, attemptsMax int) (Timestamp, error) {
	defer tx.Finish()
	ts, err := runRetrying(tx, fn, attemptsMax)
	s.spins += uint64(tx.Conflicts())
	return Timestamp(ts), err
}

// Released returns the timestamp up to which everything is released.
func (s *Session) Released() Timestamp { return Timestamp(s.db.released()) }

// Conflicts returns how many attempts of the session had to be run again.
func (s *Session) Conflicts() uint64 { return s.spins }

// Close ends the session.
func (s *Session) Close() {
	if !s.closed.Swap(true) {
		s.bound.Drop()
	}
}
