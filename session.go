package godwit

import (
	"context"

	"github.com/godwitdb/godwit/internal/occ"
)

// Session runs transactions in a loop, for one goroutine: the shortest path
// into the database. It is tied to one worker, allocates nothing, and returns at
// executed: results must not be shown to anybody before Released has reached
// the timestamp that came with them.
//
// Since it allocates nothing, it has 1024 Tx for all of its transactions. One that was
// kept returns ErrTxDone, but in each 1024th transaction that follows its own it is
// that transaction's.
type Session struct {
	db      *DB
	bound   occ.Bound
	txs     [sessionTxs]Tx // of its transactions, in turn
	next    uint           // whose turn it is
	running bool           // a transaction, which has the bound
	closed  bool
	spins   uint64          // conflicts so far
	replica *replicaSession // nil in an embedded database
}

// sessionTxs is how many transactions of a session one after the other have a Tx of
// their own. Only the garbage collector knows whether a program has kept one: so
// that no Tx is ever used again, there would have to be a new one for each. A mistake
// in a program shows as well this way.
const sessionTxs = 1024

// Timestamp is a transaction's place in the serial order: the larger, the
// later. 0 is before all transactions.
type Timestamp uint64

// NewSession returns a session on the next worker in turn. Close must follow.
//
// On a replica it executes for as long as that leads without a break, then fails with
// ErrNotLeader, and what is above Released then is dropped. What its View reads may be older than
// what another leader has released meanwhile, which DB.View finds out.
func (db *DB) NewSession() (*Session, error) {
	if db.replica != nil {
		return db.replica.newSession(int(db.sessions.Add(1) - 1))
	}
	bound, err := db.engine.NewBound(int(db.sessions.Add(1) - 1))
	if err != nil {
		return nil, err
	}
	return &Session{db: db, bound: bound}, nil
}

// Update executes fn as one transaction. It returns the timestamp whose release
// makes the result final. If fn returns an error, nothing of the transaction
// has happened, and the timestamp is that of what fn has read.
//
// ErrSessionBusy: it was called from a function that the session runs.
func (s *Session) Update(fn func(*Tx) error) (Timestamp, error) {
	if err := s.begin(); err != nil {
		return 0, err
	}
	defer s.end()
	if r := s.replica; r != nil {
		r.fn = fn
		x, err := r.in.Update(r.call)
		return r.result(s.db.replica, x, err)
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
//
// ErrSessionBusy: it was called from a function that the session runs.
func (s *Session) View(fn func(*Tx) error) (Timestamp, error) {
	if err := s.begin(); err != nil {
		return 0, err
	}
	defer s.end()
	if r := s.replica; r != nil {
		r.fn = fn
		x, err := r.in.View(r.call)
		return r.result(s.db.replica, x, err)
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

// begin takes the session for a transaction: it has only one, which a second would
// take from the first. end must follow if there is no error.
func (s *Session) begin() error {
	switch {
	case s.closed:
		return ErrClosed
	case s.running:
		return ErrSessionBusy
	}
	s.running = true
	return nil
}

func (s *Session) end() {
	s.running = false
	if s.closed {
		s.drop()
	}
}

// drop gives back what a session takes.
func (s *Session) drop() {
	if s.replica != nil {
		s.replica.in.Close()
		return
	}
	s.bound.Drop()
}

// nextTx returns the Tx whose turn it is, for a transaction.
func (s *Session) nextTx(in *occ.Tx) *Tx {
	own := &s.txs[s.next%sessionTxs]
	s.next++
	own.in = in
	return own
}

func (s *Session) run(tx *occ.Tx, fn func(*Tx) error, attemptsMax int) (Timestamp, error) {
	defer tx.Finish()
	ts, err := runRetrying(s.nextTx(tx), fn, attemptsMax)
	s.spins += uint64(tx.Conflicts())
	return Timestamp(ts), err
}

// Released returns the timestamp up to which everything is released.
func (s *Session) Released() Timestamp {
	if s.replica != nil {
		return Timestamp(s.replica.lead.Released())
	}
	return Timestamp(s.db.released())
}

// Conflicts returns how many attempts of the session had to be run again.
func (s *Session) Conflicts() uint64 {
	if s.replica != nil {
		return s.replica.in.Conflicts()
	}
	return s.spins
}

// Close ends the session. Called from a function that the session runs, it lets that
// transaction go on to its end.
func (s *Session) Close() {
	if s.closed {
		return
	}
	s.closed = true
	if !s.running {
		s.drop()
	}
}
