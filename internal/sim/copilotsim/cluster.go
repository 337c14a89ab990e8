package copilotsim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/registers"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/copilot"
	"github.com/godwitdb/godwit/quorum/journal"
)

// Cluster is a cluster in a World, its clients, and what they saw.
type Cluster struct {
	*registers.Clients
	Copilot copilot.Options
	Network quorum.Options
	Tracer  quorum.Tracer // of the members; nil for none

	// retryAfter is how long a client waits for the pilots before it looks for others.
	retryAfter time.Duration
	// rest is how long a cluster runs after the last fault before it is looked at.
	rest time.Duration

	world   *sim.World
	all     []env.NodeID
	members map[env.NodeID]*member
	pilots  map[uint64][2]env.NodeID // by epoch
	log     *registers.Log
	unread  error // the damage that a member found on its disk
}

// member is a node of the cluster, while its program runs.
type member struct {
	cluster  *Cluster
	node     *sim.Node
	endpoint *quorum.Endpoint
	copilot  *copilot.Node // nil until it has started
	store    *registers.Store
}

// NewCluster returns a cluster that Start starts.
func NewCluster(w *sim.World, members int, o copilot.Options) *Cluster {
	c := &Cluster{Clients: registers.NewClients(w), Copilot: o, retryAfter: 300 * time.Millisecond, rest: 2 * time.Second, world: w, members: map[env.NodeID]*member{},
		pilots: map[uint64][2]env.NodeID{}, log: registers.NewLog(w)}
	c.log.Once = true
	w.Show = registers.Show
	for i := range members {
		c.all = append(c.all, env.NodeID(i+1))
	}
	return c
}

// Start starts the members.
func (c *Cluster) Start() {
	for _, id := range c.all {
		c.world.AddNode(id, c.boot).Start()
	}
	c.watch()
}

// status returns what a member thinks of itself; ok is false if it does not run.
func (c *Cluster) status(id env.NodeID) (s copilot.Status, ok bool) {
	m := c.members[id]
	if m == nil || !m.node.Up() || m.copilot == nil {
		return s, false
	}
	return m.copilot.Status(), true
}

// watch looks at all members again and again.
func (c *Cluster) watch() {
	for _, id := range c.all {
		s, ok := c.status(id)
		if !ok || s.Opened == 0 {
			continue
		}
		if other, known := c.pilots[s.Opened]; known && other != s.Pilots {
			c.world.Fail("epoch %x has pilots %v, and %v at n%d", s.Opened, other, s.Pilots, id)
		}
		c.pilots[s.Opened] = s.Pilots
	}
	c.world.After(5*time.Millisecond, c.watch)
}

// Pilots returns the pilots of the newest epoch, which both know that they are.
func (c *Cluster) Pilots() (pilots [2]env.NodeID, ok bool) {
	epoch := uint64(0)
	for _, id := range c.all {
		if s, up := c.status(id); up {
			epoch = max(epoch, s.Epoch)
		}
	}
	pilots, ok = c.pilots[epoch]
	for _, id := range pilots {
		s, up := c.status(id)
		ok = ok && up && s.Pilot && s.Opened == epoch
	}
	return pilots, ok
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
		o := c.Copilot
		o.Members = c.all
		o.Dir = "copilot"
		o.Logf = func(format string, args ...any) {
			c.world.Logf("n%d: "+format, append([]any{n.ID()}, args...)...)
		}
		var err error
		m.copilot, err = copilot.Start(ctx, m.endpoint, files, m.store, o)
		if err == nil {
			registers.Method().Handle(m.endpoint, m.serve)
			m.endpoint.Listen()
			err = m.copilot.Run(ctx)
		}
		if ctx.Err() == nil {
			c.world.Logf("n%d ends: %v", n.ID(), err)
			if errors.Is(err, journal.ErrCorrupt) {
				c.unread = fmt.Errorf("n%d: %w", n.ID(), err)
			}
			n.Exit()
		}
		return err
	})
}

