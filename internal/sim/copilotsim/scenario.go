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

// Hunt is Faults with more of what takes pilots away while their entries are on their
// way, in shorter runs, and in half of them the power fails everywhere at once.
func Hunt(w *sim.World) error {
	mix := w.DrawFaults()
	mix.Every = time.Duration(30+w.Draw("every").IntN(200)) * time.Millisecond
	mix.Aim = 0.7
	mix.Isolate, mix.PowerLoss = mix.Isolate+1, mix.PowerLoss+1
	mix.Brief = time.Duration(50+w.Draw("brief").IntN(500)) * time.Millisecond
	mix.Link.DelayMean = time.Duration(1+w.Draw("delay").IntN(10)) * time.Millisecond
	mix.Disk.SyncDelay = time.Duration(1+w.Draw("sync").IntN(30)) * time.Millisecond
	return faults(w, mix, w.Choose("seconds", 1, 5), w.Choose("blackouts", 0, 1) == 1)
}

// Faults is a cluster under a mix of faults.
func Faults(w *sim.World) error {
	return faults(w, w.DrawFaults(), w.Choose("seconds", 1, 20), false)
}

// faults runs a cluster under a mix of faults for a time, and judges it.
func faults(w *sim.World, mix sim.Faults, seconds int, blackouts bool) error {
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
	c.Start()
	c.AddClients(w.Choose("clients", 1, 7), w.Choose("keys", 1, 4), time.Duration(w.Choose("pause in ms", 1, 60))*time.Millisecond)
	w.Prey = c.prey
	calm := w.Chaos(mix)
	if blackouts {
		c.blackout(d)
	}
	if err := w.Run(d); err != nil {
		return err
	}
	calm()
	if err := w.Run(2 * time.Second); err != nil {
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
