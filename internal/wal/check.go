package wal

import (
	"context"
	"errors"

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
	// Replica: a Tape has written it, in which rounds take the place of others.
	Replica bool
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

// Check verifies everything that is read when the log is opened and replayed, and goes on
// where that would give up. Its error says why it could not go on: the disk can not be
// read, or ctx has ended.
func Check(ctx context.Context, o CheckOptions) (*CheckReport, error) {
	k := &checker{opt: &o, report: &CheckReport{}, pool: newChunkPool(chunkBytes), closed: map[StreamID]hlc.Timestamp{}}
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
	for next := 0; next < len(c.segments); {
		var s *survey
		if s, next, err = c.survey(next); err != nil {
			return nil, err
		}
		if err := k.rounds(ctx, &s.table); err != nil {
			return nil, err
		}
		if s.replaced != nil && !o.Replica {
			k.problem(s.replaced)
		}
		if s.broken != nil {
			k.problem(s.broken)
		}
	}
	return k.report, nil
}

type checker struct {
	opt    *CheckOptions
	report *CheckReport
	pool   *chunkPool
	closed map[StreamID]hlc.Timestamp
}

func (k *checker) problem(err error) { k.report.Problems = append(k.report.Problems, err) }

// rounds verifies the rounds that a survey has found.
func (k *checker) rounds(ctx context.Context, t *tapeTable) error {
	for n := t.base.Number + 1; n <= t.last(); {
		e := t.entry(n)
		if e.damage != nil {
			d := t.damageAt(n)
			k.damage(d)
			n = d.To + 1
			continue
		}
		var err error
		if n, err = k.roundsIn(ctx, t, n, e.segment); err != nil {
			return err
		}
	}
	return nil
}

// roundsIn verifies the rounds from n on that are in a segment. It returns the first one that
// is elsewhere, or damaged.
func (k *checker) roundsIn(ctx context.Context, t *tapeTable, n RoundNumber, s *segment) (RoundNumber, error) {
	f, err := k.opt.FS.OpenRead(s.name)
	if err != nil {
		return n, err
	}
	defer f.Close()
	r := newRoundReader(f, s.name, &s.header, s.size, k.pool)
	defer r.close()
	for e := t.entry(n); e != nil && e.segment == s && e.damage == nil; e = t.entry(n) {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		if e.offset != r.place.offset {
			r.seek(n, e)
		}
		if err := k.round(r); err != nil && !k.damage(&DamagedError{From: n, To: n, Err: plain(err)}) {
			return n, err
		}
		n++
	}
	return n, nil
}

// round verifies the next round.
func (k *checker) round(r *roundReader) error {
	read := r.next
	if k.opt.Replica {
		read = r.read
	}
	if err := read(); err != nil {
		return err
	}
	records := 0
	for b := range r.placed(0, hlc.Max) {
		if _, err := b.verify(); err != nil {
			return err
		}
		if closed := k.closed[b.Stream]; b.First <= closed && !k.opt.Replica { // Invariant I5
			return dberr.Corrupt(b.name, b.offset, "stream %d has a record at %d in round %d, after it has closed %d", b.Stream, b.First, b.round, closed)
		}
		k.closed[b.Stream] = b.Closed
		records += b.Records
	}
	k.report.Rounds++
	k.report.Batches += int64(len(r.batches))
	k.report.Records += int64(records)
	k.report.Bytes += r.header.bytes
	k.report.Watermark, k.report.Clean = max(k.report.Watermark, r.base.Watermark), r.header.clean
	return nil
}

// damage notes what is wrong, if it is with the bytes read. Of rounds it tells which: where
// there are several members, others have them.
func (k *checker) damage(err error) bool {
	if !errors.Is(err, dberr.ErrCorrupt) {
		return false
	}
	var d *DamagedError
	var c *dberr.CorruptionError
	if errors.As(err, &d) && errors.As(err, &c) {
		err = dberr.Corrupt(c.File, c.Offset, "rounds %d to %d: %s", d.From, d.To, c.Reason)
	}
	k.problem(err)
	return true
}
