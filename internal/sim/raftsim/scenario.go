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
	}
}

// Faults is a cluster under a mix of faults.
func Faults(w *sim.World) error {
	rng := w.Rand()
	members := []int{3, 3, 3, 5, 5}[rng.IntN(5)]
	voters := members
	changes := rng.IntN(2) == 0
	if changes && members == 5 {
		voters = 3 // the others join
	}
	o := raft.Options{
		ElectionTimeout: time.Duration(100+rng.IntN(400)) * time.Millisecond,
		BatchEntriesMax: 1 + rng.IntN(64),
		SnapshotEntries: 8 << rng.IntN(6),
	}
	c := NewCluster(w, members, voters, o)
	c.Wander = true
	c.Network = quorum.Options{OutboxMessagesMax: 64 << rng.IntN(5), OutboxBytesMax: 1 << 20}
	c.Start()
	c.AddClients(2+rng.IntN(6), 1+rng.IntN(4), time.Duration(1+rng.IntN(60))*time.Millisecond)
	if changes {
		c.change()
	}
	calm := w.Chaos(w.DrawFaults())
	// A request that comes twice may be refused the second time and carried out
	// the first: then the answer says nothing. Between members all has to be able
	// to come twice.
	for _, id := range c.all {
		w.Link(registers.MachinesFrom, id).Double = 0
	}
	if err := w.Run(time.Duration(5+rng.IntN(15)) * time.Second); err != nil {
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
