package godwit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/quorum"
)

// memberRetry is how long to wait before a change of membership is tried again.
const memberRetry = 20 * time.Millisecond

// errNoCluster: what was asked for needs replicas.
func errNoCluster() error {
	return errors.New("godwit: the database is no replica; open it with Options.Cluster")
}

// task runs f on the replica that is open.
func (db *DB) task(ctx context.Context, name string, f func(ctx context.Context, n *openReplica) error) error {
	if db.replica == nil {
		return errNoCluster()
	}
	n, err := db.replica.run(ctx, name, f)
	switch {
	case n == nil:
		return err
	case errors.Is(err, stream.ErrNotLeader), errors.Is(err, shard.ErrNotLeader):
		return db.replica.notLeader(n)
	case errors.Is(err, quorum.ErrUnknownNode):
		return fmt.Errorf("godwit: no such member: %w", err)
	}
	return err
}

// Status returns what this replica knows of its group. An error says that the database is
// no replica, is closed or has failed.
func (db *DB) Status(ctx context.Context) (s ClusterStatus, err error) {
	err = db.task(ctx, "status", func(_ context.Context, n *openReplica) error {
		g := n.Group().Status()
		_, err := n.Leading()
		s = ClusterStatus{Node: n.rt.Node(), Leader: g.Leader, Leading: err == nil, Epoch: uint64(g.Epoch), Recovering: g.Recovering, OtherFolder: g.OtherFolder, DiskFull: g.Full, Damaged: g.Damaged, Refused: db.replica.refusals.recent(),
			Released: Timestamp(n.Released()), Members: g.Members.Voters, Learners: g.Members.Learners}
		if g.Silent {
			s.Leader = 0
		}
		return nil
	})
	return s, err
}

// AwaitLeading waits until this replica leads.
func (db *DB) AwaitLeading(ctx context.Context) error {
	return db.task(ctx, "await leading", func(ctx context.Context, n *openReplica) error {
		_, err := n.AwaitLeading(ctx, 0)
		return err
	})
}

// Transfer makes another member the leader, so that this node can be stopped at no cost.
// ErrNotLeader: this one does not lead. It fails if the other does not take over within
// Cluster.ElectionTimeout; this one goes on leading then.
func (db *DB) Transfer(ctx context.Context, to NodeID) error {
	return db.task(ctx, "transfer", func(ctx context.Context, n *openReplica) error {
		if n.Group().Status().Leader != n.rt.Node() {
			return shard.ErrNotLeader
		}
		return n.Group().Transfer(ctx, to)
	})
}

// HandOver makes the member the leader that could take over best, if this one leads, so that this node can be stopped
// at no cost. It fails as Transfer does, and when no other member is there. Close does it too.
func (db *DB) HandOver(ctx context.Context) error {
	return db.task(ctx, "hand over", func(ctx context.Context, n *openReplica) error { return n.HandOver(ctx) })
}

// AddMember makes a node a member, on the leader (else ErrNotLeader): first a learner that
// does not count for majorities, then, when it has caught up, one that does. It waits for
// that as long as ctx allows, and can be called again. The node is started with
// Cluster.Join and an empty folder, before or meanwhile; all nodes know its address
// (Cluster.Peers, SetPeer).
func (db *DB) AddMember(ctx context.Context, id NodeID) error {
	return db.change(ctx, "add member", func(ctx context.Context, n *openReplica) error {
		switch err := n.Group().AddLearner(ctx, id); {
		case errors.Is(err, quorum.ErrUnreachable) && !db.replica.knows(id):
			return fmt.Errorf("godwit: node %d has no address here (Cluster.Peers, SetPeer)", id)
		case err != nil:
			return err
		}
		return n.Group().Promote(ctx, id)
	})
}

// RemoveMember makes a node no member any more, on the leader (else ErrNotLeader). A leader
// that removes itself stops leading. It is also how a dead node is replaced: remove it, then add a
// new one. The last member stays.
func (db *DB) RemoveMember(ctx context.Context, id NodeID) error {
	return db.change(ctx, "remove member", func(ctx context.Context, n *openReplica) error { return n.Group().Remove(ctx, id) })
}

// change tries a change of membership again while another one is under way or the node does
// not answer. If that lasts until ctx ends, the error says what was in the way.
func (db *DB) change(ctx context.Context, name string, f func(ctx context.Context, n *openReplica) error) error {
	var obstacle error
	err := db.task(ctx, name, func(ctx context.Context, n *openReplica) error {
		for {
			err := f(ctx, n)
			if !errors.Is(err, stream.ErrBusy) && !errors.Is(err, quorum.ErrUnreachable) && !errors.Is(err, quorum.ErrTimeout) {
				return err
			}
			obstacle = err
			if err := quorum.Sleep(ctx, memberRetry); err != nil {
				return err
			}
		}
	})
	if err != nil && ctx.Err() != nil && obstacle != nil {
		return fmt.Errorf("godwit: %s: %w: %w", name, err, obstacle)
	}
	return err
}

// SetPeer says to this replica at which address a node is found from now on, until the database is
// closed: it is not stored, and other nodes are not told. When it is opened again, Cluster.Peers counts. So a
// node that moves takes three steps: SetPeer on every other node, the new address in everybody's
// Cluster.Peers for the next time that they are opened, and the node's start at its new address.
func (db *DB) SetPeer(ctx context.Context, id NodeID, addr string) error {
	return db.task(ctx, "set peer", func(_ context.Context, n *openReplica) error {
		db.replica.mu.Lock()
		db.replica.mu.peers[id] = addr
		db.replica.mu.Unlock()
		n.tcp.SetAddr(id, addr)
		return nil
	})
}

// knows tells whether a node has an address.
func (r *replica) knows(id NodeID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.peers[id] != ""
}
