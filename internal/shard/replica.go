package shard

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// Replica is a member of a shard's replica group. Its methods are for tasks of its
// Runtime unless they say otherwise.
type Replica struct {
	rt       *quorum.Runtime
	group    *stream.Group
	engine   *occ.Engine
	clock    *hlc.Clock
	gatherer *wal.Gatherer
	options  Options
	applier  applier
	folder   *openedFolder
	endpoint *quorum.Endpoint
	bases    bases
	// logBytes counts the rounds that were applied or released, settledBytes those of them
	// that the newest checkpoint has made superfluous. checkpointing: one is being made or taken in.
	logBytes, settledBytes int64
	checkpointing          bool
	kept                   wal.RoundNumber // where the newest checkpoint ends

	// elected is what the group has said last; changed moves with it and when it opens.
	elected *stream.Leadership
	changed *quorum.Watermark
	// gone is the next round to apply, if nobody can read it any more, else 0.
	gone wal.RoundNumber
	// stepped is when a step of replay has ended last.
	stepped time.Duration
	// leads counts the leaderships of this replica.
	leads *quorum.Watermark
	// pending moves when workers have appended something.
	pending *quorum.Watermark
	// asking moves when a leader is to ask whether it leads still, unasked: so it is to when nobody holds.
	asking  *quorum.Watermark
	unasked atomic.Bool
	// applied tells up to where a follower has applied, and a leader released.
	applied *quorum.Watermark
	// still moves when the engine has come to rest between two steps, where snapshots can
	// be opened; it is at rest unless moving. wanted is how many wait for that.
	still  *quorum.Watermark
	moving bool
	wanted int

	// newClients is how many have sent their first request since they were counted.
	newClients atomic.Int64
	// lent is when another replica has got a piece of the newest checkpoint last.
	lent time.Duration

	// following has those records of the leader whose way somebody follows.
	following wal.Following

	stats Stats
	// reign is the last leadership, nil before the first one.
	reign *Leadership
	// gathering is the last job that has made rounds, nil if there was none: it goes on when its leadership ends.
	gathering *quorum.Value[[]wal.Round]
	// pieceBytesMax is how much of a round is replicated at once.
	pieceBytesMax int

	// newest is the newest checkpoint, written by tasks; writing: one is being made.
	newest  atomic.Pointer[checkpoint.Manifest]
	writing atomic.Bool

	// released is the same as applied, for the engine's workers.
	released atomic.Uint64
	// leading is not nil while transactions may run. Tasks write it, everybody reads it.
	leading atomic.Pointer[Leadership]
}

// Stats counts what a replica has done.
type Stats struct {
	Rounds       uint64 // that it has made, while it led
	PayloadBytes uint64 // in them
}

// Stats returns the counts as of now.
func (r *Replica) Stats() Stats { return r.stats }

// newReplica returns a replica that holds nothing and has no group yet. message is how
// much fits into one.
func newReplica(ctx context.Context, message int, o Options) (_ *Replica, err error) {
	rt := quorum.RuntimeOf(ctx)
	r := &Replica{rt: rt, pieceBytesMax: min(message, pieceBytesMax), clock: &hlc.Clock{}, options: o,
		changed: quorum.NewWatermark(ctx, "shard elected", 0),
		leads:   quorum.NewWatermark(ctx, "shard leads", 0),
		pending: quorum.NewWatermark(ctx, "shard pending", 0), asking: quorum.NewWatermark(ctx, "shard asking", 0),
		applied: quorum.NewWatermark(ctx, "shard applied", 0),
		still:   quorum.NewWatermark(ctx, "shard still", 0)}
	streams := wal.NewStreams(o.Workers)
	r.gatherer, err = wal.NewGatherer(wal.GathererOptions{Streams: streams, Clock: r.clock, Time: o.Time, Shed: o.Shed, Gathered: o.Gathered,
		PendingBytesMax: o.PendingBytesMax, Wake: func() { rt.Post(r.wake) }})
	if err != nil {
		return nil, err
	}
	r.gatherer.Shut(ErrNotLeader)
	r.engine = occ.New(occ.Config{Arena: o.Arena, Clock: r.clock, Streams: streams, Log: r.gatherer, Released: r.Released, Undo: true, HashSeed: o.HashSeed})
	r.engine.Seal()
	r.applier.engine, r.applier.parallel, r.applier.share = r.engine, o.ReplayParallel, shareBytes
	r.applier.catalog.engine, r.applier.catalog.follows, r.applier.catalog.ids = r.engine, o.Catalog, map[string]occ.TableID{}
	for i := range o.Workers {
		r.applier.replayers = append(r.applier.replayers, r.engine.NewStepReplayer(i))
	}
	return r, nil
}

// Run takes part until ctx ends or the replica cannot go on, and returns why.
func (r *Replica) Run(ctx context.Context) error {
	ctx, cancel := quorum.WithCancel(ctx)
	defer cancel()
	group := quorum.Go(ctx, "shard group", r.group.Run)
	roles := quorum.Go(ctx, "shard roles", r.roles)
	quorum.Go(ctx, "shard elections", r.watchElections)
	quorum.Go(ctx, "shard maintain", r.maintain)
	quorum.Go(ctx, "shard forget", r.forgetClients)
	keep := quorum.Go(ctx, "shard checkpoints", r.keepCheckpoints)
	fetch := quorum.Go(ctx, "shard fetch", r.fetchWhenBehind)
	ends := []*quorum.Task{group, roles, keep, fetch}
	_, err := quorum.Select(ctx, group, roles, keep, fetch)
	for _, t := range ends {
		if t.Decided() {
			err = t.Err()
		}
	}
	r.leading.Store(nil)
	r.gatherer.Shut(ErrStopped)
	if r.reign != nil {
		r.reign.course.Fail(ErrStopped) // it may be over, and its end not known
		r.reign.answers.Fail(ErrStopped)
	}
	return err
}

