package registers

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/history"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum"
)

// MachinesFrom is the first name of a client's machine.
const MachinesFrom = 100

// OpTimeout is how long a client waits for one request.
const OpTimeout = 2 * time.Second

// Clients are those of a cluster, and what they saw.
type Clients struct {
	world   *sim.World
	history history.History
	// underWay is what each client has asked for and not heard of yet.
	underWay map[history.ClientID]*request
	// Latencies are those of successful requests.
	Latencies []time.Duration
	stopped   bool
}

// request is one of a client, and what is noted of it.
type request struct {
	*Request
	txn history.Txn
}

// NewClients returns the clients of a cluster; as yet there are none.
func NewClients(w *sim.World) *Clients {
	return &Clients{world: w, underWay: map[history.ClientID]*request{}}
}

// Ask sends one request to the cluster, under a deadline of OpTimeout. An error, or a
// Response that is not Done, is a request that may have been carried out, unless
// definite says that it was not and will not be.
type Ask func(ctx context.Context, e *quorum.Endpoint, r *Request) (resp *Response, definite bool, err error)

// Add adds a machine with clients that read and write registers until Stop. Each
// has its own Ask, and waits for a while of pause on average between two requests.
func (c *Clients) Add(clients, keys int, pause time.Duration, ask func() Ask) {
	id := env.NodeID(MachinesFrom)
	for c.world.Node(id) != nil {
		id++
	}
	rng := c.world.Rand()
	machine := c.world.AddNode(id, func(n *sim.Node) {
		e := quorum.NewEndpoint(n.Runtime(), n.Network(), quorum.Options{}, nil)
		for k := range clients {
			client := history.ClientID(int(id)*1000 + k)
			ask := ask()
			n.Runtime().Go("client", func(ctx context.Context) error {
				for seq := uint64(1); !c.stopped; seq++ {
					r := &request{
						&Request{Client: uint64(client), Seq: seq, Key: uint64(rng.IntN(keys)), Write: rng.IntN(2) == 0, Value: uint64(client)<<32 | seq},
						history.Txn{Client: client, Invoke: history.Time(c.world.Now())},
					}
					c.underWay[client] = r
					op, cancel := quorum.WithTimeout(ctx, OpTimeout)
					resp, definite, err := ask(op, e, r.Request)
					cancel()
					if ctx.Err() != nil {
						return ctx.Err()
					}
					r.txn.Complete = history.Time(c.world.Now())
					done := err == nil && resp.Done
					delete(c.underWay, client)
					c.history.Txns = r.note(c.history.Txns, resp, done, definite)
					if done {
						c.Latencies = append(c.Latencies, time.Duration(r.txn.Complete-r.txn.Invoke))
					}
					if err := quorum.Sleep(ctx, time.Duration(rng.ExpFloat64()*float64(pause))); err != nil {
						return err
					}
				}
				return nil
			})
		}
	})
	machine.Immune = true
	machine.Start()
}

// note adds a request to a history.
func (r *request) note(txns []history.Txn, resp *Response, done, definite bool) []history.Txn {
	txn := r.txn
	txn.Outcome = history.Unknown
	if done {
		txn.Outcome = history.OK
	} else if definite {
		txn.Outcome = history.Failed
	}
	op := history.Op{Kind: history.OpWrite, Key: history.Key(r.Key), Value: history.Value(r.Value)}
	if !r.Write {
		if !done {
			return txns // a read that was not answered says nothing
		}
		op = history.Op{Kind: history.OpRead, Key: history.Key(r.Key), Found: resp.Found}
		if resp.Found {
			op.Value = history.Value(resp.Value)
		}
	}
	txn.Ops = []history.Op{op}
	return append(txns, txn)
}

// Definite tells whether an error says that a request was not carried out.
func Definite(err error) bool {
	return errors.Is(err, quorum.ErrUnreachable) || errors.Is(err, quorum.ErrOverloaded)
}

// Stop ends the clients after the request that each has under way.
func (c *Clients) Stop() { c.stopped = true }

// Stopped tells whether Stop was called.
func (c *Clients) Stopped() bool { return c.stopped }

// Succeeded returns how many requests were carried out.
func (c *Clients) Succeeded() int { return len(c.Latencies) }

// Speed returns what clients got in d, which has passed since Latencies were
// cleared; ok is false if they got nothing.
func (c *Clients) Speed(d time.Duration) (s sim.Speed, ok bool) {
	return sim.NewSpeed(slices.Clone(c.Latencies), d), len(c.Latencies) > 0
}
