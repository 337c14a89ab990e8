package shard

import (
	"context"
	"errors"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/occ"
)

// Executed is a transaction that has run, and whose results nobody may see before it is
// certain. The zero Executed is.
type Executed struct {
	lead  *Leadership
	TS    hlc.Timestamp // whose certainty lets the results out
	Wrote bool
}

// Lead returns the leadership in which it was executed.
func (x *Executed) Lead() *Leadership { return x.lead }

// Wait returns nil when the transaction is released. See Leadership.Wait for the errors.
func (x *Executed) Wait(ctx context.Context) error { return x.lead.Wait(ctx, x.TS) }

// Leading returns the leadership of this replica, or ErrNotLeader. Any goroutine may call
// it. A transaction that is begun after the call commits in that leadership or not at
// all, if Leading returns the same afterwards.
func (r *Replica) Leading() (*Leadership, error) {
	if l := r.leading.Load(); l != nil {
		return l, nil
	}
	return nil, ErrNotLeader
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
	if r.leading.Load() != l {
		return Executed{}, ErrNotLeader // it would commit in another leadership
	}
	term := tx.Term()
	for {
		x := Executed{lead: l}
		err := fn(tx)
		switch {
		case tx.Err() != nil:
			err = tx.Err()
		case err == nil:
			x.TS, err = tx.Commit()
			x.Wrote = tx.Wrote()
		case tx.Validate():
			x.TS = tx.MaxRead()
			return x, err
		default:
			err = occ.ErrConflict
		}
		if err == nil {
			return x, nil
		}
		if !errors.Is(err, occ.ErrConflict) {
			return Executed{}, notLeader(err)
		}
		if err := tx.Retry(); err != nil {
			return Executed{}, notLeader(err)
		}
		if tx.Term() != term {
			return Executed{}, ErrNotLeader
		}
	}
}

func notLeader(err error) error {
	if errors.Is(err, occ.ErrSealed) {
		return ErrNotLeader
	}
	return err
}
