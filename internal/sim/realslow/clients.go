package realslow

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum"
)

const (
	// clientNode is the name of the clients' node.
	clientNode env.NodeID = 100
	// opTimeout is how long a client waits for one request.
	opTimeout = 2 * time.Second
	// outstandingMax bounds the requests of clients that ask at a rate.
	outstandingMax = 4096
)

// clients ask the members of a cluster. Their methods are for tasks of one
// runtime.
type clients struct {
	endpoint *quorum.Endpoint
	members  []env.NodeID
	leaders  []env.NodeID // whom to ask, all of them at once

	over        bool // no more requests
	outstanding int
	number      uint64 // of the last request
	succeeded   int
	failed      int
	latencies   []time.Duration
}

// closed asks without pauses with n requests at a time.
func (c *clients) closed(r *quorum.Runtime, n int) {
	for client := range uint64(n) {
		r.Go("client", func(ctx context.Context) error {
			for ctx.Err() == nil && !c.over {
				c.ask(ctx, client+1, r.Host().Elapsed())
			}
			return ctx.Err()
		})
	}
}

// open asks perSecond times a second, at random times, whether there are answers
// or not. A request takes from when it should have been sent.
func (c *clients) open(r *quorum.Runtime, perSecond float64) {
	host := r.Host()
	r.Go("clients", func(ctx context.Context) error {
		next := host.Elapsed()
		for client := uint64(1); !c.over; client++ {
			u := float64(host.Uint64()>>11) / (1 << 53)
			next += time.Duration(-math.Log(1-u) / perSecond * float64(time.Second))
			if wait := next - host.Elapsed(); wait > 0 {
				if err := quorum.Sleep(ctx, wait); err != nil {
					return err
				}
			}
			if c.outstanding >= outstandingMax {
				c.failed++
				continue
			}
			c.outstanding++
			due := next
			quorum.Go(ctx, "client", func(ctx context.Context) error {
				defer func() { c.outstanding-- }()
				c.ask(ctx, client, due)
				return nil
			})
		}
		return nil
	})
}

// ask makes one request of those who seem to lead. The first that has carried it
// out is enough.
func (c *clients) ask(ctx context.Context, client uint64, due time.Duration) {
	host := quorum.RuntimeOf(ctx).Host()
	c.number++
	req := &do{Command{client, c.number}}
	asked := slices.Clone(c.leaders)
	op, cancel := quorum.WithTimeout(ctx, opTimeout)
	defer cancel()
	votes := doMethod().Broadcast(op, c.endpoint, asked, func(env.NodeID) *do { return req })
	err := votes.Need(1, func(_ env.NodeID, r *done) bool { return r.done }).Wait(op)
	votes.Drop()
	if err == nil {
		c.succeeded++
		c.latencies = append(c.latencies, host.Elapsed()-due)
		return
	}
	c.failed++
	if slices.Equal(asked, c.leaders) {
		c.turn(votes)
	}
	if quorum.Sleep(ctx, time.Millisecond) != nil {
		return // the client ends
	}
}

// turn finds others to ask, in place of those who have failed.
func (c *clients) turn(votes *quorum.Votes[*done]) {
	told := false
	for from, r := range votes.Replies() {
		if r.instead != 0 && !slices.Contains(c.leaders, r.instead) {
			c.leaders[slices.Index(c.leaders, from)] = r.instead
			told = true
		}
	}
	for at, i := slices.Index(c.members, c.leaders[0]), 1; !told && i < len(c.members); i++ {
		if next := c.members[(at+i)%len(c.members)]; !slices.Contains(c.leaders, next) {
			c.leaders = append(c.leaders[1:], next)
			return
		}
	}
}

// watch returns the speed in a time d.
func (c *clients) watch(ctx context.Context, d time.Duration) (sim.Speed, error) {
	host := quorum.RuntimeOf(ctx).Host()
	c.latencies = nil
	began := host.Elapsed()
	if err := quorum.Sleep(ctx, d); err != nil {
		return sim.Speed{}, err
	}
	return sim.NewSpeed(slices.Clone(c.latencies), host.Elapsed()-began), nil
}
