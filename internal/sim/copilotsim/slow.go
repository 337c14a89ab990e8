package copilotsim

import (
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/copilot"
)

// Excuses are the waits for their own disk that members may do without a limit.
func Excuses() []quorum.Excuse {
	return []quorum.Excuse{
		{Task: "main", What: "journal load", Reason: "a node is nobody before it has read its disk"},
		{Task: "copilot disk", What: "journal write", Reason: "it is the task that writes; the others wait for a majority"},
		{Task: "copilot begin", What: "journal durable", Reason: "a node is no pilot before its disk knows that it is; the other pilot goes on"},
		{Task: "copilot own disk", What: "journal durable", Reason: "it casts the own disk's vote"},
	}
}

// slowClients are those of MeasureSlow: as many as keep the pilots' processors busy. A
// pilot does as much for a command as a leader of raftsim does, but has to wait for the
// other one's turn, so that it takes more clients.
const slowClients = 256

// MeasureSlow returns the speed of three members for a time, one of which has a
// fault from the beginning; a fault without Inflict is none. Nodes 0 and 1 are the
// pilots, 2 is the third. tracer sees the members' waits.
func MeasureSlow(seed uint64, fault sim.SlowFault, node int, d time.Duration, tracer quorum.Tracer) (sim.Speed, error) {
	w := sim.New(seed, nil)
	defer w.Close()
	c := NewCluster(w, 3, copilot.Options{})
	c.Tracer = tracer
	return c.MeasureSlow(c, slowClients, fault, node, d)
}

// Ranks returns the members, the pilots first, if both know that they are.
func (c *Cluster) Ranks() (members []env.NodeID, ok bool) {
	pilots, ok := c.Pilots()
	return append(pilots[:], c.others(pilots)...), ok
}
