package streamsim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// member is a node of the group, while its program runs.
type member struct {
	cluster  *Cluster
	node     *sim.Node
	endpoint *quorum.Endpoint
	group    *stream.Group // nil until it has started
	state    *state        // of the rounds that are durable
	folder   wal.FolderID
	barrier  wal.RoundNumber // of its last leadership
}

// works tells whether the member takes part.
func (m *member) works() bool { return m.node.Up() && m.group != nil }

// boot is a member's program.
func (c *Cluster) boot(n *sim.Node) {
	m := &member{cluster: c, node: n, state: newState()}
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
	o := m.cluster.Stream
	o.Logf = func(format string, args ...any) {
		m.cluster.world.Logf("n%d: "+format, append([]any{m.node.ID()}, args...)...)
	}
	files, host := m.node.FS(), m.node.Runtime().Host()
	from := m.cluster.checkpoints[m.node.ID()]
	d, err := quorum.Blocking(ctx, quorum.KindDisk, "open", func() (*disk, error) { return openDisk(files, host, from) }).Wait(ctx)
	if err != nil {
		return err
	}
	o.Contents, o.Ballot, o.Folder = d.contents, d.ballot, d.ballots.Folder()
	if slices.Contains(m.cluster.first, m.node.ID()) {
		o.Members.Voters = m.cluster.first
	}
	if from != nil {
		o.Members, o.Durable, m.state = from.members, from.base(), from.clone()
	}
	g, err := stream.Start(ctx, m.endpoint, d.tape, d.ballots, o)
	if err != nil {
		return err
	}
	run := quorum.Go(ctx, "run", g.Run)
	m.group, m.folder = g, d.ballots.Folder()
	m.endpoint.Listen()
	quorum.Go(ctx, "catch up", m.catchUp)
	quorum.Go(ctx, "apply", func(ctx context.Context) error {
		err := m.follow(ctx)
		if ctx.Err() == nil {
			m.cluster.world.Fail("n%d does not apply any more: %v", m.node.ID(), err)
		}
		return err
	})
	quorum.Go(ctx, "lead", m.lead)
	quorum.Go(ctx, "confirm", m.confirm)
	return run.Wait(ctx)
}

// readBytesMax is how much is read of the log at once.
const readBytesMax = 4 << 10

// follow carries out what is durable.
func (m *member) follow(ctx context.Context) error {
	for {
		if err := m.group.Commit().Wait(ctx, uint64(m.state.number)+1); err != nil {
			return err
		}
		s := m.state
		err := m.carryOut(ctx, s, wal.RoundNumber(m.group.Commit().Value()), m.cluster.applied)
		if m.state != s {
			continue // a snapshot has come instead
		}
		if errors.Is(err, stream.ErrGone) {
			m.skip(s.number + 1)
			continue
		}
		if err != nil {
			return err
		}
		m.checkpoint()
		for _, f := range m.group.Finals() {
			m.cluster.final(m.node.ID(), f.Epoch, f.Watermark)
		}
	}
}

// checkpoint writes a checkpoint now and then, and discards what it makes superfluous.
func (m *member) checkpoint() {
	c, id := m.cluster, m.node.ID()
	if old := c.checkpoints[id]; old != nil && m.state.number < old.number+c.CheckpointRounds || m.state.number < c.CheckpointRounds {
		return
	}
	c.checkpoints[id] = &checkpoint{m.state.clone(), m.group.MembersAt(m.state.number)}
	m.group.Discard(m.state.number - c.CheckpointRounds/2)
}

// catchUp gets another member's checkpoint when the leader has not what this one lacks.
func (m *member) catchUp(ctx context.Context) error {
	c, id := m.cluster, m.node.ID()
	for {
		if uint64(m.group.First()) <= m.group.Commit().Value()+1 {
			if err := m.group.Behind().Wait(ctx, m.group.Behind().Value()+1); err != nil {
				return err
			}
			continue
		}
		if err := quorum.Sleep(ctx, time.Duration(c.world.Rand().ExpFloat64()*float64(100*time.Millisecond))); err != nil {
			return err
		}
		for _, other := range c.all {
			from := c.checkpoints[other]
			if from == nil || other == id || from.number <= m.group.Status().Commit || from.number+1 < m.group.First() {
				continue
			}
			c.world.Logf("n%d gets what n%d has up to round %d", id, other, from.number)
			c.checkpoints[id], m.state = from, from.clone()
			if err := m.group.Install(ctx, from.base(), from.members); err != nil {
				return err
			}
			break
		}
	}
}

// skip takes another member's checkpoint in place of rounds up to one that nobody can read any
// more, if there is one yet.
func (m *member) skip(gone wal.RoundNumber) {
	c, id := m.cluster, m.node.ID()
	for _, other := range c.all {
		if from := c.checkpoints[other]; other != id && from != nil && from.number >= gone {
			c.world.Logf("n%d can not read round %d, and gets what n%d has up to round %d", id, gone, other, from.number)
			c.checkpoints[id], m.state = from, from.clone()
			m.group.Discard(gone + 1)
			return
		}
	}
}

