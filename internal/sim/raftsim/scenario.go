package raftsim

import (
	"context"
	"time"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/registers"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/raft"
)

// Scenarios returns what can be run.
func Scenarios() []sim.Scenario {
	return []sim.Scenario{
		{Name: "raft", Doc: "Raft under a mix of faults that each seed draws; clients' reads and writes are linearizable", Run: Faults},
		{Name: "raft-hunt", Doc: "Raft with frequent faults, most of them for its leader: what is rare in the other shows sooner", Run: Hunt},
	}
}

// Faults is a cluster under a mix of faults.
func Faults(w *sim.World) error {
	_, err := faults(w, w.DrawFaults(), nil)
	return err
}

// faults runs a cluster under a mix of faults and judges it. prepare, if not nil, is
// called before the cluster starts.
func faults(w *sim.World, mix sim.Faults, prepare func(*Cluster)) (*Cluster, error) {
	members := 3 + 2*w.Choose("five members", 0, 1)
	voters := members
	changes := w.Choose("changes", 0, 1) == 1
	if changes && members == 5 {
		voters = 3 // the others join
	}
	o := raft.Options{
		ElectionTimeout: time.Duration(w.Choose("election timeout in ms", 100, 500)) * time.Millisecond,
		BatchEntriesMax: w.Choose("entries in a batch", 1, 64),
		SnapshotEntries: 8 << w.Choose("snapshots are rare", 0, 5),
	}
	c := NewCluster(w, members, voters, o)
	c.Wander = true
	c.Network = quorum.Options{OutboxMessagesMax: 64 << w.Choose("outbox", 0, 4), OutboxBytesMax: 1 << 20}
	if prepare != nil {
		prepare(c)
	}
	c.Start()
	c.AddClients(w.Choose("clients", 1, 7), w.Choose("keys", 1, 4), time.Duration(w.Choose("pause in ms", 1, 60))*time.Millisecond)
	if changes {
		c.change()
	} else {
		// A damaged disk is lost. A minority may be, as long as nobody else leaves.
		c.expose(w.Choose("exposed disks", 0, (members-1)/2))
	}
	w.Prey = c.prey
	calm := w.Chaos(mix)
	// A request that comes twice may be refused the second time and carried out
	// the first: then the answer says nothing. Between members all has to be able
	// to come twice.
	for _, id := range c.all {
		w.Link(registers.MachinesFrom, id).Double = 0
	}
	if err := w.Run(time.Duration(w.Choose("seconds", 1, 20)) * time.Second); err != nil {
		return c, err
	}
	calm()
	if err := w.Run(2 * time.Second); err != nil {
		return c, err
	}
	if err := c.Settle(time.Minute); err != nil {
		return c, err
	}
	return c, c.Check()
}

// prey returns the node that leads.
func (c *Cluster) prey() *sim.Node {
	if leader := c.Leader(); leader != nil {
		return c.members[leader.Status().Leader].node
	}
	return nil
}

// change changes who leads and who votes, again and again.
func (c *Cluster) change() {
	rng := c.world.Rand()
	if leader := c.Leader(); leader != nil && !c.Stopped() {
		m := c.members[leader.Status().Leader]
		id := c.all[rng.IntN(len(c.all))]
		what := rng.IntN(3)
		m.node.Runtime().Go("change", func(ctx context.Context) error {
			ctx, cancel := quorum.WithTimeout(ctx, time.Second)
			defer cancel()
			var err error
			switch {
			case what == 0:
				err = leader.Transfer(ctx, id)
				c.world.Logf("n%d: leadership to n%d: %v", m.node.ID(), id, err)
			case what == 1 && len(leader.Status().Voters) > 2:
				err = leader.Remove(ctx, id)
				c.world.Logf("n%d: without n%d: %v", m.node.ID(), id, err)
			default:
				err = leader.Add(ctx, id)
				c.world.Logf("n%d: with n%d: %v", m.node.ID(), id, err)
			}
			return err
		})
	}
	c.world.After(time.Duration(rng.Int64N(int64(2*time.Second))), c.change)
}
