package raftsim

import (
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/raft"
)

// Excuses are the waits for their own disk that members may do without a limit.
func Excuses() []quorum.Excuse {
	return []quorum.Excuse{
		{Task: "main", What: "journal load", Reason: "a node is nobody before it has read its disk"},
		{Task: "raft disk", What: "journal write", Reason: "it is the task that writes; the others wait for a majority"},
		{Task: "raft own disk", What: "journal durable", Reason: "it casts the own disk's vote"},
	}
}

// slowClients are those of MeasureSlow: as many as keep the leader's processor busy.
const slowClients = 64

// MeasureSlow returns the speed of three members for a time, one of which, not
// the leader, has a fault from the beginning; a fault without Inflict is none.
// tracer sees the members' waits.
func MeasureSlow(seed uint64, fault sim.SlowFault, d time.Duration, tracer quorum.Tracer) (sim.Speed, error) {
	return MeasureSlowNode(seed, fault, 1, d, tracer)
}

// MeasureSlowNode is MeasureSlow with the fault at a node: 0 is the leader, 1 and
// 2 are the followers.
func MeasureSlowNode(seed uint64, fault sim.SlowFault, node int, d time.Duration, tracer quorum.Tracer) (sim.Speed, error) {
	w := sim.New(seed, nil)
	defer w.Close()
	c := NewCluster(w, 3, 3, raft.Options{})
	c.Tracer = tracer
	return c.MeasureSlow(c, slowClients, fault, node, d)
}

// Ranks returns the members, the leader first, if there is one.
func (c *Cluster) Ranks() (members []env.NodeID, ok bool) {
	leader := c.Leader()
	if leader == nil {
		return nil, false
	}
	id := leader.Status().Leader
	return append([]env.NodeID{id}, slices.DeleteFunc(slices.Clone(c.all), func(x env.NodeID) bool { return x == id })...), true
}
