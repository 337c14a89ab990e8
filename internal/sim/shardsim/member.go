package shardsim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// memoryBytes bounds a replica's data.
const memoryBytes = 64 << 20

// member is a replica, while its program runs.
type member struct {
	cluster  *Cluster
	node     *sim.Node
	endpoint *quorum.Endpoint
	replica  *shard.Replica // nil until it has opened
	amid     []func()       // to execute while a round is gathered
	reads    int            // transactions that only read
}

func (m *member) works() bool { return m.node.Up() && m.replica != nil }

// boot is a member's program.
func (c *Cluster) boot(n *sim.Node) {
	m := &member{cluster: c, node: n}
	m.endpoint = quorum.NewEndpoint(n.Runtime(), n.Network(), c.Network, nil)
	c.members[n.ID()] = m
	n.Serves(m.endpoint)
	if c.Tracer != nil {
		n.Runtime().Trace(c.Tracer)
	}
	n.Runtime().Go("main", func(ctx context.Context) error {
		err := m.main(ctx)
		if ctx.Err() == nil {
			c.world.Logf("n%d ends: %v", n.ID(), err)
			c.ended(n, err)
			n.Exit()
		}
		return err
	})
}

func (m *member) main(ctx context.Context) error {
	a, err := arena.New(memoryBytes)
	if err != nil {
		return err
	}
	m.cluster.arenas.made++
	m.cluster.arenas.open++
	m.node.AtEnd(func() {
		if err := a.Close(); err != nil {
			panic(err)
		}
		m.cluster.arenas.open--
	})
	o := m.cluster.Shard
	o.Arena, o.ReplayParallel, o.Shed, o.Gathered, o.HashSeed = a, 1, true, m.gathered, 1
	o.Group.Logf = func(format string, args ...any) {
		m.cluster.world.Logf("n%d: "+format, append([]any{m.node.ID()}, args...)...)
	}
	if !slices.Contains(m.cluster.first, m.node.ID()) {
		o.Group.Members.Voters = nil // it joins
	}
	disk := shard.Disk{FS: m.node.FS(), Dir: dir, Refill: m.cluster.refills(m.node), Identity: shard.Identity{Cluster: wal.DatabaseID{1}, Node: m.node.ID()}, SegmentBytes: m.cluster.SegmentBytes}
	r, err := shard.Open(ctx, m.endpoint, disk, o)
	if err != nil {
		return err
	}
	m.replica = r
	method().Handle(m.endpoint, m.serve)
	m.endpoint.Listen()
	quorum.Go(ctx, "watch", m.watch)
	quorum.Go(ctx, "watch finals", m.watchFinals)
	return r.Run(ctx)
}

// watchFinals looks at the final watermarks that the member knows.
func (m *member) watchFinals(ctx context.Context) error {
	g := m.replica.Group()
	for {
		commit := g.Commit().Value()
		for _, f := range g.Finals() {
			m.cluster.final(m.node.ID(), f.Epoch, f.Watermark)
		}
		if err := g.Commit().Wait(ctx, commit+1); err != nil {
			return err
		}
	}
}

// watch looks at what the member has released while it led.
func (m *member) watch(ctx context.Context) error {
	c := m.cluster
	for {
		if err := m.replica.Applied(ctx, m.replica.Released()+1); err != nil {
			return err
		}
		if l, err := m.replica.Leading(); err == nil && l.Released() > l.From {
			c.announce(m.node.ID(), l.Epoch, l.Released())
		}
	}
}

// serve runs a client's transaction.
func (m *member) serve(ctx context.Context, _ quorum.NodeID, req *request) (*response, error) {
	var resp *response
	var err error
	switch {
	case req.changesTables():
		resp, err = m.changeTables(ctx, req)
	case req.ops[0].named():
		resp, err = m.useNamed(ctx, req)
	default:
		resp, err = m.transact(ctx, req)
	}
	switch {
	case err == nil:
		resp.outcome = done
		return resp, nil
	case errors.Is(err, shard.ErrNotLeader), errors.Is(err, shard.ErrDropped), errors.Is(err, quorum.ErrOverloaded),
		errors.Is(err, dberr.ErrNotFound), errors.Is(err, dberr.ErrExists), errors.Is(err, dberr.ErrNoTable), !req.writes():
		return &response{outcome: failed, leader: m.replica.Group().Status().Leader}, nil
	}
	return nil, err
}

// transact runs a transaction, or reads from a snapshot.
func (m *member) transact(ctx context.Context, req *request) (*response, error) {
	if req.snapshot {
		return m.readSnapshot(ctx, req)
	}
	return m.execute(ctx, req)
}

