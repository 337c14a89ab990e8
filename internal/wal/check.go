package wal

import (
	"context"
	"errors"
	"io"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
)

// CheckOptions say which log to check. It is not written to and must not be open.
type CheckOptions struct {
	FS  env.FS
	Dir string
	// Reach is the file that says how far the log goes, "" if it has none yet.
	Reach string
	// ID is the database that the log belongs to. Zero stands for the one that Reach
	// names, or else its first readable segment.
	ID DatabaseID
	// From is the timestamp of the checkpoint that the log goes on from, FromFile
	// the file that has it, for errors.
	From     hlc.Timestamp
	FromFile string
}

// CheckReport is what Check has found.
type CheckReport struct {
	Segments int
	Rounds   int64
	Batches  int64
	Records  int64
	Bytes    int64 // of rounds
	// Watermark and Clean are as in Recovered; they mean nothing if there are
	// problems.
	Watermark hlc.Timestamp
	Clean     bool
	// Problems are in the order of the log, nearly all of them
	// dberr.CorruptionErrors. A damaged part can hide others behind it.
	Problems []error
}

// Check verifies everything that Recover would read, and goes on where that
// would give up. Its error says why it could not go on: the disk can not be read,
// or ctx has ended.
func Check(ctx context.Context, o CheckOptions) (*CheckReport, error) {
	k := &checker{report: &CheckReport{}, pool: newChunkPool(), closed: map[StreamID]hlc.Timestamp{}}
	reach, err := loadReach(o.FS, o.Reach, o.ID)
	if err != nil {
		if !k.damage(err) {
			return nil, err
		}
		reach = reachSlot{}
	}
	if err := reach.begins(o.From, o.FromFile); err != nil {
		k.problem(err)
	}
	if o.ID == (DatabaseID{}) {
		o.ID = reach.id
	}
	c, err := loadChain(o.FS, o.Dir, o.ID, reach.Reach, o.From, k.problem)
	if err != nil {
		return nil, err
	}
	k.report.Segments = len(c.segments)
	for i := range c.segments {
		if err := k.segment(ctx, c, i); err != nil {
			return nil, err
		}
	}
	return k.report, nil
}

type checker struct {
	report *CheckReport
	pool   *chunkPool
	closed map[StreamID]hlc.Timestamp
}

func (k *checker) problem(err error) { k.report.Problems = append(k.report.Problems, err) }

// segment goes through the rounds of a segment. After one that is not sound it
// looks for the next one that is.
func (k *checker) segment(ctx context.Context, c *chain, i int) error {
	r, f, err := c.openRounds(i, k.pool)
	if err != nil {
		return err
	}
	defer f.Close()
	defer r.close()
	last := c.segments[i].end < 0
	before := len(k.report.Problems)
	for ctx.Err() == nil {
		at, want := r.place.offset, r.want
		err := r.next()
		if err == nil {
			err = k.batches(r)
		}
		switch {
		case err == nil:
			k.report.Rounds++
			k.report.Batches += int64(len(r.batches))
			k.report.Bytes += r.header.bytes
			k.report.Watermark, k.report.Clean = max(k.report.Watermark, r.base.Watermark), r.header.clean
			continue
		case errors.Is(err, io.EOF):
			if !last && len(k.report.Problems) == before && i+1 < len(c.segments) {
				if err := checkEnd(r, &c.segments[i+1].header); err != nil {
					k.problem(err)
				}
			}
			if i+1 == len(c.segments) && len(k.report.Problems) == before && c.complete() && want <= c.reach.Round {
				k.problem(r.endsEarly(c.reach.Round))
			}
			return nil
		case last && isTorn(err):
			if durable, err := r.wasDurable(at, want, c.reach.Round); err != nil || !durable {
				return err // the log's end, as a crash leaves it
			}
		}
		if !k.damage(err) {
			return err
		}
		if r.place.offset > at {
			continue // only the records are damaged
		}
		if ok, err := r.skip(at + blockBytes); err != nil || !ok {
			return err
		}
	}
	return ctx.Err()
}

// batches verifies the current round's batches.
func (k *checker) batches(r *roundReader) error {
	at := int64(0)
	for i := range r.batches {
		var b placedBatch
		b, at = r.batch(i, at, 0, hlc.Max)
		if _, err := b.verify(); err != nil {
			return err
		}
		// Invariant I5.
		if b.First <= k.closed[b.Stream] {
			return dberr.Corrupt(b.name, b.offset, "stream %d has a record at %d in round %d, after it has closed %d",
				b.Stream, b.First, b.round, k.closed[b.Stream])
		}
		k.closed[b.Stream] = b.Closed
		k.report.Records += int64(b.Records)
	}
	return nil
}

// damage notes what is wrong, if it is with the bytes read.
func (k *checker) damage(err error) bool {
	err = plain(err)
	if !errors.Is(err, dberr.ErrCorrupt) {
		return false
	}
	k.problem(err)
	return true
}

// skipTo goes on with a round behind some that can not be told.
func (r *roundReader) skipTo(at int64, h *roundHeader) {
	r.place.offset, r.want = at, h.number
	r.base.Number, r.base.Epoch = h.entry-1, h.epoch
	if h.kind == RoundOpen {
		r.base.Epoch--
	}
}

// skip moves the reader to the next round header of its segment from offset on.
// It returns false if there is none.
func (r *roundReader) skip(offset int64) (bool, error) {
	h, at, ok, err := r.find(offset, func(h roundHeader) bool { return h.nonce == r.nonce && h.number >= r.want })
	if ok {
		r.skipTo(at, &h)
	}
	return ok, err
}
