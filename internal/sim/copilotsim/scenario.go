package copilotsim

import (
	"time"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/copilot"
)

// Scenarios returns what can be run.
func Scenarios() []sim.Scenario {
	return []sim.Scenario{
		{Name: "copilot", Doc: "Copilot under a mix of faults that each seed draws; clients' reads and writes are linearizable", Run: Faults},
		{Name: "copilot-hunt", Doc: "Copilot with frequent faults, most of them for its pilots: what is rare in the other shows sooner", Run: Hunt},
	}
}

// Faults is a cluster under a mix of faults.
func Faults(w *sim.World) error {
	return faults(w, w.DrawFaults(), w.Choose("seconds", 1, 20), func(*Cluster, time.Duration) {})
}

// faults runs a cluster under a mix of faults for a time, and judges it. prepare is called
// before the cluster starts, with that time.
func faults(w *sim.World, mix sim.Faults, seconds int, prepare func(c *Cluster, d time.Duration)) error {
	d := time.Duration(seconds) * time.Second
	c := NewCluster(w, 3+2*w.Choose("five members", 0, 1), copilot.Options{
		ElectionTimeout: time.Duration(w.Choose("election timeout in ms", 100, 500)) * time.Millisecond,
		TakeoverTimeout: time.Duration(w.Choose("takeover timeout in ms", 2, 21)) * time.Millisecond,
		PingPong:        time.Duration(w.Choose("ping-pong in us", 1, 4000)) * time.Microsecond,
		BatchBytesMax:   32 << w.Choose("batches", 0, 9),
		EntriesMax:      w.Choose("entries under way", 1, 16),
		SnapshotEntries: 8 << w.Choose("snapshots are rare", 0, 5),
	})
	c.Network = quorum.Options{OutboxMessagesMax: 64 << w.Choose("outbox", 0, 4), OutboxBytesMax: 1 << 20}
	prepare(c, d)
	c.Start()
	c.AddClients(w.Choose("clients", 1, 7), w.Choose("keys", 1, 4), time.Duration(w.Choose("pause in ms", 1, 60))*time.Millisecond)
	w.Prey = c.prey
	calm := w.Chaos(mix)
	if err := w.Run(d); err != nil {
		return err
	}
	calm()
	if err := w.Run(c.rest); err != nil {
		return err
	}
	if err := c.Settle(time.Minute); err != nil {
		return err
	}
	if c.unread != nil {
		return c.unread // nothing has damaged a disk
	}
	return c.Check()
}

// prey returns one of the nodes that are pilots.
func (c *Cluster) prey() *sim.Node {
	if pilots, ok := c.Pilots(); ok {
		return c.members[pilots[c.world.Rand().IntN(len(pilots))]].node
	}
	return nil
}

// blackout takes the power from all members at once, again and again for a time: what
// is left is on their disks.
func (c *Cluster) blackout(d time.Duration) {
	wait := time.Duration(c.world.Rand().Int64N(int64(time.Second)))
	if wait > d {
		return
	}
	c.world.After(wait, func() {
		for _, id := range c.all {
			n := c.world.Node(id)
			if n.Up() {
				n.Crash(true)
			}
			c.world.After(time.Duration(c.world.Rand().IntN(50))*time.Millisecond, func() {
				if !n.Up() {
					n.Start()
				}
			})
		}
		c.blackout(d - wait)
	})
}
