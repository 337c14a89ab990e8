package shardsim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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
	// againRest is how long a client that knows an outcome waits on average before it asks again:
	// others lead meanwhile.
	againRest = 300 * time.Millisecond
	// machinesFrom is the first name of a client's machine.
	machinesFrom = 100
	// listValuesMax is how long a list gets before clients go on to other keys.
	listValuesMax = 40
)

// clients run transactions and note what they saw.
type clients struct {
	world            *sim.World
	lists, snapshots history.History        // what was read of lists, on the newest state and there or from snapshots
	rows             history.History        // what was done with rows on the newest state
	names            []shard.Request        // of the transactions in rows
	told             map[shard.Request]bool // requests whose success a client has heard of
	succeeded        int                    // transactions on the newest state
	running          int
	stopped          bool
	value            uint64
	keysFrom         uint64 // those before are not used any more
	keys             int
	snapshotShare    int // one in so many reads a snapshot; 0 for none
	rest             time.Duration
	amidShare        int // one in so many is executed while a round is gathered; 0 for none
	againShare       int // one in so many that are carried out is asked again; 0 for none
	// tablesShare: one in so many is about a table that comes and goes; 0 for none.
	tablesShare int
	// doubled requests make an answer that one has failed say nothing of its double.
	doubled bool
}

func newClients(w *sim.World) *clients {
	return &clients{world: w, keys: 4, told: map[shard.Request]bool{}, lists: history.History{Workload: history.Lists},
		snapshots: history.History{Workload: history.Lists}, rows: history.History{Workload: history.Sets}}
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
	if x.tablesShare > 0 && x.rng.IntN(x.tablesShare) == 0 {
		return x.drawNamed()
	}
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
		o := x.drawOp(writes && x.rng.IntN(2) == 0)
		if used[o.key] && o.kind == history.OpAppend {
			o.kind = history.OpList
		}
		used[o.key] = true
		r.ops = append(r.ops, o)
	}
	return r
}

// drawOp makes an operation.
func (x *client) drawOp(writes bool) op {
	x.value++
	some := uint64(x.rng.IntN(x.keys))
	o := op{key: x.keysFrom + some, value: x.value}
	switch kind := x.rng.IntN(8); {
	case kind < 4 && writes:
		o.kind = history.OpAppend
	case kind < 4:
		o.kind = history.OpList
	case writes:
		o.key, o.kind = x.drawRow(some), history.OpWrite
		if x.rng.IntN(3) == 0 {
			o.kind = history.OpDelete
		}
	case kind == 4:
		o.key, o.to, o.kind = some/2, some/2+1+uint64(x.rng.IntN(x.keys)), history.OpRange
	default:
		o.key, o.kind = x.drawRow(some), history.OpRead
	}
	return o
}

// drawRow returns the key of a row in one of the two tables.
func (x *client) drawRow(some uint64) uint64 { return some + hashedFrom*uint64(x.rng.IntN(2)) }

