package shard

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/speculate"
)

// Leadership is a time during which a replica executes: one epoch, or the part of it
// that it led. Its methods may be called from any goroutine, also when it is over.
type Leadership struct {
	Epoch  wal.Epoch
	From   hlc.Timestamp // everything at or below was there before
	course speculate.Course
	// answers are a majority's to the questions whether this replica leads still, of which wanted is the last that somebody
	// waits for.
	answers speculate.Course
	wanted  atomic.Uint64
	replica *Replica
	group   *stream.Leadership
	over    chan struct{} // closed by the replica's tasks
}

// Done returns a channel that is closed when no transaction can be executed in this
// leadership any more. Its outcome may not be known yet.
func (l *Leadership) Done() <-chan struct{} { return l.over }

// Released returns the timestamp up to which everything that was executed is certain.
func (l *Leadership) Released() hlc.Timestamp { return max(l.From, hlc.Timestamp(l.course.Frontier())) }

// Waiting returns how many wait for a release.
func (l *Leadership) Waiting() int { return l.course.Waiting() }

// Wait returns nil when what was executed, or read, at ts is certain, and ErrDropped when
// it is gone for good. With ErrStopped and ctx's error it is not known.
func (l *Leadership) Wait(ctx context.Context, ts hlc.Timestamp) error {
	if ts <= l.From {
		return nil
	}
	return outcome(l.course.Wait(ctx, speculate.Point(ts)))
}

// Notify calls tell, once, with what Wait would return. It must not block.
func (l *Leadership) Notify(ts hlc.Timestamp, tell func(error)) {
	if ts <= l.From {
		tell(nil)
		return
	}
	l.course.Notify(speculate.Point(ts), func(err error) { tell(outcome(err)) })
}

func outcome(err error) error {
	if errors.Is(err, speculate.ErrDoomed) {
		return ErrDropped
	}
	return err
}

// lead executes until the replica is deposed, and then takes back what is not certain.
func (r *Replica) lead(ctx context.Context, group *stream.Leadership) (err error) {
	l := &Leadership{Epoch: group.Epoch, From: r.applier.applied, over: make(chan struct{}), replica: r, group: group}
	r.reign = l
	defer func() {
		if err != nil {
			l.course.Fail(ErrStopped)
			l.answers.Fail(ErrStopped)
		}
	}()
	// No timestamp of the log is given again (Invariant I5).
	r.clock.Observe(r.applier.last)
	inner, cancel := quorum.WithCancel(ctx)
	defer cancel()
	sent := quorum.NewQueue[wal.Round](inner, "shard rounds", roundsMax)
	gather := quorum.Go(inner, "shard gather", func(ctx context.Context) error { return r.gather(ctx, l.Epoch, sent) })
	quorum.Go(inner, "shard release", func(ctx context.Context) error { return r.releaseDurable(ctx, l, group, sent) })
	quorum.Go(inner, "shard ask", func(ctx context.Context) error { return r.askWanted(ctx, l) })
	quorum.Go(inner, "shard answers", func(ctx context.Context) error { return r.noteAnswers(ctx, l) })
	r.moving = true
	r.gatherer.Reopen()
	r.engine.Unseal()
	r.leading.Store(l)
	r.leads.Advance(r.leads.Value() + 1)
	_, err = quorum.Select(ctx, group.Ended, gather)
	r.leading.Store(nil)
	r.following.Drop()
	close(l.over)
	cancel()
	if err != nil {
		return err
	}
	l.answers.Fail(ErrNotLeader)
	r.gatherer.Shut(ErrNotLeader)
	if err := r.job(ctx, "shard seal", func() error { r.engine.Seal(); return nil }); err != nil {
		return err
	}
	if r.gathering != nil {
		if _, err := r.gathering.Wait(ctx); err != nil {
			return err
		}
		r.gathering = nil
	}
	r.gatherer.Gather() // what nobody will hear of
	return r.abdicate(ctx, l)
}

// roundsMax bounds the rounds of a leader that are not known to be durable.
const roundsMax = 1 << 14

