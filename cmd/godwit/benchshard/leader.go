package benchshard

import (
	"context"
	"errors"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/shard"
)

// Leader is a replica during one leadership: its transactions are of that one, and fail
// with shard.ErrNotLeader when it is over.
type Leader struct {
	tables
	replica *shard.Replica
	lead    *shard.Leadership
}

// NewLeader returns the engine of a leadership.
func NewLeader(r *shard.Replica, l *shard.Leadership) *Leader {
	return &Leader{tables: tables{engine: r.Engine()}, replica: r, lead: l}
}

// Name implements bench.Engine.
func (*Leader) Name() string { return "godwit, replicated" }

// Close implements bench.Engine. The replica stays.
func (*Leader) Close() error { return nil }

// NewSession implements bench.Engine.
func (l *Leader) NewSession(worker int) (bench.Session, error) {
	inner, err := l.replica.NewSession(worker)
	if err != nil {
		return nil, err
	}
	s := &session{inner: inner, lead: l.lead}
	s.bind()
	return s, nil
}

// session executes on the leader and runs ahead of the releases.
type session struct {
	call
	inner *shard.Session
	lead  *shard.Leadership
}

// Update implements bench.Session.
func (s *session) Update(fn func(bench.Tx) error) (bench.Timestamp, error) {
	s.fn = fn
	return s.result(s.inner.Update(s.run))
}

// View implements bench.Session.
func (s *session) View(fn func(bench.Tx) error) (bench.Timestamp, error) {
	s.fn = fn
	return s.result(s.inner.View(s.run))
}

func (s *session) result(x shard.Executed, err error) (bench.Timestamp, error) {
	if l := x.Lead(); l != nil && l != s.lead {
		err = errors.Join(err, shard.ErrNotLeader)
	}
	return bench.Timestamp(x.TS), err
}

// Released implements bench.Session.
func (s *session) Released() bench.Timestamp { return bench.Timestamp(s.lead.Released()) }

// Wait returns nil when what was executed at a timestamp is released, and an error if it
// will not be.
func (s *session) Wait(ctx context.Context, ts bench.Timestamp) error {
	return s.lead.Wait(ctx, hlc.Timestamp(ts))
}

// Aborts implements bench.Session.
func (s *session) Aborts() uint64 { return s.inner.Conflicts() }

// Close implements bench.Session.
func (s *session) Close() error {
	s.inner.Close()
	return nil
}
