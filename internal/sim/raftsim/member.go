package raftsim

import (
	"context"
	"errors"
	"slices"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/registers"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/raft"
)

// member is a node of the cluster, while its program runs.
type member struct {
	cluster  *Cluster
	node     *sim.Node
	endpoint *quorum.Endpoint
	raft     *raft.Node // nil until it has started
	store    *registers.Store
}

// boot is a member's program.
func (c *Cluster) boot(n *sim.Node) {
	m := &member{cluster: c, node: n, store: c.log.NewStore(n)}
	m.endpoint = quorum.NewEndpoint(n.Runtime(), n.Network(), c.Network, nil)
	c.members[n.ID()] = m
	n.Serves(m.endpoint)
	files := n.FS()
	if c.Tracer != nil {
		n.Runtime().Trace(c.Tracer)
	}
	n.Runtime().Go("main", func(ctx context.Context) error {
		o := c.Raft
		if slices.Contains(c.first, n.ID()) {
			o.Voters = c.first
		}
		o.Dir = "raft"
		o.Logf = func(format string, args ...any) {
			c.world.Logf("n%d: "+format, append([]any{n.ID()}, args...)...)
		}
		var err error
		m.raft, err = raft.Start(ctx, m.endpoint, files, m.store, o)
		if err == nil {
			c.started(n)
			registers.Method().Handle(m.endpoint, m.serve)
			m.endpoint.Listen()
			err = m.raft.Run(ctx)
		}
		if ctx.Err() == nil {
			c.world.Logf("n%d ends: %v", n.ID(), err)
			c.ended(n, err)
			n.Exit()
		}
		return err
	})
}

// serve carries out a client's request.
func (m *member) serve(ctx context.Context, _ env.NodeID, r *registers.Request) (*registers.Response, error) {
	var err error
	if r.Write {
		_, err = m.raft.Propose(ctx, quorum.Encode(nil, r))
	} else {
		err = m.raft.Read(ctx)
	}
	switch {
	case err == nil:
	case !r.Write || errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrDropped) || errors.Is(err, quorum.ErrOverloaded):
		return &registers.Response{Ask: known(m.raft.Status().Leader)}, nil
	default:
		return nil, err
	}
	return m.store.Read(r.Key), nil
}

// known returns a leader, if there is one.
func known(leader env.NodeID) []env.NodeID {
	if leader == 0 {
		return nil
	}
	return []env.NodeID{leader}
}
