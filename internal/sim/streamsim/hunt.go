package streamsim

import (
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/hunt"
)

// Hunt is Faults with more of what takes a leader away while its rounds are on their
// way: short epochs, slow links, small pieces. Some seeds go by a plan instead.
func Hunt(w *sim.World) error {
	mix, plan := hunt.Draw(w)
	if plan == nil {
		return faults(w, mix, nil)
	}
	return faults(w, mix, func(c *Cluster) {
		if w.Draw("one round in a piece").IntN(2) == 0 {
			c.Stream.PieceBytesMax = 1
		}
		c.hunter(mix.Link.DelayMin + mix.Link.DelayMean).Follow(plan)
	})
}

// hunter returns one that takes leaders away.
func (c *Cluster) hunter(trip time.Duration) *hunt.Hunter {
	return &hunt.Hunter{
		World: c.world, Members: c.all, Trip: trip, Election: c.Stream.ElectionTimeout, Patience: confirmTimeout,
		Leader: func() (env.NodeID, uint64) {
			if l := c.leader(); l != nil {
				return l.node.ID(), uint64(l.group.Status().Epoch)
			}
			return 0, 0
		},
		Voters: func(id env.NodeID) []env.NodeID {
			if m := c.members[id]; m.works() {
				return m.group.Status().Members.Voters
			}
			return nil
		},
	}
}
