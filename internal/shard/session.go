package shard

import (
	"context"

	"github.com/godwitdb/godwit/internal/occ"
)

// viewAttemptsMax is how often View tries the newest state before it takes a snapshot,
// which cannot be overtaken.
const viewAttemptsMax = 3

// Session runs transactions in a loop, for one goroutine, tied to one worker: the
// shortest way into a replica, without an allocation for each. It outlives leaderships;
// each transaction says in which one it was executed.
type Session struct {
	replica   *Replica
	bound     occ.Bound
	conflicts uint64
}

// NewSession returns a session on a worker. Close must follow.
func (r *Replica) NewSession(worker int) (*Session, error) {
	bound, err := r.engine.NewBound(worker)
	if err != nil {
		return nil, err
	}
	return &Session{replica: r, bound: bound}, nil
}

// Update is Replica.Execute.
func (s *Session) Update(fn func(*occ.Tx) error) (Executed, error) {
	l, err := s.replica.Leading()
	if err != nil {
		return Executed{}, err
	}
	tx, err := s.bound.Begin()
	if err != nil {
		return Executed{}, err
	}
	return s.run(l, tx, fn, 0)
}

// View is Update for a transaction that only reads.
func (s *Session) View(fn func(*occ.Tx) error) (Executed, error) {
	l, err := s.replica.Leading()
	if err != nil {
		return Executed{}, err
	}
	tx, err := s.bound.BeginView()
	if err != nil {
		return Executed{}, err
	}
	x, err := s.run(l, tx, fn, viewAttemptsMax)
	if err == occ.ErrConflict { //nolint:errorlint // the sentinel itself
		s.conflicts++
		return s.replica.viewSnapshot(context.Background(), l, fn)
	}
	return x, err
}

func (s *Session) run(l *Leadership, tx *occ.Tx, fn func(*occ.Tx) error, attemptsMax int) (Executed, error) {
	defer tx.Finish()
	x, err := s.replica.execute(l, tx, fn, attemptsMax)
	s.conflicts += uint64(tx.Conflicts())
	return x, err
}

// viewSnapshot runs fn on a snapshot of what is executed.
func (r *Replica) viewSnapshot(ctx context.Context, l *Leadership, fn func(*occ.Tx) error) (Executed, error) {
	snapshot, err := r.engine.OpenSnapshot()
	if err != nil {
		return Executed{}, notLeader(err)
	}
	defer snapshot.Close()
	r.rt.Post(r.wake) // a round with a watermark above it
	tx, err := snapshot.Begin(ctx)
	if err != nil {
		return Executed{}, notLeader(err)
	}
	defer tx.End()
	_, err = Attempt(tx, fn)
	if r.leading.Load() != l {
		return Executed{}, ErrNotLeader // the timestamp may be of another leadership
	}
	return Executed{lead: l, TS: snapshot.Timestamp(), question: l.group.Question()}, notLeader(err)
}

// Conflicts returns how many attempts of the session had to be run again.
func (s *Session) Conflicts() uint64 { return s.conflicts }

// Close ends the session, in which nothing runs.
func (s *Session) Close() { s.bound.Drop() }
