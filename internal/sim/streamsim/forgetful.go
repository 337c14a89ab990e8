package streamsim

import (
	"time"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/quorum"
)

// Forgetful is a group whose members acknowledge what they have received. One at a time
// loses its power, and with it what its slow disk has not written.
func Forgetful(w *sim.World) error {
	c := NewCluster(w, 3, 3, stream.Options{
		Durability:      stream.Memory,
		ElectionTimeout: time.Duration(w.Choose("election timeout in ms", 100, 500)) * time.Millisecond,
	})
	c.Pause = time.Duration(w.Choose("pause in ms", 1, 30)) * time.Millisecond
	return c.losing(func(d *sim.Disk) { d.SyncDelay = time.Duration(5+w.Draw("sync").IntN(200)) * time.Millisecond })
}

// losing runs the cluster while one member at a time loses its power, and nothing else
// happens to any. slow, if not nil, changes the disks.
func (c *Cluster) losing(slow func(*sim.Disk)) error {
	w := c.world
	c.Start()
	mix := w.DrawFaults()
	mix = sim.Faults{Every: time.Hour, Link: mix.Link, Disk: mix.Disk}
	mix.Disk.CrashChance, mix.Disk.StallChance = 0, 0
	if slow != nil {
		slow(&mix.Disk)
	}
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

// forget takes a member's power away when all have all that they need. Most often it is
// one whose acknowledgement counts, because another one is cut off from the leader, who
// has to pause when that comes back.
func (c *Cluster) forget() {
	rng := c.world.Rand()
	some := func(d time.Duration) time.Duration { return time.Duration(rng.ExpFloat64() * float64(d)) }
	if !c.spared && !c.forgetting && c.whole() {
		c.forgetting = true
		l := c.leader().node
		n := c.world.Node(1 + (l.ID()+quorum.NodeID(rng.IntN(3)))%3)
		other := 6 - l.ID() - n.ID() // the third of three, if n does not lead
		if n != l && c.damages && rng.IntN(2) == 0 {
			c.hurtBesideSlow(l, n, c.world.Node(other))
			c.world.After(5*time.Second, c.forget)
			return
		}
		if n != l {
			c.world.Block(l.ID(), other, true)
		}
		c.world.After(some(c.Stream.ElectionTimeout/4), func() {
			if c.spared || !c.whole() {
				c.forgetting = false
				c.world.Heal()
				return // more than one would be away
			}
			restart := func() {
				c.retiring, c.forgetting = false, false
				n.Crash(true)
				if c.damages {
					c.hurt(n)
				}
				c.world.After(some(20*time.Millisecond), func() {
					n.Start()
					c.world.After(some(20*time.Millisecond), func() {
						c.world.Heal()
						if n != l {
							l.Pause(some(4 * c.Stream.ElectionTimeout))
						}
					})
				})
			}
			if rng.IntN(4) > 0 {
				restart()
				return
			}
			c.retiring = true
			n.Runtime().Go("retire", c.members[n.ID()].group.Retire)
			n.Runtime().Post(func() {})
			c.world.After(some(2*n.Disk.SyncDelay), restart)
		})
	}
	c.world.After(time.Duration(rng.Int64N(int64(time.Second))), c.forget)
}

// whole tells whether all members vote, and if their logs are damaged, whether a majority of them
// elects a leader: before it is durable which folders count, all have to.
func (c *Cluster) whole() bool {
	for _, id := range c.all {
		if m := c.members[id]; !m.works() || m.group.Status().Recovering || m.group.Status().Damaged != nil {
			return false
		}
	}
	l := c.leader()
	if l == nil || c.retiring {
		return false
	}
	return !c.damages || len(l.group.MembersAt(l.group.Status().Commit).Folders) > 0
}
