package realslow

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
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
	leaders  []env.NodeID // whom to ask, all of them at once; replaced, never changed

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
	asked := c.leaders
	op, cancel := quorum.WithTimeout(ctx, opTimeout)
	defer cancel()
	votes := doMethod().Broadcast(op, c.endpoint, asked, func(env.NodeID) *do { return req })
	err := votes.Need(1, func(_ env.NodeID, r *done) bool { return r.done }).Wait(op)
	votes.Drop()
	told := false
	for _, r := range votes.Replies() {
		if (r.done || err != nil) && len(r.leaders) == len(c.leaders) {
			c.leaders, told = r.leaders, true
		}
	}
	if err == nil {
		c.succeeded++
		c.latencies = append(c.latencies, host.Elapsed()-due)
		return
	}
	c.failed++
	if !told && slices.Equal(asked, c.leaders) {
		c.turn()
	}
	if quorum.Sleep(ctx, time.Millisecond) != nil {
		return // the client ends
	}
}

// turn puts another member in the place of the first that was asked.
func (c *clients) turn() {
	for at, i := slices.Index(c.members, c.leaders[0]), 1; i < len(c.members); i++ {
		if next := c.members[(at+i)%len(c.members)]; !slices.Contains(c.leaders, next) {
			c.leaders = append(slices.Clone(c.leaders[1:]), next)
			return
		}
	}
}

// window returns the latencies of what was carried out in a time d, how long that
// really took, and how many requests failed.
func (c *clients) window(ctx context.Context, d time.Duration) (latencies []time.Duration, took time.Duration, failed int, err error) {
	host := quorum.RuntimeOf(ctx).Host()
	c.latencies = make([]time.Duration, 0, 2*len(c.latencies))
	began, before := host.Elapsed(), c.failed
	err = quorum.Sleep(ctx, d)
	return slices.Clone(c.latencies), host.Elapsed() - began, c.failed - before, err
}
