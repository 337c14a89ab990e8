package registers

import (
	"errors"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
)

// Cluster is the one that Clients ask.
type Cluster interface {
	// Start starts the members.
	Start()
	// AddClients adds clients that ask without an end, with a pause on average.
	AddClients(clients, keys int, pause time.Duration)
	// Ranks returns the members, those that lead first; ok is false if not all do
	// that should.
	Ranks() (members []env.NodeID, ok bool)
}

// stepTime is what each step takes of a member's processor in MeasureSlow: the processor
// of who leads should be what limits it. Below that limit a request waits for the quicker
// of two followers while all are well, and for the only one when one is slow, which shows
// in its latency.
const stepTime = 5 * time.Microsecond

// errNoLeader: a healthy cluster has one.
var errNoLeader = errors.New("registers: nobody leads")

// MeasureSlow starts a cluster and returns its speed for a time in which one member
// has a fault; a fault without Inflict is none. Members are counted from 0, those
// that lead first.
func (c *Clients) MeasureSlow(cluster Cluster, clients int, fault sim.SlowFault, member int, d time.Duration) (sim.Speed, error) {
	w := c.world
	// A local network. With much more variance the healthy cluster is faster for
	// having the quicker of two followers at each request, which no protocol can
	// give back.
	w.SetLinks(sim.Link{DelayMin: 100 * time.Microsecond, DelayMean: 10 * time.Microsecond})
	cluster.Start()
	for _, n := range w.Nodes() {
		n.CPU = stepTime
	}
	if !w.RunUntil(10*time.Second, func() bool { _, ok := cluster.Ranks(); return ok }) {
		return sim.Speed{}, errNoLeader
	}
	cluster.AddClients(clients, 1000, 0)
	if err := w.Run(100 * time.Millisecond); err != nil {
		return sim.Speed{}, err
	}
	members, ok := cluster.Ranks()
	if !ok {
		return sim.Speed{}, errNoLeader
	}
	if fault.Inflict != nil {
		fault.Inflict(w.Node(members[member]))
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
