package raftsim

import (
	"errors"
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

// The load of MeasureSlow: the leader's processor is what limits it. Below that
// limit a request waits for the quicker of two followers while all are well, and
// for the only one when one is slow, which shows in its latency.
const (
	slowClients = 64
	stepTime    = 5 * time.Microsecond // of the members' processors for each step
)

// errNoLeader: a healthy cluster has none.
var errNoLeader = errors.New("raftsim: no leader")

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
	// A local network. With much more variance the healthy cluster is faster
	// for having the quicker of two followers at each request, which no protocol
	// can give back.
	w.SetLinks(sim.Link{DelayMin: 100 * time.Microsecond, DelayMean: 10 * time.Microsecond})
	c := NewCluster(w, 3, 3, raft.Options{})
	c.Tracer = tracer
	c.Start()
	for _, n := range w.Nodes() {
		n.CPU = stepTime
	}
	if !w.RunUntil(10*time.Second, func() bool { return c.Leader() != nil }) {
		return sim.Speed{}, errNoLeader
	}
	c.AddClients(slowClients, 1000, 0)
	if err := w.Run(100 * time.Millisecond); err != nil {
		return sim.Speed{}, err
	}
	leader := c.Leader()
	if fault.Inflict != nil {
		id := leader.Status().Leader
		nodes := append([]env.NodeID{id}, slices.DeleteFunc(slices.Clone(c.all), func(x env.NodeID) bool { return x == id })...)
		fault.Inflict(w.Node(nodes[node]))
	}
	c.Latencies = nil
	if err := w.Run(d); err != nil {
		return sim.Speed{}, err
	}
	s, ok := c.Speed(d)
	if !ok {
		return s, errNoLeader
	}
	return s, nil
}
