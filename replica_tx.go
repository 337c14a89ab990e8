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

// execution is a way of the leader to run a transaction.
type execution func(*shard.Replica, context.Context) (shard.Executed, error)

// update runs fn as a transaction that may write. If early, it returns as soon as
// it is executed; certain then tells about the outcome. f, if not nil, hears of it.
func (r *replica) update(ctx context.Context, fn func(*Tx) error, early bool, f *followed) (executed, error) {
	return r.transact(ctx, func(n *shard.Replica, ctx context.Context) (shard.Executed, error) {
		x, err := n.Execute(ctx, wrapped(fn))
		if f != nil && err == nil {
			f.executed(x.TS)
			if x.Wrote {
				n.Follow(&x, f.durable)
			}
		}
		return x, err
	}, early)
}

// view runs fn as a transaction that only reads.
func (r *replica) view(ctx context.Context, fn func(*Tx) error) error {
	_, err := r.transact(ctx, func(n *shard.Replica, ctx context.Context) (shard.Executed, error) {
		return n.View(ctx, wrapped(fn))
	}, false)
	return err
}

// transact runs a transaction when this replica leads, and returns when the results can be shown. What was
// dropped with its leadership has not happened, so it is run again.
func (r *replica) transact(ctx context.Context, run execution, early bool) (executed, error) {
	if err := ctx.Err(); err != nil {
		return executed{}, err
	}
	for {
		n, err := r.awaitLead(ctx)
		if err != nil {
			return executed{}, err
		}
		x, err := run(n.Replica, ctx)
		o := executed{ts: x.TS, wrote: x.Wrote, on: n, x: x}
		if x.Lead() == nil && (errors.Is(err, shard.ErrStopped) || errors.Is(err, ErrClosed)) || errors.Is(err, shard.ErrNotLeader) {
			continue // nothing has happened; awaitLead tells whether it can go on
		}
		if x.Lead() == nil || early && err == nil {
			return o, err
		}
		switch cerr := r.certain(ctx, &o); {
		case cerr == nil:
			return o, err
		case !o.nothingLeft(cerr):
			return executed{}, r.uncertain(&o, cerr)
		}
	}
}

// awaitLead returns the replica when it leads. It waits while none is known that does.
func (r *replica) awaitLead(ctx context.Context) (*openReplica, error) {
	for {
		n, err := r.await(ctx)
		if err == nil {
			if _, err := n.Leading(); err == nil {
				return n, nil
			}
			var leader NodeID
			err = n.do(ctx, "await leader", func(ctx context.Context) (err error) {
				leader, err = n.AwaitLeader(ctx)
				return err
			})
			if err == nil && leader != n.rt.Node() {
				return nil, r.ask(leader)
			}
			if err == nil || errors.Is(err, ErrClosed) { // else await tells whether it is opened again
				continue
			}
		}
		if ctx.Err() != nil {
			err = r.unavailable(err)
		}
		return nil, err
	}
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
	o.on.Hurry()
	return o.x.Wait(ctx)
}

// nothingLeft tells whether an error of certain says that nothing of the transaction has happened,
// and nothing is in the way of running it again.
func (o *executed) nothingLeft(err error) bool {
	return errors.Is(err, shard.ErrDropped) || errors.Is(err, shard.ErrNotLeader) ||
		!o.wrote && (errors.Is(err, shard.ErrStopped) || errors.Is(err, ErrClosed))
}

// undone says what an error of certain means that came later than another try could.
func (r *replica) undone(o *executed, err error) error {
	switch {
	case errors.Is(err, shard.ErrDropped) || errors.Is(err, shard.ErrNotLeader):
		return r.notLeader(o.on)
	case o.nothingLeft(err):
		return ErrClosed
	}
	return r.uncertain(o, err)
}

// uncertain says what another error of certain means.
func (r *replica) uncertain(o *executed, err error) error {
	if o.wrote {
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return r.unavailable(err)
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
	var leader NodeID
	_ = n.do(context.Background(), "leader", func(context.Context) error { // without an answer nobody is known
		leader = n.leader()
		return nil
	})
	return r.ask(leader)
}

// ask refers to the node that leads.
func (r *replica) ask(leader NodeID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &NotLeaderError{Leader: leader, Addr: r.mu.peers[leader]}
}

// leader returns which other node leads, 0 if that is not known. It is for tasks.
func (n *openReplica) leader() NodeID {
	if s := n.Group().Status(); !s.Silent && s.Leader != n.rt.Node() {
		return s.Leader
	}
	return 0
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