// serve carries out a client's request. Reads go through the logs like writes.
func (m *member) serve(ctx context.Context, _ env.NodeID, r *registers.Request) (*registers.Response, error) {
	b, err := m.copilot.Submit(ctx, copilot.Command{Client: r.Client, Seq: r.Seq, Data: quorum.Encode(nil, r)})
	pilots := m.copilot.Status().Pilots
	if errors.Is(err, copilot.ErrNotPilot) {
		return &registers.Response{Ask: pilots[:]}, nil
	}
	if err != nil {
		return nil, err
	}
	var resp registers.Response
	err = quorum.Decode(b, &resp)
	resp.Ask = pilots[:] // so that clients hear of a new pilot from the other
	return &resp, err
}

// AddClients adds clients that send each request to both pilots and take the first
// answer.
func (c *Cluster) AddClients(clients, keys int, pause time.Duration) {
	c.Add(clients, keys, pause, func() registers.Ask {
		pilots := [2]env.NodeID{c.any(), c.any()}
		return func(ctx context.Context, e *quorum.Endpoint, r *registers.Request) (*registers.Response, bool, error) {
			for {
				resp, err := c.ask(ctx, e, &pilots, r)
				if resp != nil || err != nil {
					return resp, false, err
				}
			}
		}
	})
}

func (c *Cluster) any() env.NodeID { return c.all[c.world.Rand().IntN(len(c.all))] }

// ask sends a request to those that seem to be pilots. It returns nothing if they
// do not answer, and notes who may be pilots instead.
func (c *Cluster) ask(ctx context.Context, e *quorum.Endpoint, pilots *[2]env.NodeID, r *registers.Request) (*registers.Response, error) {
	try, cancel := quorum.WithTimeout(ctx, c.retryAfter)
	defer cancel()
	asked := pilots[:]
	if asked[0] == asked[1] {
		asked = asked[:1]
	}
	votes := registers.Method().Broadcast(try, e, asked, func(env.NodeID) *registers.Request { return r })
	defer votes.Drop()
	done := votes.Need(1, func(_ env.NodeID, resp *registers.Response) bool { return resp.Done })
	err := done.Wait(try)
	if err == nil {
		for _, resp := range votes.Replies() {
			if resp.Done {
				*pilots = [2]env.NodeID(resp.Ask)
				return resp, nil
			}
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	*pilots = [2]env.NodeID{c.any(), c.any()}
	for _, resp := range votes.Replies() {
		if len(resp.Ask) == 2 && resp.Ask[0] != 0 && c.world.Rand().IntN(4) > 0 {
			*pilots = [2]env.NodeID(resp.Ask)
		}
	}
	return nil, quorum.Sleep(ctx, time.Millisecond)
}

// Settle demands that the members agree within a time, once nothing goes wrong any
// more, and are able to do something new.
func (c *Cluster) Settle(within time.Duration) error {
	err := c.Clients.Settle(within, registers.Agreement{
		Propose: func() (*quorum.Runtime, func(context.Context, uint64, uint64, []byte) error) {
			pilots, ok := c.Pilots()
			if !ok {
				return nil, nil
			}
			m := c.members[pilots[c.world.Rand().IntN(2)]]
			return m.node.Runtime(), func(ctx context.Context, client, seq uint64, command []byte) error {
				_, err := m.copilot.Submit(ctx, copilot.Command{Client: client, Seq: seq, Data: command})
				return err
			}
		},
		Agreed: func() bool {
			pilots, ok := c.Pilots()
			first, _ := c.status(pilots[0])
			for _, id := range c.all {
				s, up := c.status(id)
				if !ok || !up || s.Opened != first.Opened || s.Executed != first.Last || s.Last != first.Last {
					return false
				}
			}
			return true
		},
		States: func() (states string) {
			for _, id := range c.all {
				if s, up := c.status(id); up {
					states += fmt.Sprintf("; n%d %+v", id, s)
				} else {
					states += fmt.Sprintf("; n%d down", id)
				}
			}
			return states
		},
	})
	if err != nil {
		return err
	}
	for _, id := range c.all[1:] {
		if a, b := c.members[c.all[0]].store, c.members[id].store; !maps.Equal(a.Values, b.Values) {
			return fmt.Errorf("n%d and n%d hold different values", c.all[0], id)
		}
	}
	return nil
}

// others returns the members that are no pilots.
func (c *Cluster) others(pilots [2]env.NodeID) []env.NodeID {
	return slices.DeleteFunc(slices.Clone(c.all), func(id env.NodeID) bool { return slices.Contains(pilots[:], id) })
}