// carryOut brings a state up to a round.
func (m *member) carryOut(ctx context.Context, s *state, upTo wal.RoundNumber, see func(quorum.NodeID, *wal.Round, *state)) error {
	for s.number < upTo {
		rounds, err := m.group.Rounds(ctx, s.number+1, readBytesMax)
		if err != nil {
			return err
		}
		for i := range rounds {
			if rounds[i].Number > upTo {
				break
			}
			if why := s.apply(&rounds[i]); why != "" {
				m.cluster.world.Fail("n%d, round %d: %s", m.node.ID(), rounds[i].Number, why)
			}
			see(m.node.ID(), &rounds[i], s)
		}
	}
	return nil
}

// lead executes while the member leads.
func (m *member) lead(ctx context.Context) error {
	for {
		l, err := m.group.Elected(ctx)
		if err != nil {
			return err
		}
		m.cluster.leads(m.node.ID(), l.Epoch)
		m.barrier = l.Barrier
		ctx, cancel := quorum.WithCancel(ctx)
		task := quorum.Go(ctx, "reign", func(ctx context.Context) error { return m.reign(ctx, l) })
		err = quorum.Wait(ctx, l.Ended)
		cancel()
		if err != nil {
			return err
		}
		_ = task.Wait(context.WithoutCancel(ctx))
	}
}

// reign is what a shard does while it leads: it goes on from what it has adopted at
// once, and releases nothing before the barrier is durable.
func (m *member) reign(ctx context.Context, l *stream.Leadership) error {
	adopted, err := m.adopted(ctx, l)
	if err != nil {
		if ctx.Err() == nil && !l.Ended.Decided() {
			m.cluster.world.Fail("n%d cannot read what it has adopted: %v", m.node.ID(), err)
		}
		return err
	}
	e := newEngine(adopted, m.cluster.Streams)
	quorum.Go(ctx, "release", func(ctx context.Context) error { return m.release(ctx, l, e, adopted) })
	rng := m.cluster.world.Rand()
	for {
		if !m.cluster.stopped {
			for range rng.IntN(4) {
				m.cluster.ids++
				t := e.execute(m.cluster.ids, uint64(1+rng.IntN(m.cluster.Keys)), rng.IntN(m.cluster.Streams))
				m.cluster.reads[t.id] = t.read
			}
		}
		r, done := e.gather(func() int { return rng.IntN(3) })
		switch n, err := m.group.Append(r); {
		case err == nil:
			done()
			e.rounds[n] = r.Watermark
		case !errors.Is(err, quorum.ErrOverloaded):
			return err
		}
		if err := quorum.Sleep(ctx, time.Duration(rng.ExpFloat64()*float64(m.cluster.Pause))); err != nil {
			return err
		}
		if m.cluster.stopped && len(e.own) == 0 {
			return nil
		}
	}
}

// adopted returns what comes of the rounds up to the barrier.
func (m *member) adopted(ctx context.Context, l *stream.Leadership) (*state, error) {
	for {
		from := m.state.number
		s := m.state.clone()
		err := m.carryOut(ctx, s, l.Barrier, func(quorum.NodeID, *wal.Round, *state) {})
		if !errors.Is(err, stream.ErrGone) || m.state.number == from && m.group.Status().Damaged == nil {
			return s, err
		}
		// They were durable, and have become a part of a checkpoint meanwhile, or will be skipped.
	}
}

// release tells of what is certain.
func (m *member) release(ctx context.Context, l *stream.Leadership, e *engine, adopted *state) error {
	c, id := m.cluster, m.node.ID()
	if err := quorum.Wait(ctx, l.Opened); err != nil {
		return err
	}
	c.survived(id, adopted)
	for _, t := range adopted.held {
		c.release(t, l.Epoch, l.Barrier)
	}
	watermark := wal.Round{}.Watermark
	for seen := l.Barrier; !l.Ended.Decided(); {
		commit := wal.RoundNumber(m.group.Commit().Value())
		for ; seen <= commit; seen++ {
			watermark = max(watermark, e.rounds[seen])
			delete(e.rounds, seen)
		}
		c.announce(id, l.Epoch, watermark)
		for len(e.own) > 0 && e.own[0].ts <= watermark {
			c.release(e.own[0], l.Epoch, commit)
			e.own = e.own[1:]
		}
		if err := m.group.Commit().Wait(ctx, uint64(seen)); err != nil {
			return err
		}
	}
	return nil
}

// confirmTimeout is how long a member waits for a confirmation.
const confirmTimeout = time.Second

// confirm asks the group again and again whether the member leads, and looks whether
// it knows then what others had released before.
func (m *member) confirm(ctx context.Context) error {
	for {
		if err := quorum.Sleep(ctx, time.Duration(m.cluster.world.Rand().ExpFloat64()*float64(20*time.Millisecond))); err != nil {
			return err
		}
		before := m.cluster.durable
		short, cancel := quorum.WithTimeout(ctx, confirmTimeout)
		err := m.group.Confirm(short)
		cancel()
		if err == nil {
			m.cluster.confirms++
			if got := wal.RoundNumber(m.group.Commit().Value()); got < before {
				m.cluster.world.Fail("n%d confirms that it leads and knows of %d rounds, a release rests on %d", m.node.ID(), got, before)
			}
		}
	}
}
