package wal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
)

// RecoverOptions say which log to recover and who takes its records.
type RecoverOptions struct {
	FS  env.FS
	Dir string
	// Reach is the file that says how far the log goes, "" if it has none yet.
	Reach string
	ID    DatabaseID
	// From is the timestamp of the checkpoint that the records are applied to:
	// those at or below it are in there and are left out.
	From hlc.Timestamp
	// FromFile is the name of what has From, for errors.
	FromFile string
	// Workers is how many goroutines call Apply, 1 if it is 0.
	Workers int
	// Apply is called with batches in any order, from Workers goroutines, each
	// with a number of its own. The batch and what is read from it are valid until
	// it returns. Records that several batches have of the same key are ordered by
	// their timestamps. nil applies nothing.
	Apply func(worker int, b *Batch) error
	// Due, if not nil, is asked before each round, with the bytes of that and of what
	// is being applied, whether it is time for Settle. That is called while nothing is
	// being applied, with a timestamp: all records at or below it have been.
	Due    func(bytes int64) bool
	Settle func(applied hlc.Timestamp) error
	// Progress, if not nil, is called now and then, by one goroutine at a time.
	Progress func(bytesDone, bytesTotal int64)
}

// Recovered is what Recover has found; Open goes on from there.
type Recovered struct {
	// Watermark is where the log ends: every record at or below it is there, and
	// those above it were dropped. It is From if the log ends before that.
	Watermark hlc.Timestamp
	// Last is the largest timestamp in the log, of a dropped record too, or From. A
	// clock that has observed it keeps what the streams have closed (Invariant I5),
	// and gives no timestamp that the checkpoint has passed.
	Last hlc.Timestamp
	// Clean tells whether the log was closed.
	Clean   bool
	Rounds  int64
	Batches int64
	Records int64 // dropped ones and those at or below From too
	Dropped int64
	Bytes   int64

	id       DatabaseID
	dir      string
	from     hlc.Timestamp
	segment  SegmentNumber // the last one, 0 if there is none
	tail     tail          // in that segment
	segments []pastSegment
	unused   []SegmentNumber
	spares   []uint64
}

// Reach returns how far the log goes.
func (r *Recovered) Reach() Reach {
	return Reach{Start: r.from, Segment: r.segment, Round: r.tail.round}
}

// Recover reads the log and applies its records. A crash can have left rounds
// half written at the log's end; those end it. Anything else that is not sound is
// a dberr.CorruptionError, and nothing that was applied may be used then.
func Recover(ctx context.Context, o RecoverOptions) (*Recovered, error) {
	if err := settle(o.FS, o.Dir, o.Reach); err != nil {
		return nil, err
	}
	reach, err := loadReach(o.FS, o.Reach, o.ID)
	if err != nil {
		return nil, err
	}
	if err := reach.begins(o.From, o.FromFile); err != nil {
		return nil, err
	}
	var problem error
	c, err := loadChain(o.FS, o.Dir, o.ID, reach.Reach, o.From, func(err error) {
		if problem == nil {
			problem = err
		}
	})
	if err = errors.Join(err, problem); err != nil {
		return nil, err
	}
	t, err := c.findTail()
	if err != nil {
		return nil, err
	}
	found := &Recovered{
		Watermark: max(t.base.Watermark, o.From), Last: max(t.base.Last, o.From), Clean: t.clean,
		id: o.ID, dir: o.Dir, from: o.From, tail: t, unused: append(c.void, c.unused...), spares: c.spares,
	}
	for i := range c.segments {
		s := &c.segments[i]
		found.segment = s.header.number
		found.Watermark = max(found.Watermark, s.to)
		last := t.base.Last
		if i+1 < len(c.segments) {
			last = c.segments[i+1].header.base.Last
		}
		found.segments = append(found.segments, pastSegment{s.header.number, s.size, last})
	}
	if err := replay(ctx, &o, c, found); err != nil {
		return nil, err
	}
	return found, nil
}

// settle makes the last segments durable as they are now and then has them read
// from the disk. What a dead process has written but not synced is in the system's
// memory alone; and what it failed to sync may be there although it never gets
// to the disk. The log's end must not depend on either. Before a segment gets its
// header, the one before it is durable, so two are enough. So it is with the file
// reach: the slot that is overwritten next is not the one that is durable.
func settle(fsys env.FS, dir, reach string) error {
	names, err := fsys.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	left := 2
	for i := len(names) - 1; i >= 0 && left > 0; i-- {
		if _, ok := parseSegmentName(names[i]); !ok {
			continue
		}
		left--
		if err := settleFile(fsys, filepath.Join(dir, names[i])); err != nil {
			return err
		}
	}
	if reach == "" {
		return nil
	}
	if err := settleFile(fsys, reach); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func settleFile(fsys env.FS, name string) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	err = f.Sync()
	if err == nil {
		err = f.Evict()
	}
	return errors.Join(err, f.Close())
}

