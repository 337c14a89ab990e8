package shardsim

import (
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/hunt"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/quorum"
)

// Scenarios returns what can be run.
func Scenarios() []sim.Scenario {
	return []sim.Scenario{
		{Name: "shard", Doc: "replicas of a shard under a mix of faults that each seed draws; clients' transactions are strictly serializable, replicas agree, nothing released is lost", Run: Faults},
		{Name: "shard-hunt", Doc: "the same with frequent faults, most of them for the leader", Run: Hunt},
	}
}

// Faults is a group under a mix of faults.
func Faults(w *sim.World) error {
	mix := w.DrawFaults()
	mix.Every /= 2 // the runs are short
	return faults(w, mix, nil)
}

// Hunt is Faults with more of what takes a leader away while its rounds are on their
// way. Some seeds go by a plan instead.
func Hunt(w *sim.World) error {
	mix := w.DrawFaults()
	mix.Every = time.Duration(50+w.Draw("every").IntN(250)) * time.Millisecond
	mix.Aim = 0.7
	mix.Isolate, mix.PowerLoss = mix.Isolate+1, mix.PowerLoss+0.5
	mix.Brief = time.Duration(100+w.Draw("brief").IntN(900)) * time.Millisecond
	mix.Link.DelayMean = time.Duration(1+w.Draw("delay").IntN(15)) * time.Millisecond
	plans := append([]hunt.Plan{nil, nil}, hunt.Plans()...)
	plan := plans[w.Choose("plan", 0, len(plans)-1)]
	if plan == nil {
		return faults(w, mix, nil)
	}
	mix.Every *= 20 // other faults would spoil it
	return faults(w, mix, func(c *Cluster) {
		c.hunter(mix.Link.DelayMin + mix.Link.DelayMean).Follow(plan)
	})
}

// faults runs a group under a mix of faults and judges it. prepare, if not nil, is called
// when the group has started.
func faults(w *sim.World, mix sim.Faults, prepare func(*Cluster)) error {
	members := 3 + 2*w.Choose("five members", 0, 1)
	voters := members
	changes := w.Choose("changes", 0, 1) == 1
	if changes && members == 5 {
		voters = 3 // the others join
	}
	o := shard.Options{
		Workers: w.Choose("workers", 1, 3),
		Group: stream.Options{
			ElectionTimeout:   time.Duration(w.Choose("election timeout in ms", 100, 500)) * time.Millisecond,
			PieceBytesMax:     64 << w.Choose("bytes in a piece", 0, 10),
			WindowRequestsMax: w.Choose("requests in a window", 1, 16),
			BacklogBytesMax:   4 << (10 + w.Choose("backlog", 0, 6)),
			TailBytesMax:      1 << (10 + w.Choose("tail", 0, 10)),
		},
		RoundWait:       time.Duration(w.Choose("wait of a round in ms", 1, 10)) * time.Millisecond,
		CheckpointBytes: 1 << (10 + w.Choose("checkpoints are rare", 0, 10)),
		StepBytesMax:    1 << (8 + w.Choose("bytes of a step", 0, 10)),
	}
	if w.Choose("memory durability", 0, 2) == 2 && prepare == nil {
		o.Group.Durability = stream.Memory
	}
	if w.Choose("followers lag", 0, 7) == 7 {
		o.Group.Lag = time.Duration(w.Choose("lag in ms", 1, 20)) * time.Millisecond
	}
	if w.Choose("a preferred leader", 0, 3) == 3 {
		o.Group.Preferred = 1
	}
	c := NewCluster(w, members, voters, o)
	c.SegmentBytes = 32 << 10
	c.Network = quorum.Options{OutboxMessagesMax: 64 << w.Choose("outbox", 0, 4), OutboxBytesMax: 1 << 20}
	c.doubled = mix.Link.Double > 0
	c.keys = w.Choose("keys", 1, 6)
	c.snapshotShare = w.Choose("one in so many reads a snapshot", 3, 8)
	c.amidShare = w.Choose("one in so many amid a gathering", 0, 3)
	if w.Choose("carried out requests are asked again", 0, 3) == 3 {
		c.againShare = w.Choose("one in so many is asked again", 1, 8)
	}
	c.rest = time.Duration(w.Choose("snapshots are held for ms", 0, 200)) * time.Millisecond
	c.Shard.Catalog = w.Choose("tables come and go", 0, 3) == 3
	c.Start()
	if c.Shard.Catalog {
		c.tablesShare = w.Choose("one in so many is about a table that comes and goes", 1, 4)
		if err := c.createTables(); err != nil {
			return err
		}
	}
	c.add(w.Choose("clients", 1, 8), time.Duration(w.Choose("pause in ms", 1, 30))*time.Millisecond, c.all)
	w.Prey = func() *sim.Node {
		if l := c.leader(); l != nil {
			return l.node
		}
		return nil
	}
	if prepare != nil {
		prepare(c)
	}
	if changes {
		c.change()
	}
	if o.Group.Durability == stream.Memory {
		mix = sparing(mix)
		c.forget()
	}
	rarely := func(what string) bool { return w.Choose(what, 0, 7) == 7 && prepare == nil }
	c.damages = damages{disks: rarely("disks are lost"), logs: rarely("logs are damaged"), checkpoints: rarely("checkpoints are damaged")}
	if c.damages.any() {
		c.breakDisks()
	}
	calm := w.Chaos(mix)
	if err := w.Run(time.Duration(w.Choose("seconds", 1, 6)) * time.Second); err != nil {
		return err
	}
	c.spared = true
	calm()
	// A hunter may have stalled a disk for a minute.
	if err := c.Settle(2 * time.Minute); err != nil {
		return err
	}
	return c.Check()
}

// hunter returns one that takes leaders away.
func (c *Cluster) hunter(trip time.Duration) *hunt.Hunter {
	return &hunt.Hunter{
		World: c.world, Members: c.all, Trip: trip, Election: c.Shard.Group.ElectionTimeout, Patience: opTimeout,
		Leader: func() (env.NodeID, uint64) {
			if l := c.leader(); l != nil {
				return l.node.ID(), uint64(l.replica.Group().Status().Epoch)
			}
			return 0, 0
		},
		Voters: func(id env.NodeID) []env.NodeID {
			if m := c.members[id]; m.works() {
				return m.replica.Group().Status().Members.Voters
			}
			return nil
		},
	}
}