// execute runs a transaction on the newest state, if the member leads.
func (m *member) execute(ctx context.Context, req *request) (*response, error) {
	asked := false // whether this member leads still, before
	if !req.writes() {
		if m.reads++; m.reads%2 == 0 {
			if err := m.replica.Read(ctx); err != nil {
				return nil, err
			}
			asked = true
		}
	}
	resp := &response{}
	var x shard.Executed
	var err error
	if err := m.amidGather(ctx, func() { x, err = m.run(ctx, req, &resp.reads) }); err != nil {
		return nil, err
	}
	if err != nil && !errors.Is(err, dberr.ErrNoTable) {
		return nil, err
	}
	tell := x.Notify
	if asked {
		tell = func(tell func(error)) { x.Lead().Notify(x.TS, tell) }
	}
	if err := certain(ctx, tell); err != nil {
		return nil, err
	}
	resp.at = x.TS
	return resp, err
}

// certain waits until what was executed is.
func certain(ctx context.Context, notify func(func(error))) error {
	certain := quorum.NewValue[struct{}](ctx, "certain")
	notify(func(err error) {
		if err != nil {
			certain.Fail(err)
			return
		}
		certain.Set(struct{}{})
	})
	_, err := certain.Wait(ctx)
	return err
}

// amidWait is how long a transaction waits for a round to be gathered.
const amidWait = 5 * time.Millisecond

// amidGather has some transactions executed while a round is gathered: when the stream
// that they are in is taken after that, the round has records above its watermark. With
// several threads that happens by itself.
func (m *member) amidGather(ctx context.Context, execute func()) error {
	if m.cluster.amidShare == 0 || m.cluster.world.Rand().IntN(m.cluster.amidShare) > 0 {
		execute()
		return nil
	}
	executed := quorum.NewValue[struct{}](ctx, "amid a gathering")
	begun := false
	m.amid = append(m.amid, func() {
		if !begun && ctx.Err() == nil {
			begun = true
			execute()
			executed.Set(struct{}{})
		}
	})
	if err := quorum.WaitFor(ctx, executed, amidWait); err != nil && !errors.Is(err, quorum.ErrTimeout) {
		return err
	}
	if !begun {
		begun = true
		execute()
	}
	return nil
}

// gathered runs a transaction that waits for it.
func (m *member) gathered() {
	if len(m.amid) > 0 {
		next := m.amid[0]
		m.amid = m.amid[1:]
		next()
	}
}

// run runs a transaction, and one that writes only once.
func (m *member) run(ctx context.Context, req *request, read *reads) (shard.Executed, error) {
	t, err := openTables(m.replica.Engine(), req.named)
	if err != nil {
		return shard.Executed{}, err
	}
	if !req.writes() {
		return m.replica.Execute(ctx, func(tx *occ.Tx) error {
			*read = reads{}
			return t.perform(tx, req.ops, read)
		})
	}
	x, answer, err := m.replica.ExecuteOnce(ctx, req.name, func(tx *occ.Tx) ([]byte, error) {
		var l reads
		err := t.perform(tx, req.ops, &l)
		return quorum.Encode(nil, &l), err
	})
	if err != nil {
		return x, err
	}
	err = quorum.Decode(answer, read)
	if x.Wrote {
		m.cluster.truth.executed = append(m.cluster.truth.executed, executed{req.name, x.Lead().Epoch, looked{m.node.ID(), x.TS, req.ops, *read}})
	}
	return x, err
}

// readSnapshot reads from a snapshot.
func (m *member) readSnapshot(ctx context.Context, req *request) (*response, error) {
	s, err := m.replica.Snapshot(ctx, req.atLeast)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	// It stays what it is, whatever happens meanwhile.
	if err := quorum.Sleep(ctx, m.cluster.snapshotRest()); err != nil {
		return nil, err
	}
	tx, err := s.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.End()
	t, err := openTables(m.replica.Engine(), req.named)
	if err != nil {
		return nil, err
	}
	resp := &response{at: s.Timestamp()}
	if resp.at < req.atLeast {
		m.cluster.world.Fail("n%d: a snapshot at %d, wanted is one at or behind %d", m.node.ID(), resp.at, req.atLeast)
	}
	if err := t.perform(tx, req.ops, &resp.reads); err != nil {
		return nil, err
	}
	m.cluster.truth.looked = append(m.cluster.truth.looked, looked{m.node.ID(), s.Timestamp(), req.ops, resp.reads})
	return resp, nil
}

// contents returns all data of a member that is at rest, and how many records there are beside.
func (m *member) contents(ctx context.Context) (c contents, hidden int, err error) {
	s, err := m.replica.Snapshot(ctx, 0)
	if err != nil {
		return nil, 0, err
	}
	defer s.Close()
	tx, err := s.Begin(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer tx.End()
	t, err := openTables(m.replica.Engine(), nil)
	if err != nil {
		return nil, 0, err
	}
	c = contents{}
	hidden, err = m.showNamed(tx, c.show)
	return c, hidden, errors.Join(err, t.show(tx, c))
}
