package godwit

import (
	"context"

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
func (db *DB) Snapshot(ctx context.Context) (*Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
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
	if werr := s.db.waitReleased(ctx, ts, false); werr != nil {
		return werr
	}
	return err
}

// Timestamp returns the snapshot's place in the serial order.
func (s *Snapshot) Timestamp() Timestamp { return Timestamp(s.in.Timestamp()) }

// Close lets the snapshot go. View fails with ErrClosed afterwards; those that
// run keep running. Closing again does nothing.
func (s *Snapshot) Close() { s.in.Close() }
