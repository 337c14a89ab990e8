package shardsim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/quorum"
)

// change changes who leads and who the members are, again and again.
func (c *Cluster) change() {
	rng := c.world.Rand()
	if leader := c.leader(); leader != nil && !c.stopped && c.broken == nil {
		g, id := leader.replica.Group(), c.all[rng.IntN(len(c.all))]
		what := rng.IntN(5)
		leader.node.Runtime().Go("change", func(ctx context.Context) error {
			if c.broken != nil {
				return nil // since a moment ago
			}
			c.changing++
			defer func() { c.changing-- }()
			ctx, cancel := quorum.WithTimeout(ctx, time.Second)
			defer cancel()
			var err error
			spare := len(g.Status().Members.Voters) - c.votersMin()
			switch {
			case what == 0:
				err = g.Transfer(ctx, id)
				c.world.Logf("n%d: leadership to n%d: %v", leader.node.ID(), id, err)
			case what == 1 && spare > 0:
				err = g.Remove(ctx, id)
				c.world.Logf("n%d: without n%d: %v", leader.node.ID(), id, err)
			case what == 2 && spare >= 0:
				err = c.replace(ctx, leader, id)
				c.world.Logf("n%d: n%d replaced: %v", leader.node.ID(), id, err)
			case what == 3:
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

// replace has somebody who is no member take a member's place.
func (c *Cluster) replace(ctx context.Context, leader *member, id env.NodeID) error {
	g := leader.replica.Group()
	all := g.Status().Members.All()
	i := slices.IndexFunc(c.all, func(x env.NodeID) bool { return !slices.Contains(all, x) && c.members[x].works() })
	if i < 0 || !slices.Contains(all, id) {
		return quorum.ErrUnknownNode
	}
	if err := g.AddLearner(ctx, c.all[i]); err != nil {
		return err
	}
	for {
		err := g.Promote(ctx, c.all[i])
		if err == nil {
			return g.Remove(ctx, id)
		}
		if !errors.Is(err, stream.ErrBusy) {
			return err
		}
		if err := quorum.Sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// votersMin is how many voters there are at least: so many that the group outlives what
// befalls one of them, if that cannot be mended.
func (c *Cluster) votersMin() int {
	if c.Shard.Group.Durability == stream.Memory {
		return 3
	}
	return 2
}

// sparing is a mix of faults without those that take from a member what it has in memory.
func sparing(mix sim.Faults) sim.Faults {
	mix.Crash, mix.PowerLoss, mix.FailSync, mix.FullDisk, mix.Rot, mix.Misdirect = 0, 0, 0, 0, 0, 0
	mix.Disk.CrashChance = 0
	return mix
}

// forget takes from one member what it has in memory and not on its disk, when all have all
// that they need; some write it all down before.
func (c *Cluster) forget() {
	rng := c.world.Rand()
	some := func(d time.Duration) time.Duration { return time.Duration(rng.ExpFloat64() * float64(d)) }
	if !c.spared && c.broken == nil && c.whole() {
		ranks := c.ranks()
		m := c.members[ranks[rng.IntN(len(ranks))]]
		restart := func() {
			c.retiring = false
			m.node.Crash(rng.IntN(2) == 0)
			c.world.After(some(20*time.Millisecond), m.node.Start)
		}
		if rng.IntN(4) > 0 {
			restart()
		} else {
			c.retiring = true
			m.node.Runtime().Go("retire", m.replica.Group().Retire)
			m.node.Runtime().Post(func() {})
			c.world.After(some(20*time.Millisecond), restart)
		}
	}
	c.world.After(some(500*time.Millisecond), c.forget)
}

// whole tells whether all members vote, and have all of their logs: also those of the
// membership that is durable, which elects if the leader dies before it has changed it.
func (c *Cluster) whole() bool {
	l := c.leader()
	if l == nil || c.retiring {
		return false
	}
	g := l.replica.Group()
	epoch := g.Status().Epoch // one that was deposed does not know who the members are
	durable := g.MembersAt(g.Status().Commit)
	for _, id := range slices.Concat(c.ranks(), durable.All()) {
		m := c.members[id]
		if !m.works() {
			return false
		}
		if s := m.replica.Group().Status(); s.Epoch != epoch || s.Recovering || s.OtherFolder || s.Damaged != nil {
			return false
		}
	}
	return true
}
