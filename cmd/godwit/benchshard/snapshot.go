package benchshard

import (
	"context"
	"errors"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/shard"
)

// errReadOnly says that a check writes.
var errReadOnly = errors.New("benchshard: a snapshot cannot be written")

// Snapshot is a state of an engine, for checks. It is read only.
type Snapshot struct {
	tables
	snapshot *occ.Snapshot
}

// NewSnapshot returns the engine of a snapshot, which Close closes.
func NewSnapshot(e *occ.Engine, s *occ.Snapshot) *Snapshot {
	return &Snapshot{tables: tables{engine: e}, snapshot: s}
}

// Name implements bench.Engine.
func (*Snapshot) Name() string { return "godwit, snapshot" }

// Close implements bench.Engine.
func (s *Snapshot) Close() error {
	s.snapshot.Close()
	return nil
}

// NewSession implements bench.Engine.
func (s *Snapshot) NewSession(int) (bench.Session, error) {
	r := &reader{snapshot: s.snapshot}
	r.bind()
	return r, nil
}

// reader is a session that reads from a snapshot.
type reader struct {
	call
	snapshot *occ.Snapshot
}

// Update implements bench.Session.
func (*reader) Update(func(bench.Tx) error) (bench.Timestamp, error) { return 0, errReadOnly }

// View implements bench.Session.
func (r *reader) View(fn func(bench.Tx) error) (bench.Timestamp, error) {
	x, err := r.snapshot.Begin(context.Background())
	if err != nil {
		return 0, err
	}
	defer x.End()
	r.fn = fn
	ts, err := shard.Attempt(x, r.run)
	return bench.Timestamp(ts), err
}

// Released implements bench.Session: a snapshot shows what is.
func (r *reader) Released() bench.Timestamp { return bench.Timestamp(r.snapshot.Timestamp()) }

// Aborts implements bench.Session.
func (*reader) Aborts() uint64 { return 0 }

// Close implements bench.Session.
func (*reader) Close() error { return nil }
