package shard

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/catalog"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/invariant"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/wal"
)

// applier replays rounds that are durable, in the order of the group's log. One job at
// a time uses it.
type applier struct {
	engine    *occ.Engine
	replayers []*occ.Replayer // one for each worker
	parallel  int             // goroutines
	share     int             // bytes of records that there are for each goroutine at least
	// next is the round to take in next, epoch that of the last one.
	next  wal.RoundNumber
	epoch wal.Epoch
	// applied: all records at or below are in the engine, or were dropped, and none
	// above is.
	applied hlc.Timestamp
	// last is the largest timestamp in a round that was taken in.
	last hlc.Timestamp
	// open are the batches of the epoch with records above applied.
	open []wal.Batch
	// parts are those of a payload whose end has not come.
	parts   [][]byte
	catalog catalogFollower
	// records counts those that were taken in. Any goroutine reads it.
	records atomic.Uint64
}

// take applies rounds, which follow on each other, as far as their watermarks allow.
func (a *applier) take(rounds []wal.Round) error {
	upTo := a.applied
	for i := range rounds {
		r := &rounds[i]
		if r.Number != a.next {
			return fmt.Errorf("shard: round %d came where %d is next", r.Number, a.next)
		}
		if r.Epoch != a.epoch {
			if err := a.finish(upTo); err != nil {
				return err
			}
			a.epoch = r.Epoch
		}
		a.next++
		a.last = max(a.last, r.Last)
		var batches []wal.Batch
		var err error
		switch r.Kind {
		case wal.RoundPart:
			a.parts = append(a.parts, r.Payload)
			continue
		case wal.RoundLastPart:
			batches, err = wal.SplitPayload(slices.Concat(append(a.parts, r.Payload)...))
			a.parts = nil
		case wal.RoundData:
			own := *r // the group's log has these rounds too, and others read them
			batches, err = own.Batches()
		default:
			continue
		}
		if err != nil {
			return fmt.Errorf("shard: round %d: %w", r.Number, err)
		}
		for _, b := range batches {
			if b.Last > a.applied {
				a.records.Add(uint64(b.Records))
				a.open = append(a.open, b)
			}
		}
		upTo = max(upTo, r.Watermark)
	}
	return a.apply(upTo)
}

// finish ends an epoch: its watermark so far is its final one. What is above is
// dropped.
func (a *applier) finish(final hlc.Timestamp) error {
	err := a.apply(final)
	a.parts = nil
	clear(a.open)
	a.open = a.open[:0]
	return err
}

// resume goes on behind a round, for an engine that has executed itself: it has what is at or below
// applied and nothing else. last is the largest timestamp that it has given.
func (a *applier) resume(base wal.Base, applied, last hlc.Timestamp) {
	invariant.Check(len(a.open) == 0, "a leader has nothing left to replay")
	a.next, a.epoch = base.Number+1, base.Epoch
	a.applied, a.last = max(a.applied, applied), max(a.last, last)
}

// apply applies what is in (applied, upTo].
func (a *applier) apply(upTo hlc.Timestamp) error {
	if upTo <= a.applied {
		return nil
	}
	if err := a.replay(upTo); err != nil {
		return err
	}
	if err := a.catalog.follow(upTo); err != nil {
		return err
	}
	left := a.open[:0]
	for _, b := range a.open {
		if b.Last > upTo {
			left = append(left, b)
		}
	}
	clear(a.open[len(left):])
	a.open = left
	a.applied = upTo
	return nil
}

// shareBytes is a replica's share for each goroutine that replays: with less, to wake it takes longer
// than its part.
const shareBytes = 64 << 10

// replay applies the records of open in (applied, upTo], each stream by itself.
func (a *applier) replay(upTo hlc.Timestamp) error {
	var next atomic.Int32
	bytes := 0
	for i := range a.open {
		bytes += a.open[i].Bytes()
	}
	errs := make([]error, min(a.parallel, len(a.replayers), 1+bytes/max(1, a.share)))
	work := func(i int) {
		for errs[i] == nil {
			s := int(next.Add(1)) - 1
			if s >= len(a.replayers) {
				return
			}
			errs[i] = a.replayStream(s, upTo)
		}
	}
	var others sync.WaitGroup
	for i := 1; i < len(errs); i++ {
		others.Go(func() { work(i) })
	}
	work(0)
	others.Wait()
	return errors.Join(errs...)
}

// replayStream applies one stream's part. A stream that this replica has no worker for
// shares one.
func (a *applier) replayStream(s int, upTo hlc.Timestamp) error {
	p, began := a.replayers[s], false
	for i := range a.open {
		b := &a.open[i]
		if int(b.Stream)%len(a.replayers) != s || b.First > upTo {
			continue
		}
		if !began {
			p.Begin()
			defer p.End()
			began = true
		}
		if err := a.replayBatch(p, b, upTo); err != nil {
			return fmt.Errorf("shard: stream %d: %w", b.Stream, err)
		}
	}
	return nil
}

func (a *applier) replayBatch(p *occ.Replayer, b *wal.Batch, upTo hlc.Timestamp) error {
	var (
		w      wal.Write
		tables [16]*occ.Table // that were written to lately, by the end of their numbers
		many   [occ.ReplayGroup]occ.Replayed
		n      int
	)
	r := b.Read()
	for r.Next() {
		ts := r.Timestamp()
		if ts > upTo {
			break // they are in order
		}
		if ts <= a.applied {
			continue
		}
		for r.NextWrite(&w) {
			id := occ.TableID(w.Table)
			if c := &a.catalog; c.follows && id == catalog.TableID() {
				c.note(&w, ts)
			}
			table := tables[id.Number()%uint32(len(tables))]
			if table == nil || table.ID() != id {
				var err error
				if table, err = a.engine.AddTable(id); err != nil {
					return err
				}
				tables[id.Number()%uint32(len(tables))] = table
			}
			many[n] = occ.Replayed{Table: table, Key: w.Key, Value: w.Value, Delete: w.Kind == wal.KindDelete, TS: ts}
			if n++; n == len(many) {
				if err := p.ApplyMany(many[:n]); err != nil {
					return err
				}
				n = 0
			}
		}
	}
	if err := r.Err(); err != nil {
		return err
	}
	return p.ApplyMany(many[:n])
}