// gather makes rounds of what workers append and hands them to the group, until it does
// not take them any more. What waits for its round while an earlier one is not durable
// makes a larger round; but not for longer than RoundWait. Large rounds are not made more
// often than pace says: what a round costs, whatever is in it, is shared by more transactions.
func (r *Replica) gather(ctx context.Context, epoch wal.Epoch, sent *quorum.Queue[wal.Round]) error {
	var last wal.Round // that was handed over
	began := r.rt.Elapsed()
	for {
		seen, before := r.pending.Value(), began
		began = r.rt.Elapsed()
		r.following.Gather()
		rounds, err := r.makeRounds(ctx, last.Watermark)
		if err != nil {
			return err
		}
		var bytes int64
		for _, round := range rounds {
			bytes += int64(len(round.Payload))
			round.Epoch = epoch
			if round.Number, err = r.handOver(ctx, round); round.Number == 0 {
				return err
			}
			last = wal.Round{Number: round.Number, Watermark: round.Watermark}
			if err := sent.Put(ctx, round); err != nil {
				return err
			}
		}
		r.following.Gathered(last.Number)
		if !r.gatherer.Open() {
			if err := r.pending.Wait(ctx, seen+1); err != nil {
				return err
			}
		}
		if r.gatherer.PendingBytes() < r.options.RoundBytes {
			if err := r.pause(ctx, r.group.Commit().Reached(uint64(last.Number)), r.options.RoundWait); err != nil {
				return err
			}
		}
		if wait := r.pace(bytes, began-before) - (r.rt.Elapsed() - began); wait > 0 && !r.gatherer.Open() && r.gatherer.PendingBytes() < r.options.RoundBytes {
			if err := quorum.Sleep(ctx, wait); err != nil {
				return err
			}
		}
	}
}

// makeRounds makes rounds of what is pending, behind a watermark. While a worker is in its commit phase for long, with a
// transaction of very many writes, or what is pending is a lot, that is a job: the loop tells others meanwhile that this
// replica leads.
func (r *Replica) makeRounds(ctx context.Context, before hlc.Timestamp) ([]wal.Round, error) {
	most := r.pieceBytesMax
	if r.rt.Rare("shard: small pieces") {
		most = 100 // less than most records have
	}
	if whole, ok := r.gatherer.GatherSoon(r.pieceBytesMax); ok {
		return whole.Split(most, before)
	}
	r.gathering = quorum.Blocking(ctx, quorum.KindJob, "shard gather", func() ([]wal.Round, error) {
		whole := r.gatherer.Gather()
		return whole.Split(most, before)
	})
	return r.gathering.Wait(ctx)
}

// handOver gives the group a round, when it takes one. The number is 0 if it does not any
// more, or with an error.
func (r *Replica) handOver(ctx context.Context, round wal.Round) (wal.RoundNumber, error) {
	for {
		number, err := r.group.Append(round)
		if err == nil {
			r.stats.Rounds++
			r.stats.PayloadBytes += uint64(len(round.Payload))
			return number, nil
		}
		if !errors.Is(err, quorum.ErrOverloaded) {
			return 0, nil // deposed
		}
		if err := r.pause(ctx, r.group.Commit().Reached(r.group.Commit().Value()+1), r.options.RoundWait); err != nil {
			return 0, err
		}
	}
}

// paceSlow is at how many times the rate of PaceBytes in RoundWait the waits begin to grow
// again.
const paceSlow = 4

// pace returns how long after a round the next one is made at least, if it took so long to
// become so many bytes. Below a rate of PaceBytes in RoundWait it is a share of RoundWait:
// rounds get small, and the shorter the wait, the smaller. Above, it is RoundWait; and from
// paceSlow times that rate on, where processors are busy, up to twice as long.
func (r *Replica) pace(bytes int64, took time.Duration) time.Duration {
	wait := r.options.RoundWait
	rate := float64(bytes) / float64(r.options.PaceBytes)
	if took > wait {
		rate *= float64(wait) / float64(took)
	}
	return time.Duration(float64(wait) * (min(1, rate) + min(1, max(0, rate/paceSlow-1))))
}

// pause waits for an event, but no longer than d.
func (r *Replica) pause(ctx context.Context, e quorum.Event, d time.Duration) error {
	if err := quorum.WaitFor(ctx, e, d); err != nil && !errors.Is(err, quorum.ErrTimeout) {
		return err
	}
	return nil
}

// releaseDurable moves the watermark of a leader as its rounds become durable.
func (r *Replica) releaseDurable(ctx context.Context, l *Leadership, group *stream.Leadership, sent *quorum.Queue[wal.Round]) error {
	for {
		round, err := sent.Get(ctx)
		if err != nil {
			return err
		}
		if err := r.group.Commit().Wait(ctx, uint64(round.Number)); err != nil {
			return err
		}
		if group.Ended.Decided() || r.leading.Load() != l {
			return nil // another round may have that number, and what is not certain is taken back; the end of the epoch tells
		}
		r.release(round.Watermark)
		r.noteDurable(&round)
		r.following.Durable(round.Number, round.Watermark)
		l.course.Advance(speculate.Point(round.Watermark))
	}
}
