package raftsim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/raft"
)

// request is what a client asks for, and the command in the log.
type request struct {
	Client, Seq uint64 // by which a request that comes twice is known
	Write       bool
	Key, Value  uint64
}

func (m *request) Fields(c *quorum.Coder) {
	c.Uint(&m.Client)
	c.Uint(&m.Seq)
	c.Bool(&m.Write)
	c.Uint(&m.Key)
	c.Uint(&m.Value)
}

// show says what a command is, for transcripts.
func show(b []byte) string {
	var r request
	if quorum.Decode(b, &r) != nil || r.Client == 0 {
		return ""
	}
	return fmt.Sprintf("(client %d, request %d: register %d = %d)", r.Client, r.Seq, r.Key, r.Value)
}

type response struct {
	// Done: it has been carried out. If not, it never will be, and Leader is who
	// may do it.
	Done, Found bool
	Value       uint64
	Leader      env.NodeID
}

func (m *response) Fields(c *quorum.Coder) {
	c.Bool(&m.Done)
	c.Bool(&m.Found)
	c.Uint(&m.Value)
	c.Node(&m.Leader)
}

func clientMethod() quorum.Method[request, response] {
	return quorum.NewMethod[request, response](100, "client")
}

// store is the state machine: registers, and the last request of each client.
type store struct {
	m       *member
	values  map[uint64]uint64
	clients map[uint64]uint64
}

func newStore(m *member) *store {
	return &store{m, map[uint64]uint64{}, map[uint64]uint64{}}
}

func (s *store) Apply(index uint64, command []byte) []byte {
	s.m.cluster.applied(s.m.node, index, command)
	var r request
	if err := quorum.Decode(command, &r); err != nil {
		s.m.cluster.world.Fail("n%d applies an undecodable command at %d", s.m.node.ID(), index)
		return nil
	}
	if s.clients[r.Client] < r.Seq {
		s.clients[r.Client] = r.Seq
		s.values[r.Key] = r.Value
	}
	return nil
}

// state is a store as it is written to snapshots.
type state struct{ values, clients []pair }

type pair struct{ k, v uint64 }

func (m *state) Fields(c *quorum.Coder) {
	each := func(p *pair) { c.Uint(&p.k); c.Uint(&p.v) }
	quorum.Slice(c, &m.values, each)
	quorum.Slice(c, &m.clients, each)
}

func pairs(m map[uint64]uint64) []pair {
	var p []pair
	for _, k := range slices.Sorted(maps.Keys(m)) {
		p = append(p, pair{k, m[k]})
	}
	return p
}

func (s *store) Snapshot() []byte {
	return quorum.Encode(nil, &state{pairs(s.values), pairs(s.clients)})
}

func (s *store) Restore(data []byte) error {
	var m state
	if err := quorum.Decode(data, &m); err != nil {
		return err
	}
	clear(s.values)
	clear(s.clients)
	for _, p := range m.values {
		s.values[p.k] = p.v
	}
	for _, p := range m.clients {
		s.clients[p.k] = p.v
	}
	return nil
}

// member is a node of the cluster, while its program runs.
type member struct {
	cluster  *Cluster
	node     *sim.Node
	endpoint *quorum.Endpoint
	raft     *raft.Node // nil until it has started
	store    *store
}

// boot is a member's program.
func (c *Cluster) boot(n *sim.Node) {
	m := &member{cluster: c, node: n}
	m.store = newStore(m)
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
			clientMethod().Handle(m.endpoint, m.serve)
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
func (m *member) serve(ctx context.Context, _ env.NodeID, r *request) (*response, error) {
	var err error
	if r.Write {
		_, err = m.raft.Propose(ctx, quorum.Encode(nil, r))
	} else {
		err = m.raft.Read(ctx)
	}
	switch {
	case err == nil:
	case !r.Write || errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrDropped) || errors.Is(err, quorum.ErrOverloaded):
		return &response{Leader: m.raft.Status().Leader}, nil
	default:
		return nil, err
	}
	value, found := m.store.values[r.Key]
	return &response{Done: true, Found: found, Value: value}, nil
}

// opTimeout is how long a client waits for one request.
const opTimeout = 2 * time.Second
