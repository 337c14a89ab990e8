package realslow

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum"
)

// Paused is what a member that was stopped by a signal for a time has cost its
// leader, and its clients.
type Paused struct {
	Healthy, Faulty sim.Speed
	Failed          int // requests, while it was stopped
	HeapBytes       uint64
	OutboxBytes     int // most that any of the leader's outboxes held
	Entries         int // most that the leader held in memory
	// CatchUp is how long the member took, once it went on and no more requests
	// came, to be where the leader was.
	CatchUp time.Duration
}

func (p Paused) String() string {
	return fmt.Sprintf("before: %v; while it was stopped: %v, longest %v, %d failed\n"+
		"the leader: %d entries, %d bytes in an outbox, %d bytes of heap at most; caught up in %v",
		p.Healthy, p.Faulty, p.Faulty.Max.Round(time.Microsecond), p.Failed, p.Entries, p.OutboxBytes, p.HeapBytes, p.CatchUp.Round(time.Millisecond))
}

// lookEvery is how often the leader is looked at.
const lookEvery = 100 * time.Millisecond

// Pause stops the first member that does not lead for a time and lets it go on.
func (t Trial) Pause(ctx context.Context, d time.Duration) (Paused, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := t.start(ctx)
	if err != nil {
		return Paused{}, err
	}
	defer c.end()
	var p Paused
	healthy, err := c.window(ctx, t.Window)
	if err != nil {
		return p, err
	}
	p.Healthy = speed(healthy)
	id, err := c.victim(ctx, t.Protocol.Leaders)
	if err != nil {
		return p, err
	}
	victim := c.processes[id]
	if err := pause(victim.cmd.Process); err != nil {
		return p, err
	}
	leader, err := c.watchLeader(ctx, d, &p)
	if err != nil {
		return p, err
	}
	if err := resume(victim.cmd.Process); err != nil {
		return p, err
	}
	began := time.Now()
	if err := c.runtime.Run(ctx, "end of load", func(context.Context) error { c.clients.over = true; return nil }); err != nil {
		return p, err
	}
	for ctx.Err() == nil {
		want, err := leader.ask(order{})
		if err != nil {
			return p, err
		}
		got, err := victim.ask(order{})
		if err != nil {
			return p, err
		}
		if p.CatchUp = time.Since(began); got.State == want.State {
			return p, nil
		}
		if p.CatchUp > readyTimeout {
			return p, fmt.Errorf("realslow: member %d has not caught up in %v", victim.id, readyTimeout)
		}
		time.Sleep(lookEvery / 10)
	}
	return p, ctx.Err()
}

// watchLeader looks at the leader for a time, and returns it.
func (c *cluster) watchLeader(ctx context.Context, d time.Duration, p *Paused) (leader *process, err error) {
	failed, host := 0, c.runtime.Host()
	began := host.Elapsed()
	err = c.runtime.Run(ctx, "begin", func(context.Context) error {
		c.clients.latencies, failed = nil, c.clients.failed
		return nil
	})
	for err == nil && host.Elapsed()-began < d {
		var id env.NodeID
		err = c.runtime.Run(ctx, "wait", func(ctx context.Context) error {
			id = c.clients.leaders[0]
			return quorum.Sleep(ctx, lookEvery)
		})
		if err != nil {
			break
		}
		leader = c.processes[id]
		var r report
		r, err = leader.ask(order{})
		p.Entries = max(p.Entries, r.State.Entries)
		p.OutboxBytes = max(p.OutboxBytes, r.Network.OutboxBytesPeak)
		p.HeapBytes = max(p.HeapBytes, r.HeapBytes)
	}
	if err != nil {
		return nil, err
	}
	return leader, c.runtime.Run(ctx, "end", func(context.Context) error {
		p.Failed = c.clients.failed - failed
		p.Faulty = sim.NewSpeed(slices.Clone(c.clients.latencies), host.Elapsed()-began)
		return nil
	})
}
