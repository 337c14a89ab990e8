package shardsim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/history"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum"
)

const (
	// opTimeout is how long a client waits for one transaction.
	opTimeout = 2 * time.Second
	// machinesFrom is the first name of a client's machine.
	machinesFrom = 100
	// listValuesMax is how long a list gets before clients go on to other keys.
	listValuesMax = 40
)

// clients run transactions and note what they saw.
type clients struct {
	world             *sim.World
	strict, snapshots history.History
	succeeded         int // transactions on the newest state
	running           int
	stopped           bool
	value             uint64
	keysFrom          uint64 // those before are not used any more
	keys              int
	snapshotShare     int // one in so many reads a snapshot; 0 for none
	rest              time.Duration
	amidShare         int // one in so many is executed while a round is gathered; 0 for none
	// doubled requests make an answer that one has failed say nothing of its double.
	doubled bool
}

func newClients(w *sim.World) *clients {
	return &clients{world: w, keys: 4, strict: history.History{Workload: history.Lists}, snapshots: history.History{Workload: history.Lists}}
}

// snapshotRest draws how long a snapshot is held open before it is read.
func (c *clients) snapshotRest() time.Duration {
	return time.Duration(c.world.Rand().ExpFloat64() * float64(c.rest))
}

// add adds a machine with clients of members.
func (c *clients) add(count int, pause time.Duration, members []env.NodeID) {
	id := env.NodeID(machinesFrom)
	for c.world.Node(id) != nil {
		id++
	}
	rng := c.world.Rand()
	machine := c.world.AddNode(id, func(n *sim.Node) {
		e := quorum.NewEndpoint(n.Runtime(), n.Network(), quorum.Options{}, nil)
		for k := range count {
			x := &client{clients: c, id: history.ClientID(int(id)*1000 + k), endpoint: e, members: members, rng: rng}
			x.target = x.anyone()
			n.Runtime().Go("client", func(ctx context.Context) error {
				for !c.stopped {
					c.running++
					err := x.run(ctx)
					c.running--
					if err != nil {
						return err
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

// client runs one transaction after the other.
type client struct {
	*clients
	id       history.ClientID
	endpoint *quorum.Endpoint
	members  []env.NodeID
	rng      *rand.Rand
	target   env.NodeID    // who has led last
	number   uint64        // of the last request
	seen     hlc.Timestamp // of the newest result
}

func (x *client) anyone() env.NodeID { return x.members[x.rng.IntN(len(x.members))] }

// draw makes a transaction.
func (x *client) draw() *request {
	r := &request{}
	if x.snapshotShare > 0 && x.rng.IntN(x.snapshotShare) == 0 {
		r.snapshot = true
		if x.rng.IntN(2) == 0 {
			r.atLeast = x.seen
		}
	}
	writes := !r.snapshot && x.rng.IntN(4) > 0
	used := map[uint64]bool{}
	for range 1 + x.rng.IntN(4) {
		o := op{key: x.keysFrom + uint64(x.rng.IntN(x.keys))}
		if writes && x.rng.IntN(2) == 0 && !used[o.key] {
			x.value++
			o.value = x.value
		}
		used[o.key] = true
		r.ops = append(r.ops, o)
	}
	return r
}

// run runs a transaction and notes what came of it.
func (x *client) run(ctx context.Context) error {
	r := x.draw()
	x.number++
	r.name = shard.Request{Client: uint64(x.id), Number: x.number}
	txn := history.Txn{Client: x.id, Invoke: history.Time(x.world.Now())}
	resp, result, err := x.ask(ctx, r)
	// Who does not know the outcome may ask again: it is the same request.
	for retries := x.rng.IntN(3); err == nil && result == unknown && retries > 0; retries-- {
		resp, result, err = x.ask(ctx, r)
		if result == failed {
			result = unknown // the copy has done nothing
		}
	}
	if err != nil {
		return err
	}
	txn.Complete = history.Time(x.world.Now())
	return x.note(&txn, r, resp, result)
}

// ask sends a request once. The error is the end of the client.
func (x *client) ask(ctx context.Context, r *request) (*response, outcome, error) {
	target := x.target
	if r.snapshot || x.rng.IntN(8) == 0 {
		target = x.anyone()
	}
	short, cancel := quorum.WithTimeout(ctx, opTimeout)
	resp, err := method().Call(short, x.endpoint, target, r)
	cancel()
	if ctx.Err() != nil {
		return nil, unknown, ctx.Err()
	}
	result := unknown
	switch {
	case err == nil:
		result = resp.outcome
	case errors.Is(err, quorum.ErrUnreachable) || errors.Is(err, quorum.ErrOverloaded):
		result = failed
	}
	if result == done {
		x.seen = max(x.seen, resp.at)
		if !r.snapshot {
			x.target = target
		}
	} else if err == nil && resp.leader != 0 {
		x.target = resp.leader
	} else {
		x.target = x.anyone()
	}
	return resp, result, nil
}

// note adds a transaction to a history.
func (x *client) note(txn *history.Txn, r *request, resp *response, result outcome) error {
	if x.doubled && result == failed {
		result = unknown
	}
	txn.Outcome = map[outcome]history.Outcome{unknown: history.Unknown, failed: history.Failed, done: history.OK}[result]
	if result != done && !r.writes() {
		return nil // a read that was not answered says nothing
	}
	reads := 0
	for _, o := range r.ops {
		switch {
		case o.value != 0:
			txn.Ops = append(txn.Ops, history.Op{Kind: history.OpAppend, Key: history.Key(o.key), Value: history.Value(o.value)})
			continue
		case result != done:
			continue
		case reads >= len(resp.lists.lists):
			return fmt.Errorf("shardsim: %d lists for %d reads", len(resp.lists.lists), reads+1)
		}
		list := resp.lists.lists[reads]
		reads++
		read := history.Op{Kind: history.OpList, Key: history.Key(o.key)}
		for ; len(list) >= 8; list = list[8:] {
			read.List = append(read.List, history.Value(binary.BigEndian.Uint64(list)))
		}
		if len(read.List) > listValuesMax && o.key >= x.keysFrom {
			x.keysFrom += uint64(x.keys)
		}
		txn.Ops = append(txn.Ops, read)
	}
	x.snapshots.Txns = append(x.snapshots.Txns, *txn)
	if !r.snapshot {
		x.strict.Txns = append(x.strict.Txns, *txn)
	}
	if result == done && r.writes() {
		x.succeeded++
	}
	return nil
}

// Check demands that what the clients saw is strictly serializable, and with what
// they read from snapshots serializable.
func (c *clients) Check() error {
	for _, check := range []struct {
		h *history.History
		c history.Consistency
	}{{&c.strict, history.StrictSerializable}, {&c.snapshots, history.Serializable}} {
		result, err := history.CheckListAppend(check.h, history.Options{Consistency: check.c})
		if err != nil {
			return err
		}
		if len(result.Anomalies) > 0 {
			a := result.Anomalies[0]
			return fmt.Errorf("%v: %s", a.Kind, a.Explanation)
		}
	}
	return nil
}
