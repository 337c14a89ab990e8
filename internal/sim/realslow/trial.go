package realslow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime/debug"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum"
)

// Trial says how a protocol is measured.
type Trial struct {
	Protocol Protocol
	// Command returns the command of a member's process, which calls Serve on its
	// standard input and output.
	Command func(ctx context.Context) *exec.Cmd
	Dir     string // the members' folders are made in it
	// Member is how slow each member is when all is well.
	Member Slowness
	// Network are the bounds of the members' endpoints.
	Network quorum.Options
	// SnapshotEntries is how long a member's log gets. The default is so many that
	// a measurement of some seconds has no snapshot in it, which would be in one
	// half of a pair and not in the other.
	SnapshotEntries int
	// Clients is how many requests are made at a time, without pauses. With Rate
	// there are so many requests a second instead.
	Clients int
	Rate    float64
	// WarmUp is how long the cluster runs before it is measured.
	WarmUp time.Duration
	// Window is how long each half of a pair is.
	Window time.Duration
	// Settle is how long nothing is measured after a fault of a member that does
	// not lead has begun, and after any has ended and its member has caught up.
	Settle time.Duration
	// Ballast makes one more process use as much of a processor, while a member has
	// a fault, as that member has used before, and the member run only while nobody
	// else wants the processor, which takes Linux and the right to end that again. So
	// what a slow member leaves free does not make the others faster, and its work
	// does not make them slower, in bursts as long as what has piled up: neither would
	// on machines of their own.
	Ballast bool
}

// Case is a member that is slow in a way.
type Case struct {
	Fault  Fault
	Victim int // which member: the leaders come first
}

// Pair is what clients got without a fault, and with one. The half without is a
// quarter before and a quarter after the other, so that a machine that gets slower
// or quicker all the time makes no difference between the halves.
type Pair struct {
	Healthy, Faulty Part
}

// Part is one half of a Pair.
type Part struct {
	sim.Speed
	Failed int // requests
	// Processors is how much the measurement has used of the machine's
	// processors, and Leader how much of one the first leader has used.
	Processors, Leader float64
}

func (p Part) String() string {
	return fmt.Sprintf("%v, %.0f %% of the machine, leader %.2f, %d failed", p.Speed, 100*p.Processors, p.Leader, p.Failed)
}

// Run makes a cluster of three members and measures a Pair of each case on it, one
// after the other.
func (t Trial) Run(ctx context.Context, cases []Case) ([]Pair, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of the processes that are left, if any
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	c, err := t.start(ctx)
	if err != nil {
		return nil, err
	}
	defer c.end()
	if _, err := c.window(ctx, t.WarmUp); err != nil {
		return nil, err
	}
	var pairs []Pair
	for _, k := range cases {
		p, err := c.pair(ctx, k)
		if err != nil {
			return nil, fmt.Errorf("realslow: %s of member %d: %w", k.Fault.Name, k.Victim, err)
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

// pair measures a case.
func (c *cluster) pair(ctx context.Context, k Case) (p Pair, err error) {
	before, err := c.window(ctx, c.trial.Window/2)
	if err != nil {
		return p, err
	}
	victim, err := c.victim(ctx, k.Victim)
	if err != nil {
		return p, err
	}
	faulty, err := c.faulty(ctx, k, victim, before.used[victim])
	if err != nil {
		return p, err
	}
	if err := c.recovered(ctx, victim); err != nil {
		return p, err
	}
	after, err := c.window(ctx, c.trial.Window/2)
	return Pair{part(before, after), part(faulty)}, err
}

// faulty measures the half with the fault, and ends that. share is what the victim
// uses of a processor when it is well.
func (c *cluster) faulty(ctx context.Context, k Case, victim env.NodeID, share float64) (w window, err error) {
	if k.Fault.Name != NoFault().Name {
		if err := cmp.Or(c.burn(share), c.yield(victim, true)); err != nil {
			return w, err
		}
	}
	if err := k.Fault.inflict(ctx, c, victim); err != nil {
		return w, err
	}
	c.victimized = victim
	if k.Victim >= c.trial.Protocol.Leaders { // what it takes to replace a leader counts
		if err := c.wait(ctx, c.trial.Settle); err != nil {
			return w, err
		}
	}
	if w, err = c.window(ctx, c.trial.Window); err != nil {
		return w, err
	}
	c.victimized = 0
	return w, cmp.Or(k.Fault.relieve(ctx, c, victim), c.yield(victim, false), c.burn(0))
}

// recovered waits until a member that had a fault is where the others are, clients
// get answers, and for a while more.
func (c *cluster) recovered(ctx context.Context, victim env.NodeID) error {
	before, err := c.succeeded(ctx)
	if err != nil {
		return err
	}
	for began := time.Now(); ; {
		var others uint64
		for id, p := range c.processes {
			if id == victim {
				continue
			}
			r, err := p.ask(order{})
			if err != nil {
				return err
			}
			others = max(others, r.State.Applied)
		}
		r, err := c.processes[victim].ask(order{})
		if err != nil {
			return err
		}
		now, err := c.succeeded(ctx)
		if err != nil {
			return err
		}
		if r.State.Applied >= others && now > before {
			return c.wait(ctx, c.trial.Settle)
		}
		if time.Since(began) > readyTimeout {
			return errors.New("it has not caught up")
		}
		if err := c.wait(ctx, lookEvery/10); err != nil {
			return err
		}
	}
}

// victim returns the member that is to have the fault.
func (c *cluster) victim(ctx context.Context, which int) (env.NodeID, error) {
	var order []env.NodeID
	err := c.runtime.Run(ctx, "victim", func(context.Context) error {
		order = slices.Clone(c.clients.leaders)
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, id := range c.clients.members {
		if !slices.Contains(order, id) {
			order = append(order, id)
		}
	}
	if which >= len(order) {
		return 0, errors.New("no such member")
	}
	return order[which], nil
}
