package shard

import (
	"context"
	"errors"

	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/speculate"
)

// follow applies what becomes durable, until this replica leads and has applied all that
// was before its epoch.
func (r *Replica) follow(ctx context.Context) (*stream.Leadership, error) {
	for {
		seen := r.changed.Value()
		commit := wal.RoundNumber(r.group.Commit().Value())
		switch l := r.elected; {
		case r.applier.next <= commit:
			if err := r.step(ctx, commit); err != nil {
				return nil, err
			}
			continue
		case l != nil && l.Opened.Decided() && !l.Ended.Decided():
			return l, nil // all of the log is applied, its barrier too
		}
		_, err := quorum.Select(ctx, r.group.Commit().Reached(uint64(commit)+1), r.changed.Reached(seen+1))
		if err != nil {
			return nil, err
		}
		if wait := r.stepped + r.options.Group.Lag - r.rt.Elapsed(); wait > 0 {
			// What a step costs, whatever is in it, is shared by more rounds. Who is elected has no time to lose.
			if err := r.pause(ctx, r.changed.Reached(seen+1), wait); err != nil {
				return nil, err
			}
		}
	}
}

// step applies some of the rounds up to commit.
func (r *Replica) step(ctx context.Context, commit wal.RoundNumber) error {
	rounds, err := r.group.Rounds(ctx, r.applier.next, r.options.StepBytesMax)
	if errors.Is(err, stream.ErrGone) {
		// A checkpoint that has it will be fetched, or somebody gives it after all.
		if r.gone != r.applier.next {
			r.gone = r.applier.next
			r.changed.Advance(r.changed.Value() + 1)
		}
		return quorum.Sleep(ctx, fetchRetry)
	}
	if err != nil {
		return err
	}
	r.gone = 0
	if most := int(commit - r.applier.next + 1); len(rounds) > most {
		rounds = rounds[:most]
	}
	r.moving = true
	if err := r.replay(ctx, rounds); err != nil {
		return err
	}
	r.clock.Observe(r.applier.last)
	r.release(r.applier.applied)
	for i := range rounds {
		r.noteDurable(&rounds[i])
	}
	r.stepped = r.rt.Elapsed()
	return r.rest(ctx)
}

// replayHere is how many bytes of rounds are replayed on the loop: to have it done beside that takes as long.
const replayHere = 16 << 10

// replay applies rounds, with the engine moving.
func (r *Replica) replay(ctx context.Context, rounds []wal.Round) error {
	bytes := 0
	for i := range rounds {
		bytes += len(rounds[i].Payload)
	}
	if bytes <= replayHere && !r.rt.Rare("shard: replay beside the loop") {
		return r.applier.take(rounds)
	}
	return r.job(ctx, "shard replay", func() error { return r.applier.take(rounds) })
}

// noteDurable takes note of a round that is durable and whose records are there as far
// as they are released.
func (r *Replica) noteDurable(round *wal.Round) {
	r.bases.add(round, r.Released())
	r.logBytes += int64(len(round.Payload))
}

// rest says that the engine is at rest, and lets those go on who want it so.
func (r *Replica) rest(ctx context.Context) error {
	r.moving = false
	r.still.Advance(r.still.Value() + 1)
	if r.wanted == 0 {
		return nil
	}
	return quorum.Yield(ctx)
}

// job does something beside the loop.
func (r *Replica) job(ctx context.Context, name string, f func() error) error {
	_, err := quorum.Blocking(ctx, quorum.KindJob, name, func() (struct{}, error) { return struct{}{}, f() }).Wait(ctx)
	return err
}

// abdicate ends a leadership whose engine is sealed: it takes back what is not known to be
// certain. So the engine is at rest at once, and snapshots can be read however long nobody else
// leads. What of it turns out to be certain is replayed like what others have executed.
func (r *Replica) abdicate(ctx context.Context, l *Leadership) error {
	certain := r.Released()
	base, err := r.bases.first(certain)
	if err != nil {
		return err
	}
	if err := r.job(ctx, "shard roll back", func() error { return r.engine.RollBack(certain) }); err != nil {
		return err
	}
	if err := r.readCatalog(ctx, certain); err != nil {
		return err
	}
	r.applier.resume(base, certain, r.clock.Last())
	quorum.Go(ctx, "shard outcome", func(ctx context.Context) error { return r.settle(ctx, l) })
	return r.rest(ctx)
}

// settle tells those who wait what has become of a leadership that is over, when that is known.
func (r *Replica) settle(ctx context.Context, l *Leadership) error {
	f, err := r.final(ctx, l.Epoch)
	if err != nil {
		l.course.Fail(ErrStopped)
		return err
	}
	_ = r.applied.Wait(ctx, uint64(f.Watermark)) // who is told finds it here, if the replica goes on
	if err := l.course.End(speculate.Point(f.Watermark)); err != nil {
		return err
	}
	r.still.Advance(r.still.Value() + 1)
	return nil
}

// final waits until an epoch's final watermark is fixed.
func (r *Replica) final(ctx context.Context, epoch wal.Epoch) (stream.Final, error) {
	for {
		commit := r.group.Commit().Value()
		for _, f := range r.group.Finals() {
			if f.Epoch == epoch {
				return f, nil
			}
			if f.Epoch > epoch {
				return f, errors.New("shard: the end of the own epoch is not in the log any more")
			}
		}
		if err := r.group.Commit().Wait(ctx, commit+1); err != nil {
			return stream.Final{}, err
		}
	}
}
