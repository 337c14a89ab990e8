package realslow

import (
	"context"
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

// Fault makes a member slow, and lets it be quick again.
type Fault struct {
	Name             string
	inflict, relieve func(ctx context.Context, c *cluster, id env.NodeID) error
}

// slower is what a slow processor has of a healthy one's share.
const slower = 0.05

// NoFault tells how much of a difference is none.
func NoFault() Fault {
	none := func(context.Context, *cluster, env.NodeID) error { return nil }
	return Fault{"none", none, none}
}

// Faults returns the ways in which a member is slow, the same as in simulation.
func Faults() []Fault {
	slow := func(name string, change func(*Slowness)) Fault {
		order := func(change func(*Slowness)) func(context.Context, *cluster, env.NodeID) error {
			return func(_ context.Context, c *cluster, id env.NodeID) error {
				s := c.trial.Member
				change(&s)
				_, err := c.processes[id].ask(order{Slow: &s})
				return err
			}
		}
		return Fault{name, order(change), order(func(*Slowness) {})}
	}
	return []Fault{
		slow("slow CPU", func(s *Slowness) {
			if s.Share == 0 {
				s.Share = 1
			}
			s.Share *= slower
		}),
		slow("slow disk", func(s *Slowness) { s.Sync += 100 * time.Millisecond }),
		slow("slow link", func(s *Slowness) { s.Link += 50 * time.Millisecond }),
		{"paused",
			func(_ context.Context, c *cluster, id env.NodeID) error { return pause(c.processes[id].cmd.Process) },
			func(_ context.Context, c *cluster, id env.NodeID) error { return resume(c.processes[id].cmd.Process) }},
		{"stopped",
			func(_ context.Context, c *cluster, id env.NodeID) error { c.processes[id].kill(); return nil },
			func(ctx context.Context, c *cluster, id env.NodeID) error { return c.restart(ctx, id) }},
	}
}
