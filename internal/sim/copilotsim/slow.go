package copilotsim

import (
	"errors"
	"time"

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

// The load of MeasureSlow: the pilots' processors are what limits it, as the leader's
// is in raftsim.MeasureSlow. A pilot does as much for a command as that does, but has
// to wait for the other one's turn, so that it takes more clients.
const (
	slowClients = 256
	stepTime    = 5 * time.Microsecond // of the members' processors for each step
)

// errNoPilots: a healthy cluster has none.
var errNoPilots = errors.New("copilotsim: no pilots")

// MeasureSlow returns the speed of three members for a time, one of which has a
// fault from the beginning; a fault without Inflict is none. Nodes 0 and 1 are the
// pilots, 2 is the third. tracer sees the members' waits.
func MeasureSlow(seed uint64, fault sim.SlowFault, node int, d time.Duration, tracer quorum.Tracer) (sim.Speed, error) {
	w := sim.New(seed, nil)
	defer w.Close()
	w.SetLinks(sim.Link{DelayMin: 100 * time.Microsecond, DelayMean: 10 * time.Microsecond})
	c := NewCluster(w, 3, copilot.Options{})
	c.Tracer = tracer
	c.Start()
	for _, n := range w.Nodes() {
		n.CPU = stepTime
	}
	ready := func() bool { _, ok := c.Pilots(); return ok }
	if !w.RunUntil(10*time.Second, ready) {
		return sim.Speed{}, errNoPilots
	}
	c.AddClients(slowClients, 1000, 0)
	if err := w.Run(100 * time.Millisecond); err != nil {
		return sim.Speed{}, err
	}
	pilots, ok := c.Pilots()
	if !ok {
		return sim.Speed{}, errNoPilots
	}
	if fault.Inflict != nil {
		nodes := append(pilots[:], c.others(pilots)...)
		fault.Inflict(w.Node(nodes[node]))
	}
	c.Latencies = nil
	if err := w.Run(d); err != nil {
		return sim.Speed{}, err
	}
	s, ok := c.Speed(d)
	if !ok {
		return s, errNoPilots
	}
	return s, nil
}
