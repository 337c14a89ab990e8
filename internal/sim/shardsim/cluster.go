package shardsim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// Cluster is a replica group in a World, its clients, and what is known of all.
type Cluster struct {
	*clients
	Shard        shard.Options
	SegmentBytes int64
	Network      quorum.Options
	Tracer       quorum.Tracer // of the members; nil for none

	world     *sim.World
	all       []env.NodeID // members that there ever are
	first     []env.NodeID // voters at the beginning
	members   map[env.NodeID]*member
	truth     truth
	announced map[wal.Epoch]hlc.Timestamp
	restarts  int // for a checkpoint that was fetched
	refilled  int // checkpoints that were given up
	arenas    struct{ made, open int }
	spared    bool // from losing what they have in memory
	retiring  bool // a member does, and loses its power soon
	changing  int  // changes of membership or leader under way
	damages   damages
	broken    *broken
	breaks    int
}

// NewCluster adds members. Of those, voters vote from the beginning.
func NewCluster(w *sim.World, members, voters int, o shard.Options) *Cluster {
	c := &Cluster{clients: newClients(w), Shard: o, world: w, members: map[env.NodeID]*member{},
		announced: map[wal.Epoch]hlc.Timestamp{}}
	c.truth.finals = map[wal.Epoch]hlc.Timestamp{}
	for i := range members {
		c.all = append(c.all, env.NodeID(i+1))
	}
	c.first = slices.Clone(c.all[:voters])
	c.Shard.Group.Members.Voters = c.first
	return c
}

// Start starts the members.
func (c *Cluster) Start() {
	for _, id := range c.all {
		c.world.AddNode(id, c.boot).Start()
	}
}

// leader returns the member that leads in the latest epoch, or nil.
func (c *Cluster) leader() *member {
	var leader *member
	for _, id := range c.all {
		m := c.members[id]
		if m == nil || !m.works() || m.replica.Group().Status().Role != stream.Leader {
			continue
		}
		if leader == nil || m.replica.Group().Status().Epoch > leader.replica.Group().Status().Epoch {
			leader = m
		}
	}
	return leader
}

// ended judges why a member's program has ended by itself. One that has fetched a
// checkpoint starts again; one whose checkpoint is damaged, to give that up.
func (c *Cluster) ended(n *sim.Node, err error) {
	b := c.broken
	switch {
	case errors.Is(err, shard.ErrRestart):
		c.restarts++
		c.world.After(time.Millisecond, n.Start)
	case errors.Is(err, dberr.ErrCorrupt) && b != nil && b.id == n.ID() && b.rots && !b.refill:
		b.refill = true
		c.refilled++
		c.world.After(time.Millisecond, n.Start)
	case !env.IsDiskFull(err) && !errors.Is(err, sim.ErrSync):
		c.world.Fail("n%d ends without a reason: %v", n.ID(), err)
	}
}

// final checks the final watermark of an epoch as a member tells it.
func (c *Cluster) final(id env.NodeID, e wal.Epoch, f hlc.Timestamp) {
	if known, ok := c.truth.finals[e]; ok && known != f {
		c.world.Fail("I6: the final watermark of epoch %d is %d, and for n%d %d", e, known, id, f)
	}
	c.truth.finals[e] = f
	if c.announced[e] > f {
		c.world.Fail("I6: the final watermark of epoch %d is %d for n%d, %d was released", e, f, id, c.announced[e])
	}
}

// announce notes up to where the leader of an epoch has released what it has executed.
func (c *Cluster) announce(id env.NodeID, e wal.Epoch, w hlc.Timestamp) {
	c.announced[e] = max(c.announced[e], w)
	if f, ok := c.truth.finals[e]; ok && w > f && f > 0 {
		c.world.Fail("I6: n%d has released up to %d in epoch %d, whose final watermark is %d", id, w, e, f)
	}
}

// ranks returns those who are members according to the leader.
func (c *Cluster) ranks() []env.NodeID {
	s := c.leader().replica.Group().Status()
	return s.Members.All()
}

