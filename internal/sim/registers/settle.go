package registers

import (
	"context"
	"fmt"
	"time"

	"github.com/godwitdb/godwit/quorum"
)

// Agreement is what a cluster is like when nothing goes wrong any more.
type Agreement struct {
	// Propose returns a way to have a command carried out, and where that runs; nil
	// if nobody leads.
	Propose func() (rt *quorum.Runtime, propose func(ctx context.Context, client, seq uint64, command []byte) error)
	// Agreed tells whether all members are where they have to be.
	Agreed func() bool
	// States says where they are.
	States func() string
}

// Settle ends the clients and demands that members agree within a time and are able
// to do something new.
func (c *Clients) Settle(within time.Duration, a Agreement) error {
	c.Stop()
	var done bool
	var asking *quorum.Task
	agreed := func() bool {
		if done || asking != nil && !asking.Decided() {
			return done && a.Agreed()
		}
		if rt, propose := a.Propose(); rt != nil {
			asking = rt.Go("settle", func(ctx context.Context) error {
				ctx, cancel := quorum.WithTimeout(ctx, time.Second)
				defer cancel()
				r := &Request{Client: 1, Seq: uint64(c.world.Now()), Write: true, Key: 1 << 40, Value: 1}
				err := propose(ctx, r.Client, r.Seq, quorum.Encode(nil, r))
				done = done || err == nil
				return err
			})
			rt.Post(func() {}) // have it run
		}
		return false
	}
	if c.world.RunUntil(within, agreed) {
		return nil
	}
	if err := c.world.Failed(); err != nil {
		return err
	}
	return fmt.Errorf("liveness: the members do not agree within %v%s", within, a.States())
}
