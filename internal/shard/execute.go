package shard

import (
	"context"
	"errors"
	"time"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// Executed is a transaction that has run, and whose results nobody may see before it is
// certain. The zero Executed is.
type Executed struct {
	lead  *Leadership
	TS    hlc.Timestamp // whose certainty lets the results out
	Wrote bool
	// question is one to the members, which was not asked yet: of what was only read its answer says that nobody else led by
	// then.
	question uint64
}

// Lead returns the leadership in which it was executed, nil of the zero Executed.
func (x *Executed) Lead() *Leadership { return x.lead }

// Follow has tell called when the record of what was executed is durable, while this replica leads. tell must be quick. Any
// goroutine may call it.
func (r *Replica) Follow(x *Executed, tell func()) {
	if r.leading.Load() == x.lead {
		r.following.Follow(x.TS, tell)
	}
}

// Leading returns the leadership of this replica, or ErrNotLeader. Any goroutine may call
// it. A transaction that is begun after the call commits in that leadership or not at
// all, if Leading returns the same afterwards.
func (r *Replica) Leading() (*Leadership, error) {
	if l := r.leading.Load(); l != nil {
		return l, nil
	}
	return nil, ErrNotLeader
}

// AwaitLeading waits until this replica leads in an epoch above one. It is for tasks.
func (r *Replica) AwaitLeading(ctx context.Context, above wal.Epoch) (*Leadership, error) {
	for {
		seen := r.leads.Value()
		if l, err := r.Leading(); err == nil && l.Epoch > above {
			return l, nil
		}
		if err := r.leads.Wait(ctx, seen+1); err != nil {
			return nil, err
		}
	}
}

// ErrAlone: no other member could take the lead over.
var ErrAlone = errors.New("shard: no other member can take the lead over")

// HandOver makes another member the leader if this one leads, and waits until the outcome of all
// that was executed here is known. It is for tasks.
func (r *Replica) HandOver(ctx context.Context) error {
	l, err := r.Leading()
	if err != nil {
		return nil //nolint:nilerr // there is nothing to hand over
	}
	to := r.group.Successor()
	if to == 0 {
		return ErrAlone
	}
	if err := r.group.Transfer(ctx, to); err != nil {
		return err
	}
	for {
		seen := r.still.Value()
		if _, known := l.course.Final(); known {
			return nil
		}
		if err := r.still.Wait(ctx, seen+1); err != nil {
			return err
		}
	}
}

// leaderLook is how often who waits for a leader looks whether another replica is one.
const leaderLook = 10 * time.Millisecond

// AwaitLeader waits until this replica leads, or hears from another one that does, and returns
// which. It is for tasks.
func (r *Replica) AwaitLeader(ctx context.Context) (quorum.NodeID, error) {
	for {
		seen := r.leads.Value()
		if _, err := r.Leading(); err == nil {
			return r.rt.Node(), nil
		}
		if s := r.group.Status(); s.Leader != 0 && s.Leader != r.rt.Node() && !s.Silent {
			return s.Leader, nil
		}
		if err := r.pause(ctx, r.leads.Reached(seen+1), leaderLook); err != nil {
			return 0, err
		}
	}
}

// Execute runs fn as a transaction, again if it is in conflict with others. Any
// goroutine may call it; where nothing may block, the replica sheds (Options.Shed). The
// error is fn's, with what it has read in the result, or says that nothing has happened.
func (r *Replica) Execute(ctx context.Context, fn func(*occ.Tx) error) (Executed, error) {
	l, err := r.Leading()
	if err != nil {
		return Executed{}, err
	}
	tx, err := r.engine.Begin(ctx)
	if err != nil {
		return Executed{}, notLeader(err)
	}
	defer tx.End()
	return r.execute(l, tx, fn, 0)
}

// View is Execute for a transaction that only reads. One that is overtaken again and again
// reads from a snapshot in the end.
func (r *Replica) View(ctx context.Context, fn func(*occ.Tx) error) (Executed, error) {
	l, err := r.Leading()
	if err != nil {
		return Executed{}, err
	}
	tx, err := r.engine.BeginView(ctx)
	if err != nil {
		return Executed{}, notLeader(err)
	}
	x, err := func() (Executed, error) {
		defer tx.End()
		return r.execute(l, tx, fn, viewAttemptsMax)
	}()
	if err == occ.ErrConflict { //nolint:errorlint // the sentinel itself
		return r.viewSnapshot(ctx, l, fn)
	}
	return x, err
}

// execute runs fn in tx, which was begun after l was seen, until an attempt commits,
// fn's own error stands, or attemptsMax attempts (0: any number) are in conflict.
func (r *Replica) execute(l *Leadership, tx *occ.Tx, fn func(*occ.Tx) error, attemptsMax int) (Executed, error) {
	if r.leading.Load() != l {
		return Executed{}, ErrNotLeader // it would commit in another leadership
	}
	term := tx.Term()
	for n := 1; ; n++ {
		ts, err := Attempt(tx, fn)
		if err != occ.ErrConflict { //nolint:errorlint // the sentinel itself
			return Executed{lead: l, TS: ts, Wrote: tx.Wrote(), question: l.group.Question()}, notLeader(err)
		}
		if n == attemptsMax {
			return Executed{}, err
		}
		if err := tx.Retry(); err != nil {
			return Executed{}, notLeader(err)
		}
		if tx.Term() != term {
			return Executed{}, ErrNotLeader
		}
	}
}

// Attempt runs fn once in tx and commits. occ.ErrConflict says that it has to be run
// again; of fn's own errors, which are returned as they are, the timestamp is that of
// what it has read.
func Attempt(tx *occ.Tx, fn func(*occ.Tx) error) (ts hlc.Timestamp, err error) {
	returned := false
	defer func() {
		// A panic over a state that never existed is no panic of the program.
		if !returned && !tx.Validate() && recover() != nil {
			err = occ.ErrConflict
		}
	}()
	ferr := fn(tx)
	returned = true
	switch {
	case tx.Err() != nil:
		return 0, tx.Err()
	case ferr == nil:
		return tx.Commit()
	case !tx.Validate():
		return 0, occ.ErrConflict
	}
	return tx.MaxRead(), ferr
}

func notLeader(err error) error {
	if errors.Is(err, occ.ErrSealed) || errors.Is(err, occ.ErrRolledBack) {
		return ErrNotLeader
	}
	return err
}