// Settle demands that within a time, once nothing goes wrong any more, something new is
// released, and all members have the same: what is known to have survived.
func (c *Cluster) Settle(within time.Duration) error {
	before, end := c.succeeded, c.world.Now()+within
	if c.world.RunUntil(within, func() bool { return c.succeeded > before+3 }) {
		c.stopped = true
		if c.world.RunUntil(end-c.world.Now(), c.agreed) {
			return c.compare()
		}
	}
	if err := c.world.Failed(); err != nil {
		return err
	}
	return fmt.Errorf("progress: the replicas do not agree within %v, %d more transactions were released%s", within, c.succeeded-before, c.describe())
}

// agreed tells whether no client waits any more and all members have all rounds.
func (c *Cluster) agreed() bool {
	l := c.leader()
	if l == nil || c.running > 0 || c.broken != nil {
		return false
	}
	s := l.replica.Group().Status()
	for _, id := range c.ranks() {
		m := c.members[id]
		if !m.works() || m.replica.Group().Status().Commit != s.Last || m.replica.Released() != l.replica.Released() {
			return false
		}
	}
	return true
}

// compare demands that all members hold what has survived and nothing beside it.
func (c *Cluster) compare() error {
	l := c.leader()
	c.truth.last = l.replica.Group().Status().Epoch
	released := l.replica.Released()
	survived, err := c.truth.settle(c.told)
	if err != nil {
		return err
	}
	want, ranks := survived.contents(), c.ranks()
	for _, id := range ranks {
		got, _, err := c.holds(id, released)
		if err != nil {
			return err
		}
		if !maps.Equal(got, want) {
			return fmt.Errorf("I7: n%d holds %v, of what was executed %v have survived", id, got, want)
		}
	}
	for range 3 { // a copy of a request may come late, and add a record to those that were counted
		records := map[env.NodeID]int64{}
		for _, id := range ranks {
			got, hidden, err := c.holds(id, released)
			if err != nil {
				return err
			}
			records[id] = int64(len(got) + hidden)
		}
		idle := func() bool {
			for _, id := range ranks {
				m := c.members[id]
				if !m.works() {
					return false
				}
				if s := m.replica.Engine().Stats(); s.Undoable > 0 || s.Versions > 0 || s.Snapshots > 0 || s.Records != records[id] {
					return false
				}
			}
			return true
		}
		if c.world.RunUntil(10*time.Second, idle) {
			return c.world.Failed()
		}
	}
	return errors.Join(fmt.Errorf("replicas keep what nobody needs%s", c.describe()), c.world.Failed())
}

// holds returns what contents of a member returns, when it has what was released up to a timestamp.
func (c *Cluster) holds(id env.NodeID, released hlc.Timestamp) (got contents, hidden int, err error) {
	// A program may end late of what a disk has done, or a checkpoint that was fetched, and start again as another member.
	if !c.world.RunUntil(10*time.Second, func() bool { return c.members[id].works() && c.members[id].replica.Released() >= released }) {
		return nil, 0, fmt.Errorf("n%d is down or does not catch up%s", id, c.describe())
	}
	m := c.members[id]
	task := m.node.Runtime().Go("contents", func(ctx context.Context) (err error) {
		got, hidden, err = m.contents(ctx)
		return err
	})
	m.node.Runtime().Post(func() {})
	if !c.world.RunUntil(10*time.Second, task.Decided) || task.Err() != nil {
		return nil, 0, fmt.Errorf("n%d: no snapshot: %w%s", id, errors.Join(task.Err(), c.world.Failed()), c.describe())
	}
	return got, hidden, nil
}

// Check demands that what the clients saw is what it should be. Settle has succeeded.
func (c *Cluster) Check() error { return c.check(c.truth.once) }

func (c *Cluster) describe() (text string) {
	for _, id := range c.all {
		if m := c.members[id]; m.works() {
			s := m.replica.Engine().Stats()
			text += fmt.Sprintf("; n%d %+v, released %d, undoable %d, versions %d, records %d", id, m.replica.Group().Status(), m.replica.Released(), s.Undoable, s.Versions, s.Records)
		} else {
			text += fmt.Sprintf("; n%d down", id)
		}
	}
	return text
}
