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
	"github.com/godwitdb/godwit/internal/sim/registers"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/journal"
	"github.com/godwitdb/godwit/quorum/raft"
)

// Cluster is a cluster in a World, its clients, and what they saw.
type Cluster struct {
	*registers.Clients
	Raft    raft.Options
	Network quorum.Options
	Tracer  quorum.Tracer // of the members; nil for none
	// Wander makes clients ask any member now and then, also one that led before,
	// and not only the one that answered last.
	Wander bool

	world   *sim.World
	first   []env.NodeID // voters at the beginning
	all     []env.NodeID // members that there ever are
	members map[env.NodeID]*member
	leaders map[uint64]env.NodeID // by term
	log     *registers.Log
	// What became of members that ended by themselves.
	refused map[env.NodeID]error // their disks are damaged
	full    int                  // times that a disk was full
}

// NewCluster adds members and starts them. Of those, voters vote from the
// beginning.
func NewCluster(w *sim.World, members, voters int, o raft.Options) *Cluster {
	c := &Cluster{Clients: registers.NewClients(w), Raft: o, world: w, log: registers.NewLog(w),
		members: map[env.NodeID]*member{}, leaders: map[uint64]env.NodeID{}, refused: map[env.NodeID]error{}}
	for i := range members {
		c.all = append(c.all, env.NodeID(i+1))
	}
	c.first = slices.Clone(c.all[:voters])
	w.Show = registers.Show
	return c
}

// Start starts the members.
func (c *Cluster) Start() {
	for _, id := range c.all {
		c.world.AddNode(id, c.boot).Start()
	}
	c.watch()
}

// watch looks at all members again and again.
func (c *Cluster) watch() {
	for _, id := range c.all {
		m := c.members[id]
		if m == nil || !m.node.Up() || m.raft == nil {
			continue
		}
		if s := m.raft.Status(); s.Role == raft.Leader {
			if other, ok := c.leaders[s.Term]; ok && other != id {
				c.world.Fail("election safety: n%d and n%d lead in term %d", other, id, s.Term)
			}
			c.leaders[s.Term] = id
		}
	}
	c.world.After(5*time.Millisecond, c.watch)
}

// journalOf returns the name of the file from which a member takes its state when
// it starts.
func journalOf(n *sim.Node) string {
	name, _ := journal.Newest(n.Files().Names())
	return name
}

// expose lets the disks of some members be damaged, where a journal finds it.
func (c *Cluster) expose(disks int) {
	for _, i := range c.world.Draw("exposed").Perm(len(c.all))[:disks] {
		n := c.world.Node(c.all[i])
		n.Exposed = func() (string, int) {
			name := journalOf(n)
			synced, err := n.Files().Synced(name)
			if err != nil {
				return "", 0 // it has never started
			}
			return name, journal.Covered(synced)
		}
	}
}

// started is called when a member has taken its state from its disk, and before
// it says anything to others: from a damaged disk it must not.
func (c *Cluster) started(n *sim.Node) {
	if name := journalOf(n); n.Files().Damaged(name) {
		c.world.Fail("n%d works with %s, which is damaged", n.ID(), name)
	}
	delete(c.refused, n.ID())
}

// ended judges why a member's program has ended by itself: there has to be a
// reason, and if the disk is damaged it is really.
func (c *Cluster) ended(n *sim.Node, err error) {
	switch {
	case errors.Is(err, journal.ErrCorrupt) && n.Files().Damaged(journalOf(n)):
		c.refused[n.ID()] = err
	case env.IsDiskFull(err):
		c.full++
	case errors.Is(err, sim.ErrSync):
	default:
		c.world.Fail("n%d ends without a reason: %v", n.ID(), err)
	}
}

// Leader returns the member that leads in the latest term, or nil.
func (c *Cluster) Leader() *raft.Node {
	var leader *raft.Node
	for _, id := range c.all {
		m := c.members[id]
		if m == nil || !m.node.Up() || m.raft == nil || m.raft.Status().Role != raft.Leader {
			continue
		}
		if leader == nil || m.raft.Status().Term > leader.Status().Term {
			leader = m.raft
		}
	}
	return leader
}

// AddClients adds clients that ask the member that answered last, and look for the
// leader if it does not lead.
func (c *Cluster) AddClients(clients, keys int, pause time.Duration) {
	anyone := func() env.NodeID { return c.all[c.world.Rand().IntN(len(c.all))] }
	c.Add(clients, keys, pause, func() registers.Ask {
		target := anyone()
		return func(ctx context.Context, e *quorum.Endpoint, r *registers.Request) (*registers.Response, bool, error) {
			if c.Wander && c.world.Rand().IntN(8) == 0 {
				target = anyone()
			}
			resp, err := registers.Method().Call(ctx, e, target, r)
			if err == nil && len(resp.Ask) > 0 {
				target = resp.Ask[0]
			} else if err != nil || !resp.Done {
				target = anyone()
			}
			return resp, err == nil || registers.Definite(err), err
		}
	})
}

// Settle demands that the members agree within a time, once nothing goes wrong
// any more, and are able to do something new.
func (c *Cluster) Settle(within time.Duration) error {
	err := c.Clients.Settle(within, registers.Agreement{
		Propose: func() (*quorum.Runtime, func(context.Context, uint64, uint64, []byte) error) {
			leader := c.Leader()
			if leader == nil {
				return nil, nil
			}
			return c.members[leader.Status().Leader].node.Runtime(), func(ctx context.Context, _, _ uint64, command []byte) error {
				_, err := leader.Propose(ctx, command)
				return err
			}
		},
		Agreed: func() bool {
			leader := c.Leader()
			if leader == nil {
				return false
			}
			s := leader.Status()
			for _, id := range s.Voters {
				m := c.members[id]
				if !c.lost(id) && (!m.node.Up() || m.raft == nil || m.raft.Status().Applied != s.Last) {
					return false
				}
			}
			return true
		},
		States: func() (states string) {
			for _, id := range c.all {
				if m := c.members[id]; m.node.Up() && m.raft != nil {
					states += fmt.Sprintf("; n%d %+v", id, m.raft.Status())
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
	leader := c.members[c.Leader().Status().Leader]
	for _, id := range leader.raft.Status().Voters {
		if m := c.members[id]; !c.lost(id) && !maps.Equal(leader.store.Values, m.store.Values) {
			return fmt.Errorf("n%d and n%d hold different values", leader.node.ID(), id)
		}
	}
	return nil
}

// lost tells whether a member stays away because its disk is damaged.
func (c *Cluster) lost(id env.NodeID) bool {
	return c.refused[id] != nil && c.members[id].raft == nil
}