// job is a batch on its way to a worker.
type job struct {
	batch placedBatch
	chunk *chunk
}

// replayer reads the rounds in one goroutine and has their batches verified and
// applied in others.
type replayer struct {
	opt   *RecoverOptions
	found *Recovered
	pool  *chunkPool
	jobs  chan job
	ctx   context.Context

	dropped     atomic.Int64
	done, total int64
	// applied: no record that is still to be read is at or below.
	applied hlc.Timestamp

	// What is on its way to the workers or being applied by one.
	running      sync.WaitGroup
	runningBytes atomic.Int64

	fail context.CancelCauseFunc
}

// replay applies all records of the chain that are in bounds.
func replay(ctx context.Context, o *RecoverOptions, c *chain, found *Recovered) error {
	workers := max(1, o.Workers)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := &replayer{opt: o, found: found, pool: newChunkPool(chunkBytes), jobs: make(chan job, 4*workers), ctx: ctx, fail: cancel}
	for i := range c.segments {
		p.total += c.segments[i].end
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { p.work(w) })
	}
	for i := range c.segments {
		if err := p.read(c, i); err != nil {
			p.fail(err)
			break
		}
	}
	close(p.jobs)
	wg.Wait()
	found.Dropped = p.dropped.Load()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if o.Progress != nil {
		o.Progress(p.total, p.total)
	}
	return nil
}

// read goes through the rounds of a segment.
func (p *replayer) read(c *chain, i int) error {
	s := &c.segments[i]
	r, f, err := c.openRounds(i, p.pool)
	if err != nil {
		return err
	}
	defer f.Close()
	defer r.close()
	from := p.done
	for p.ctx.Err() == nil {
		p.applied = max(p.applied, r.low) // if the rounds up to here are
		if err := r.next(); err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			return plain(err)
		}
		if err := p.settle(r.header.bytes); err != nil {
			return err
		}
		p.found.Rounds++
		p.found.Batches += int64(len(r.batches))
		p.found.Bytes += r.header.bytes
		for b := range r.placed(p.opt.From, s.to) {
			p.found.Records += int64(b.Records)
			r.chunk.hold()
			p.running.Add(1)
			p.runningBytes.Add(int64(len(b.data)))
			p.jobs <- job{b, r.chunk}
		}
		p.done = from + r.place.offset
		if p.opt.Progress != nil {
			p.opt.Progress(p.done, p.total)
		}
	}
	p.done = from + s.end
	if i+1 < len(c.segments) && p.ctx.Err() == nil {
		return checkEnd(r, &c.segments[i+1].header)
	}
	return nil
}

// settle has the rounds so far settled if that is due before one of so many bytes.
func (p *replayer) settle(bytes int64) error {
	if p.opt.Due == nil || !p.opt.Due(p.runningBytes.Load()+bytes) {
		return nil
	}
	p.running.Wait()
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	return p.opt.Settle(p.applied)
}

// checkEnd compares where the rounds of a segment have ended with what the next
// segment's header says.
func checkEnd(r *roundReader, next *segmentHeader) error {
	if r.want != next.firstRound || r.base != next.base {
		return dberr.Corrupt(r.name, r.place.offset, "the segment ends with round %d, %+v; its successor says %d, %+v",
			r.want-1, r.base, next.firstRound-1, next.base)
	}
	return nil
}

// work verifies and applies batches until there are no more. After a failure it
// only lets go of them, so that the reader does not get stuck.
func (p *replayer) work(worker int) {
	for j := range p.jobs {
		if p.ctx.Err() == nil {
			if err := p.apply(worker, &j.batch); err != nil {
				p.fail(err)
			}
		}
		j.chunk.letGo()
		p.runningBytes.Add(-int64(len(j.batch.data)))
		p.running.Done()
	}
}

func (p *replayer) apply(worker int, b *placedBatch) error {
	above, err := b.verify()
	if err != nil {
		return plain(err)
	}
	p.dropped.Add(int64(above))
	if p.opt.Apply == nil || b.Last <= b.from || b.First > b.to {
		return nil
	}
	if err := p.opt.Apply(worker, &b.Batch); err != nil {
		return fmt.Errorf("applying stream %d of round %d: %w", b.Stream, b.round, b.locate(err))
	}
	return nil
}
