package shardsim

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/rot"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// dir is a replica's folder.
const dir = "replica"

// The ways in which disks fail.
type damages struct{ disks, logs, checkpoints bool }

func (d damages) any() bool { return d.disks || d.logs || d.checkpoints }

// broken is a member whose disk has failed, until it has again what the others have. There is
// one at a time.
type broken struct {
	id     env.NodeID
	member *member         // that does not know yet, while it runs
	commit wal.RoundNumber // what was durable then
	lost   bool            // the disk was replaced by an empty one
	rots   bool            // in a checkpoint
	refill bool            // which it gives up
}

// breakDisks has one member's disk fail after the other's, when the others can do without it,
// and does what an operator does then.
func (c *Cluster) breakDisks() {
	rng := c.world.Rand()
	switch leader := c.leader(); {
	case leader == nil:
	case c.broken != nil:
		c.repair(leader)
	case !c.spared && c.complete(leader):
		c.breakDisk(leader)
	}
	c.world.After(time.Duration(rng.Int64N(int64(500*time.Millisecond))), c.breakDisks)
}

// complete tells whether all members count, have all that they need, and can do without any
// one of them.
func (c *Cluster) complete(leader *member) bool {
	g := leader.replica.Group()
	status := g.Status()
	durable := g.MembersAt(status.Commit)
	if _, err := leader.replica.Leading(); err != nil || !c.whole() || c.changing > 0 {
		return false
	}
	return min(len(status.Members.Voters), len(durable.Voters)) >= 3 && len(durable.Folders) > 0
}

// breakDisk breaks a member's disk.
func (c *Cluster) breakDisk(leader *member) {
	rng, all := c.world.Rand(), c.ranks()
	m := c.members[all[rng.IntN(len(all))]]
	n := m.node
	b := &broken{id: n.ID(), member: m, commit: leader.replica.Group().Status().Commit}
	runs := rng.IntN(2) == 0 // and finds out later
	var kinds []func() bool
	if c.damages.disks {
		kinds = append(kinds, func() bool {
			n.Crash(true)
			n.ReplaceDisk()
			b.lost = true
			return true
		})
	}
	if c.damages.logs {
		kinds = append(kinds, func() bool {
			if !runs {
				n.Crash(true)
			}
			return rot.Log(n, filepath.Join(dir, folder.Log), c.SegmentBytes)
		})
	}
	if c.damages.checkpoints {
		kinds = append(kinds, func() bool {
			if !runs {
				n.Crash(true)
			}
			b.rots = rot.Checkpoint(n, filepath.Join(dir, folder.Checkpoint))
			return b.rots
		})
	}
	if kinds[rng.IntN(len(kinds))]() {
		c.broken = b
		c.breaks++
	}
	n.Start()
}

// refills tells whether a node gives up a checkpoint that is damaged.
func (c *Cluster) refills(n *sim.Node) bool {
	return c.broken != nil && c.broken.id == n.ID() && c.broken.refill
}

// repair takes the next step to make a member whole whose disk has failed.
func (c *Cluster) repair(leader *member) {
	b := c.broken
	m := c.members[b.id]
	switch {
	case !m.works():
	case m == b.member: // it is restarted, and finds out
		m.node.Crash(c.world.Rand().IntN(2) == 0)
		m.node.Start()
	case b.lost && c.readmit(leader, m):
	case m.replica.Group().Status().Commit >= b.commit && c.complete(leader):
		c.world.Logf("n%d: whole again", b.id)
		c.broken = nil
	}
}

// readmit takes the next step to make a member with an empty disk a voter again, which it is not
// yet.
func (c *Cluster) readmit(leader, m *member) bool {
	g, id := leader.replica.Group(), m.node.ID()
	members := g.Status().Members
	step := g.AddLearner
	switch is := slices.Contains(members.All(), id); {
	case is && m.replica.Group().Status().OtherFolder:
		step = g.Remove
	case slices.Contains(members.Voters, id):
		return false
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
	return true
}