// Close ends execution and replay and gives the folder back; the Runtime's tasks have
// ended. The arena may be closed then.
func (r *Replica) Close() error {
	for _, p := range r.applier.replayers {
		p.Close()
	}
	r.engine.Close()
	return r.folder.close()
}

// roles follows and leads.
func (r *Replica) roles(ctx context.Context) error {
	for {
		l, err := r.follow(ctx)
		if err == nil {
			err = r.lead(ctx, l)
		}
		if err != nil {
			return err
		}
	}
}

// watchElections takes note of elections, and of when their barriers are durable.
func (r *Replica) watchElections(ctx context.Context) error {
	for {
		l, err := r.group.Elected(ctx)
		if err != nil {
			return err
		}
		r.elected = l
		if _, err := quorum.Select(ctx, l.Ended, l.Opened); err != nil {
			return err
		}
		r.changed.Advance(r.changed.Value() + 1)
	}
}

// Maintenance is done every maintainBusy while there is garbage, else every maintainIdle.
const (
	maintainBusy = 2 * time.Millisecond
	maintainIdle = 50 * time.Millisecond
	// While nothing is executed or replayed, there is hardly any: what snapshots have kept. Then it is done
	// every maintainRest, and the clock is looked after every clockRest.
	maintainRest = time.Second
	clockRest    = 100 * time.Millisecond
)

// maintain looks after garbage and has the clock follow the wall.
func (r *Replica) maintain(ctx context.Context) error {
	for {
		r.clock.Observe(hlc.FromTime(r.rt.Host().Now()))
		executed, released := r.clock.Last(), r.Released()
		busy, err := quorum.Blocking(ctx, quorum.KindJob, "shard garbage", func() (bool, error) { return r.engine.Maintain(), nil }).Wait(ctx)
		if err != nil {
			return err
		}
		d := maintainIdle
		if busy {
			d = maintainBusy
		}
		if err := quorum.Sleep(ctx, d); err != nil {
			return err
		}
		for rested := d; r.options.Time != nil && !busy && rested < maintainRest && r.clock.Last() == executed && r.Released() == released; rested += clockRest {
			r.clock.Observe(hlc.FromTime(r.rt.Host().Now()))
			executed = r.clock.Last()
			if err := quorum.Sleep(ctx, r.untilNext(clockRest)); err != nil {
				return err
			}
		}
	}
}

// untilNext returns how long it is to the next of the times that lie so far apart on the wall's clock. The server has
// the same ones: so an idle process wakes up once for all that is looked at now and then. The simulator has no
// processor to spare.
func (r *Replica) untilNext(every time.Duration) time.Duration {
	if r.options.Time == nil {
		return every
	}
	return every - time.Duration(r.rt.Host().Now().UnixNano())%every
}

// Hold has what is executed from now on wait to be in one round, until Release. Any goroutine may call it.
func (r *Replica) Hold() { r.gatherer.Hold() }

// Release ends a Hold. With here, the caller makes the round and sends it, and asks what was only read rests on, if nobody else does something on the loop.
func (r *Replica) Release(here bool) {
	news := r.gatherer.Release()
	asks := r.unasked.Load() && r.unasked.Swap(false)
	f := r.wake
	switch {
	case news && asks:
		f = func() { r.wake(); r.ask() }
	case asks:
		f = r.ask
	case !news:
		return
	}
	if here {
		r.rt.Here(f)
	} else {
		r.rt.Post(f)
	}
}

// Hurry has what is executed so far be in a round soon though somebody holds it. Any goroutine may call it.
func (r *Replica) Hurry() { r.gatherer.Hurry() }

// wake says that workers have appended something.
func (r *Replica) wake() { r.pending.Advance(r.pending.Value() + 1) }

// release says that everything at or below ts is certain.
func (r *Replica) release(ts hlc.Timestamp) {
	if ts > r.Released() {
		r.released.Store(uint64(ts))
		r.applied.Advance(uint64(ts))
	}
}

// Released returns the timestamp up to which everything is certain, and there. Any
// goroutine may call it.
func (r *Replica) Released() hlc.Timestamp { return hlc.Timestamp(r.released.Load()) }

// Executed returns the largest timestamp that was given or seen. Any goroutine may call it.
func (r *Replica) Executed() hlc.Timestamp { return r.clock.Last() }

// LogStats returns the figures of the log on the own disk. Pending is what was executed and is in
// no round. Any goroutine may call it.
func (r *Replica) LogStats() wal.Stats {
	s := r.folder.tape.Stats()
	s.PendingBytes = r.gatherer.PendingBytes()
	return s
}

// NewestCheckpoint returns the manifest of the newest checkpoint, nil if there is none, and whether
// one is being made. Any goroutine may call it.
func (r *Replica) NewestCheckpoint() (m *checkpoint.Manifest, running bool) {
	return r.newest.Load(), r.writing.Load()
}

// Engine returns the engine. Any goroutine may use it.
func (r *Replica) Engine() *occ.Engine { return r.engine }

// Group returns the replica's part of the group.
func (r *Replica) Group() *stream.Group { return r.group }
