package streamsim

import (
	"time"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/stream"
)

// Forgetful is a group whose members acknowledge what they have received. One at a time
// loses its power, and with it what its slow disk has not written.
func Forgetful(w *sim.World) error {
	c := NewCluster(w, 3, 3, stream.Options{
		Durability:      stream.Memory,
		ElectionTimeout: time.Duration(w.Choose("election timeout in ms", 100, 500)) * time.Millisecond,
	})
	c.Pause = time.Duration(w.Choose("pause in ms", 1, 30)) * time.Millisecond
	c.Start()
	mix := w.DrawFaults()
	mix = sim.Faults{Every: time.Hour, Link: mix.Link, Disk: mix.Disk}
	mix.Disk.CrashChance, mix.Disk.StallChance = 0, 0
	mix.Disk.SyncDelay = time.Duration(5+w.Draw("sync").IntN(200)) * time.Millisecond
	calm := w.Chaos(mix)
	c.forget()
	if err := w.Run(time.Duration(w.Choose("seconds", 1, 20)) * time.Second); err != nil {
		return err
	}
	c.spared = true
	calm()
	if err := w.Run(2 * time.Second); err != nil {
		return err
	}
	return c.Settle(time.Minute)
}

// forget takes a member's power away when all have all that they need.
func (c *Cluster) forget() {
	rng := c.world.Rand()
	if !c.spared && c.whole() {
		n := c.world.Node(c.all[rng.IntN(len(c.all))])
		n.Crash(true)
		c.world.After(time.Duration(rng.ExpFloat64()*float64(20*time.Millisecond)), func() {
			n.Start()
			// It has come back: now another one may be away for a while, with all it has.
			other := c.world.Node(c.all[rng.IntN(len(c.all))])
			if l := c.leader(); l != nil && rng.IntN(2) == 0 {
				other = l.node
			}
			if other != n {
				other.Pause(time.Duration(rng.ExpFloat64() * float64(4*c.Stream.ElectionTimeout)))
			}
		})
	}
	c.world.After(time.Duration(rng.Int64N(int64(time.Second))), c.forget)
}

// whole tells whether all members vote.
func (c *Cluster) whole() bool {
	for _, id := range c.all {
		if m := c.members[id]; !m.works() || m.group.Status().Recovering {
			return false
		}
	}
	return c.leader() != nil
}
