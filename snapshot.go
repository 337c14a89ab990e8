package godwit

import (
	"context"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/occ"
)

// Snapshot is the state of the database at one place in the serial order, for as
// long as it is open. It blocks nobody; the memory of what is replaced or
// deleted meanwhile is kept until it is closed.
type Snapshot struct {
	db *DB
	in *occ.Snapshot
}

// Snapshot returns a snapshot that sees all transactions that have returned
// before. Close must follow.
//
// On a replica that does not lead it is of what this one has, which is a little less: see
// SnapshotAtLeast.
func (db *DB) Snapshot(ctx context.Context) (*Snapshot, error) { return db.SnapshotAtLeast(ctx, 0) }

// SnapshotAtLeast is Snapshot, on any replica, and waits until that has everything at or
// below a timestamp: that of a transaction which is to be seen (Pending.Timestamp), or of
// an earlier snapshot on another replica, to not go back in time. In an embedded database
// everything is there at once.
func (db *DB) SnapshotAtLeast(ctx context.Context, at Timestamp) (*Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if db.replica != nil {
		in, _, err := db.replica.snapshot(ctx, hlc.Timestamp(at))
		if err != nil {
			return nil, err
		}
		return &Snapshot{db, in}, nil
	}
	in, err := db.engine.OpenSnapshot()
	if err != nil {
		return nil, err
	}
	return &Snapshot{db, in}, nil
}

// View runs fn once on the snapshot, and returns when what it has read is
// released. Any number of goroutines may use a snapshot at once.
func (s *Snapshot) View(ctx context.Context, fn func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ts, err := viewSnapshot(ctx, s.in, fn)
	if s.db.replica != nil {
		return err // what it shows is released
	}
	if werr := s.db.waitReleased(ctx, &executed{ts: ts}); werr != nil {
		return werr
	}
	return err
}

// Timestamp returns the snapshot's place in the serial order.
func (s *Snapshot) Timestamp() Timestamp { return Timestamp(s.in.Timestamp()) }

// Close lets the snapshot go. View fails with ErrClosed afterwards; those that
// run keep running. Closing again does nothing.
func (s *Snapshot) Close() { s.in.Close() }
