package streamsim

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// Scenarios returns what can be run.
func Scenarios() []sim.Scenario {
	return []sim.Scenario{
		{Name: "streams", Doc: "a replica group's log of rounds under a mix of faults that each seed draws; what was released survives, final watermarks are unique", Run: Faults},
		{Name: "streams-hunt", Doc: "the same with frequent faults, most of them for its leader", Run: Hunt},
		{Name: "streams-memory", Doc: "the same without waiting for disks: one member at a time loses its power, and what it has not written", Run: Forgetful},
		{Name: "streams-elect", Doc: "the same log while elections follow each other, and voters lose their votes or do not know who may vote", Run: Elections},
		{Name: "streams-damage", Doc: "the same log with disks that lose a part of a log, one member's at a time", Run: Damaged},
	}
}

// Faults is a group under a mix of faults.
func Faults(w *sim.World) error {
	return faults(w, w.DrawFaults(), nil)
}

// faults runs a group under a mix of faults and judges it. prepare, if not nil, is
// called before the group starts.
func faults(w *sim.World, mix sim.Faults, prepare func(*Cluster)) error {
	members := 3 + 2*w.Choose("five members", 0, 1)
	voters := members
	changes := w.Choose("changes", 0, 1) == 1
	if changes && members == 5 {
		voters = 3 // the others join
	}
	c := NewCluster(w, members, voters, stream.Options{
		ElectionTimeout:   time.Duration(w.Choose("election timeout in ms", 100, 500)) * time.Millisecond,
		PieceBytesMax:     64 << w.Choose("bytes in a piece", 0, 10),
		WindowRequestsMax: w.Choose("requests in a window", 1, 16),
		BacklogBytesMax:   4 << (10 + w.Choose("backlog", 0, 6)),
		TailBytesMax:      1 << (10 + w.Choose("tail", 0, 10)),
	})
	c.Network = quorum.Options{OutboxMessagesMax: 64 << w.Choose("outbox", 0, 4), OutboxBytesMax: 1 << 20}
	c.Streams, c.Keys = w.Choose("streams", 1, 4), w.Choose("keys", 1, 4)
	c.Pause = time.Duration(w.Choose("pause in ms", 1, 30)) * time.Millisecond
	if prepare != nil {
		prepare(c)
	}
	c.CheckpointRounds = wal.RoundNumber(16 << w.Choose("checkpoints are rare", 0, 7))
	c.Start()
	if changes {
		c.change()
	}
	if w.Choose("disks are lost", 0, 3) == 3 {
		c.loseDisks()
	}
	w.Prey = func() *sim.Node {
		if l := c.leader(); l != nil {
			return l.node
		}
		return nil
	}
	calm := w.Chaos(mix)
	if err := w.Run(time.Duration(w.Choose("seconds", 1, 20)) * time.Second); err != nil {
		return err
	}
	calm()
	if err := w.Run(2 * time.Second); err != nil {
		return err
	}
	return c.Settle(time.Minute)
}

// loseDisks has one member after the other go on with an empty disk, when all have what is
// durable, and be removed and added again.
func (c *Cluster) loseDisks() {
	rng := c.world.Rand()
	switch leader := c.leader(); {
	case c.lost != 0:
		c.readmit(leader)
	case leader != nil && !c.stopped && c.complete(leader):
		c.lost = c.all[rng.IntN(len(c.all))]
		c.replaceDisk(c.lost)
	}
	c.world.After(time.Duration(rng.Int64N(int64(time.Second))), c.loseDisks)
}

// complete tells whether all members count and have what is durable, can do without any
// one of them, and have forgotten changes of membership that came to nothing under earlier leaders.
func (c *Cluster) complete(leader *member) bool {
	status := leader.group.Status()
	durable := leader.group.MembersAt(status.Commit)
	if min(len(status.Members.Voters), len(durable.Voters)) < 3 || c.changing > 0 {
		return false
	}
	for _, id := range status.Members.All() {
		m := c.members[id]
		if !m.works() {
			return false
		}
		if s := m.group.Status(); s.OtherFolder || s.Recovering || s.Commit < max(c.durable, leader.barrier) {
			return false
		}
	}
	return true
}

// readmit takes the next step to make the member that has lost its disk one again.
func (c *Cluster) readmit(leader *member) {
	m := c.members[c.lost]
	if leader == nil || !m.works() {
		return
	}
	g, id := leader.group, c.lost
	members := g.Status().Members
	folder, is := members.Folders[id]
	step := g.AddLearner
	switch {
	case is && folder != m.folder:
		step = g.Remove
	case slices.Contains(members.Voters, id):
		if c.complete(leader) {
			c.lost = 0
		}
		return
	case is:
		step = g.Promote
	}
	leader.node.Runtime().Go("readmit", func(ctx context.Context) error {
		ctx, cancel := quorum.WithTimeout(ctx, time.Second)
		defer cancel()
		err := step(ctx, id)
		c.world.Logf("n%d: a step to readmit n%d: %v", leader.node.ID(), id, err)
		return err
	})
}

// change changes who leads and who the members are, again and again.
func (c *Cluster) change() {
	rng := c.world.Rand()
	if leader := c.leader(); leader != nil && !c.stopped && c.lost == 0 {
		g, id := leader.group, c.all[rng.IntN(len(c.all))]
		what := rng.IntN(4)
		// It may begin later, or never if the leader's program ends.
		c.changing++
		over := sync.OnceFunc(func() { c.changing-- })
		leader.node.AtEnd(over)
		leader.node.Runtime().Go("change", func(ctx context.Context) error {
			defer over()
			ctx, cancel := quorum.WithTimeout(ctx, time.Second)
			defer cancel()
			var err error
			switch {
			case what == 0:
				err = g.Transfer(ctx, id)
				c.world.Logf("n%d: leadership to n%d: %v", leader.node.ID(), id, err)
			case what == 1 && len(g.Status().Members.Voters) > 2:
				err = g.Remove(ctx, id)
				c.world.Logf("n%d: without n%d: %v", leader.node.ID(), id, err)
			case what == 2:
				err = g.AddLearner(ctx, id)
				c.world.Logf("n%d: n%d learns: %v", leader.node.ID(), id, err)
			default:
				err = g.Promote(ctx, id)
				c.world.Logf("n%d: n%d votes: %v", leader.node.ID(), id, err)
			}
			return err
		})
	}
	c.world.After(time.Duration(rng.Int64N(int64(2*time.Second))), c.change)
}
