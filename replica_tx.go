package godwit

import (
	"context"
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/shard"
)

// executed is what lets the results of a transaction out, those of an error too.
type executed struct {
	ts    hlc.Timestamp
	wrote bool
	// on is the replica that has executed it, nil in an embedded database; x is then where
	// and when.
	on *openReplica
	x  shard.Executed
}

// execute runs fn on the leader, if that is this replica: by the way that run knows.
func (r *replica) execute(ctx context.Context, fn func(*Tx) error,
	run func(*shard.Replica, context.Context, func(*occ.Tx) error) (shard.Executed, error)) (executed, error) {
	n, err := r.get()
	if err != nil {
		return executed{}, err
	}
	x, err := run(n.Replica, ctx, wrapped(fn))
	if x.Lead() == nil {
		return executed{}, r.outside(n, err)
	}
	return executed{ts: x.TS, wrote: x.Wrote, on: n, x: x}, r.outside(n, err)
}

func (r *replica) update(ctx context.Context, fn func(*Tx) error) (executed, error) {
	return r.execute(ctx, fn, (*shard.Replica).Execute)
}

func (r *replica) view(ctx context.Context, fn func(*Tx) error) (executed, error) {
	return r.execute(ctx, fn, (*shard.Replica).View)
}

// wrapped shows fn each attempt through a Tx of its own, which ends with it.
func wrapped(fn func(*Tx) error) func(*occ.Tx) error {
	return func(in *occ.Tx) error {
		tx := &Tx{in}
		defer tx.leave()
		return fn(tx)
	}
}

// certain returns when what a transaction has done and read can be shown: it is durable on
// a majority, and if it has only read, this replica was leading when it did. Else
// another leader may have released something that it ought to have seen.
func (r *replica) certain(ctx context.Context, o *executed) error {
	if !o.wrote {
		err := o.on.do(ctx, "confirm", func(ctx context.Context) error { return o.on.Confirm(ctx, &o.x) })
		if err != nil {
			return r.lost(o, err)
		}
	}
	return r.lost(o, o.x.Wait(ctx))
}

// lost says what it means for a transaction that waiting for its certainty has failed.
func (r *replica) lost(o *executed, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, shard.ErrDropped), errors.Is(err, shard.ErrNotLeader):
		return r.notLeader(o.on)
	case o.wrote:
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// outside returns an error as users see it.
func (r *replica) outside(n *openReplica, err error) error {
	if errors.Is(err, shard.ErrNotLeader) {
		return r.notLeader(n)
	}
	if errors.Is(err, shard.ErrStopped) {
		return ErrClosed // before anything was executed
	}
	return err
}

// notLeader says who leads.
func (r *replica) notLeader(n *openReplica) error {
	e := &NotLeaderError{}
	_ = n.do(context.Background(), "leader", func(context.Context) error { // without an answer nobody is known
		if s := n.Group().Status(); s.Leader != n.rt.Node() {
			e.Leader = s.Leader
		}
		return nil
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Addr = r.mu.peers[e.Leader]
	return e
}

// snapshot opens a snapshot that shows everything at or below a timestamp.
func (r *replica) snapshot(ctx context.Context, atLeast hlc.Timestamp) (s *occ.Snapshot, _ *openReplica, err error) {
	n, err := r.run(ctx, "snapshot", func(ctx context.Context, n *openReplica) (err error) {
		s, err = n.Snapshot(ctx, atLeast)
		return err
	})
	if n == nil {
		return nil, nil, err
	}
	return s, n, r.outside(n, err)
}

// replicaSession is what a Session of a replica has: it executes in one leadership.
type replicaSession struct {
	on   *openReplica
	in   *shard.Session
	lead *shard.Leadership
	fn   func(*Tx) error
	call func(*occ.Tx) error // runs fn; made once
}

// newSession returns a session in the leadership of this replica.
func (r *replica) newSession(turn int) (*Session, error) {
	n, err := r.get()
	if err != nil {
		return nil, err
	}
	lead, err := n.Leading()
	if err != nil {
		return nil, r.outside(n, err)
	}
	in, err := n.NewSession(turn)
	if err != nil {
		return nil, err
	}
	s := &Session{db: r.db, replica: &replicaSession{on: n, in: in, lead: lead}}
	s.replica.call = func(in *occ.Tx) error {
		tx := s.nextTx(in)
		defer tx.leave()
		return s.replica.fn(tx)
	}
	return s, nil
}

// result returns what has come of a transaction.
func (s *replicaSession) result(r *replica, x shard.Executed, err error) (Timestamp, error) {
	s.fn = nil
	if l := x.Lead(); err == nil && l != s.lead || errors.Is(err, shard.ErrNotLeader) {
		return 0, r.notLeader(s.on)
	}
	return Timestamp(x.TS), err
}
