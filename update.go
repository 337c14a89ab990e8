package godwit

import (
	"context"
	"fmt"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/speculate"
)

// viewAttemptsMax is how often View tries the newest state before it takes a
// snapshot, which cannot be overtaken.
const viewAttemptsMax = 3

// Update runs fn as one transaction that may write, and returns when the
// transaction is released. fn may run several times (see the package's
// documentation). An error of fn is returned as it is and nothing of the
// transaction happens.
//
// A transaction that others overtake again and again makes them wait: for each
// attempt at most for 4 seconds, and at most half of the time. If an attempt takes no
// longer than that, it commits.
//
// ErrOutcomeUnknown: the transaction executed, but ctx ended or the log failed
// before it was released.
//
// On a replica it waits while none leads, as long as ctx allows (ErrUnavailable: nothing has
// happened). ErrNotLeader: another one leads, and nothing has happened. A transaction that was dropped
// because the leader was deposed is run again if this one is the next leader.
func (db *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	start := db.now()
	f, fn := db.follow(ctx, fn)
	err := db.updateReleased(ctx, fn, f)
	f.released(err)
	if err == nil {
		db.measureReleased(start)
	}
	return err
}

// updateReleased runs fn and waits for the release, of what an error of fn has read too.
func (db *DB) updateReleased(ctx context.Context, fn func(*Tx) error, f *followed) error {
	if db.replica != nil {
		_, err := db.replica.update(ctx, fn, false, f)
		return err
	}
	o, err := db.update(ctx, fn)
	db.executedHere(f, &o, err)
	if werr := db.waitReleased(ctx, &o); werr != nil {
		return werr
	}
	return err
}

// View runs fn as one transaction that only reads, on the newest state, and
// returns when what it has read is released. fn may run several times.
//
// On a replica it asks the others whether this one still leads, so that it sees
// everything that any of them had released before; nothing is written for that.
// ErrNotLeader: another one leads; Snapshot reads on any. ErrUnavailable: none led with a majority
// before ctx ended.
func (db *DB) View(ctx context.Context, fn func(*Tx) error) error {
	if db.replica != nil {
		return db.replica.view(ctx, fn)
	}
	o, err := db.view(ctx, fn)
	if werr := db.waitReleased(ctx, &o); werr != nil {
		return werr
	}
	return err
}

// UpdateAsync is Update without waiting for the release: it returns when the
// transaction is executed. An error means that nothing of the transaction has
// happened; on a replica it may be one of Update.
func (db *DB) UpdateAsync(ctx context.Context, fn func(*Tx) error) (*Pending, error) {
	start := db.now()
	f, fn := db.follow(ctx, fn)
	o, err := db.updateExecuted(ctx, fn, f)
	if err != nil {
		f.released(err)
		return nil, err
	}
	return newPending(db, o, start, f), nil
}

// updateExecuted runs fn, and waits for the release only of what an error has read.
func (db *DB) updateExecuted(ctx context.Context, fn func(*Tx) error, f *followed) (executed, error) {
	if db.replica != nil {
		return db.replica.update(ctx, fn, true, f)
	}
	o, err := db.update(ctx, fn)
	db.executedHere(f, &o, err)
	if err != nil {
		if werr := db.waitReleased(ctx, &o); werr != nil {
			return o, werr
		}
	}
	return o, err
}

// update executes fn. It returns what lets the results out, for an error of fn too.
func (db *DB) update(ctx context.Context, fn func(*Tx) error) (executed, error) {
	if err := ctx.Err(); err != nil {
		return executed{}, err
	}
	if err := db.throttle(ctx); err != nil {
		return executed{}, err
	}
	tx, err := db.engine.Begin(ctx)
	if err != nil {
		return executed{}, err
	}
	defer tx.End()
	ts, err := runRetrying(&Tx{tx}, fn, 0)
	return executed{ts: ts, wrote: tx.Wrote()}, err
}

func (db *DB) view(ctx context.Context, fn func(*Tx) error) (executed, error) {
	if err := ctx.Err(); err != nil {
		return executed{}, err
	}
	tx, err := db.engine.BeginView(ctx)
	if err != nil {
		return executed{}, err
	}
	ts, err := func() (hlc.Timestamp, error) {
		defer tx.End()
		return runRetrying(&Tx{tx}, fn, viewAttemptsMax)
	}()
	if err != occ.ErrConflict { //nolint:errorlint // the sentinel itself
		return executed{ts: ts}, err
	}
	ts, err = db.viewNewSnapshot(ctx, fn)
	return executed{ts: ts}, err
}

// viewNewSnapshot runs fn on a snapshot of its own, so that nothing can overtake it.
func (db *DB) viewNewSnapshot(ctx context.Context, fn func(*Tx) error) (hlc.Timestamp, error) {
	s, err := db.engine.OpenSnapshot()
	if err != nil {
		return 0, err
	}
	defer s.Close()
	return viewSnapshot(ctx, s, fn)
}

func viewSnapshot(ctx context.Context, s *occ.Snapshot, fn func(*Tx) error) (hlc.Timestamp, error) {
	tx, err := s.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer tx.End()
	return runRetrying(&Tx{tx}, fn, 1)
}

// runRetrying runs fn in tx, which it leaves, until an attempt commits, fn's own error
// stands, or attemptsMax attempts (0: any number) are in conflict.
func runRetrying(tx *Tx, fn func(*Tx) error, attemptsMax int) (hlc.Timestamp, error) {
	defer tx.leave()
	for attempt := 1; ; attempt++ {
		ts, err := runOnce(tx, fn)
		if err != occ.ErrConflict { //nolint:errorlint // the sentinel itself
			return ts, err
		}
		if attempt == attemptsMax {
			return 0, err
		}
		if err := tx.in.Retry(); err != nil {
			return 0, err
		}
	}
}

// runOnce makes one attempt. ErrConflict says that it has to be made again.
func runOnce(tx *Tx, fn func(*Tx) error) (ts hlc.Timestamp, err error) {
	in, returned := tx.in, false
	defer func() {
		// A panic over a state that never existed is no panic of the program.
		if !returned && !in.Validate() && recover() != nil {
			err = occ.ErrConflict
		}
	}()
	ferr := fn(tx)
	returned = true
	if err := in.Err(); err != nil {
		return 0, err
	}
	if ferr != nil {
		if !in.Validate() {
			return 0, occ.ErrConflict
		}
		return in.MaxRead(), ferr
	}
	return in.Commit()
}

// waitReleased returns when the results of a transaction can be shown.
func (db *DB) waitReleased(ctx context.Context, o *executed) error {
	if o.ts == 0 || db.opts.Durability != DurabilityDisk {
		return nil
	}
	err := db.gate.Wait(ctx, speculate.Point(o.ts))
	if err != nil && o.wrote {
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return err
}

// released returns the timestamp up to which everything is released.
func (db *DB) released() hlc.Timestamp {
	if db.opts.Durability != DurabilityDisk {
		return db.clock.Last()
	}
	return hlc.Timestamp(db.gate.Frontier())
}

// throttle holds writers back when the log cannot keep up, and refuses them
// when it has failed.
func (db *DB) throttle(ctx context.Context) error {
	if db.log == nil {
		return nil
	}
	return db.log.Throttle(ctx)
}