// run runs a transaction and notes what came of it.
func (x *client) run(ctx context.Context) error {
	r := x.draw()
	x.number++
	r.name = shard.Request{Client: uint64(x.id), Number: x.number}
	txn := history.Txn{Client: x.id, Invoke: history.Time(x.world.Now())}
	resp, result, err := x.ask(ctx, r)
	// Who does not know the outcome may ask again: it is the same request.
	for retries := x.rng.IntN(3); err == nil && result == unknown && retries > 0 && !r.changesTables(); retries-- {
		resp, result, err = x.ask(ctx, r)
		if result == failed {
			result = unknown // the copy has done nothing
		}
	}
	if err != nil {
		return err
	}
	txn.Complete = history.Time(x.world.Now())
	if result == done && r.writes() {
		x.succeeded++
		x.told[r.name] = true
	}
	if r.ops[0].named() {
		return nil // what was executed has to do as evidence
	}
	if err := x.note(&txn, r, resp, result); err != nil {
		return err
	}
	if x.againShare > 0 && result == done && r.writes() && !r.changesTables() && x.rng.IntN(x.againShare) == 0 {
		return x.askAgain(ctx, r, resp)
	}
	return nil
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

// askAgain sends a request once more that has been carried out, and the one before: who
// leads by then gives the first outcome, and does not carry out what is superseded.
func (x *client) askAgain(ctx context.Context, r *request, first *response) error {
	if err := quorum.Sleep(ctx, time.Duration(x.rng.ExpFloat64()*float64(againRest))); err != nil {
		return err
	}
	again, result, err := x.ask(ctx, r)
	if err != nil {
		return err
	}
	if result == done && !slices.EqualFunc(again.reads.reads, first.reads.reads, slices.Equal[[]uint64]) {
		x.world.Fail("request %+v was answered %v first and then %v", r.name, first.reads.reads, again.reads.reads)
	}
	before := *r
	before.name.Number--
	old, result, err := x.ask(ctx, &before)
	// A leader that has been deposed and does not know the later one may still tell what came of it.
	if result == done && old.at >= first.at {
		x.world.Fail("request %+v was carried out after the one behind it", before.name)
	}
	return err
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
	lists, rows := *txn, *txn
	var reads [][]uint64
	if result == done {
		reads = resp.reads.reads
	}
	for i := range r.ops {
		o := &r.ops[i]
		h := history.Op{Kind: o.kind, Key: history.Key(o.key)}
		switch {
		case o.kind == history.OpDelete:
		case o.writes():
			h.Value = history.Value(o.value)
		case result != done:
			continue
		case len(reads) == 0:
			return fmt.Errorf("shardsim: %d answers for %d operations", len(resp.reads.reads), len(r.ops))
		default:
			h = readOp(o, reads[0])
			reads = reads[1:]
		}
		if o.list() {
			lists.Ops = append(lists.Ops, h)
		} else {
			rows.Ops = append(rows.Ops, h)
		}
		if len(h.List) > listValuesMax && o.key >= x.keysFrom {
			x.keysFrom += uint64(x.keys)
		}
	}
	if len(lists.Ops) > 0 {
		x.snapshots.Txns = append(x.snapshots.Txns, lists)
	}
	if len(lists.Ops) > 0 && !r.snapshot {
		x.lists.Txns = append(x.lists.Txns, lists)
	}
	if len(rows.Ops) > 0 && !r.snapshot {
		x.rows.Txns = append(x.rows.Txns, rows)
		x.names = append(x.names, r.name)
	}
	return nil
}

// readOp is an operation that has read something, for a history.
func readOp(o *op, read []uint64) history.Op {
	h := history.Op{Kind: o.kind, Key: history.Key(o.key), To: history.Key(o.to)}
	switch o.kind {
	case history.OpList:
		for _, v := range read {
			h.List = append(h.List, history.Value(v))
		}
	case history.OpRead:
		if h.Found = len(read) > 0; h.Found {
			h.Value = history.Value(read[0])
		}
	case history.OpRange:
		for ; len(read) > 1; read = read[2:] {
			h.Pairs = append(h.Pairs, history.Pair{Key: history.Key(read[0]), Value: history.Value(read[1])})
		}
	}
	return h
}

// check demands that what the clients saw is strictly serializable, and with what
// they read from snapshots serializable; and that each row is linearizable. survived are
// the requests that have had their effect, whether a client has heard of it or not.
func (c *clients) check(survived map[shard.Request]bool) error {
	rows := c.decided(survived)
	for _, check := range []func() (history.Result, error){
		func() (history.Result, error) {
			return history.CheckListAppend(&c.lists, history.Options{Consistency: history.StrictSerializable})
		},
		func() (history.Result, error) {
			return history.CheckListAppend(&c.snapshots, history.Options{Consistency: history.Serializable})
		},
		func() (history.Result, error) {
			return history.CheckSets(rows, history.Options{Consistency: history.StrictSerializable})
		},
		func() (history.Result, error) { return history.CheckLinearizable(rows, history.LinearOptions{}) },
	} {
		result, err := check()
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

// decidedFrom is the first name of the clients that decided makes up.
const decidedFrom = 1 << 30

// decided returns what was done with rows, without doubt about what has happened: the
// search for a linearization takes time exponential in that.
func (c *clients) decided(survived map[shard.Request]bool) *history.History {
	h := &history.History{Workload: history.Sets}
	for i, txn := range c.rows.Txns {
		if txn.Outcome == history.Unknown {
			if !survived[c.names[i]] {
				continue
			}
			// Its client has gone on meanwhile.
			txn.Outcome, txn.Complete, txn.Client = history.OK, history.Time(c.world.Now()), history.ClientID(decidedFrom+i)
		}
		h.Txns = append(h.Txns, txn)
	}
	return h
}
