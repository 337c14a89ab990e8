package raftsim

import (
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/hunt"
	"github.com/godwitdb/godwit/internal/sim/registers"
)

// Hunt is Faults with more of what takes a leader away while its entries are on
// their way: short terms, slow links, small batches. Some seeds go by a plan
// instead: they take each leader away at a moment that chance would hardly find.
func Hunt(w *sim.World) error {
	mix, plan := hunt.Draw(w)
	if plan == nil {
		_, err := faults(w, mix, nil)
		return err
	}
	_, err := faults(w, mix, func(c *Cluster) {
		if w.Draw("one entry in a batch").IntN(2) == 0 {
			c.Raft.BatchEntriesMax = 1
		}
		c.hunter(mix.Link.DelayMin + mix.Link.DelayMean).Follow(plan)
	})
	return err
}

// hunter returns one that takes leaders away.
func (c *Cluster) hunter(trip time.Duration) *hunt.Hunter {
	return &hunt.Hunter{
		World: c.world, Members: c.all, Trip: trip, Election: c.Raft.ElectionTimeout, Patience: registers.OpTimeout,
		Leader: func() (env.NodeID, uint64) {
			if l := c.Leader(); l != nil {
				return l.Status().Leader, l.Status().Term
			}
			return 0, 0
		},
		Voters: func(id env.NodeID) []env.NodeID {
			if m := c.members[id]; m.node.Up() && m.raft != nil {
				return m.raft.Status().Voters
			}
			return nil
		},
	}
}
