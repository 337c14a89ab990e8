package stream

import (
	"context"
	"math"

	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// Tape is where a member keeps its rounds (wal.Tape). Its methods are called in jobs,
// one at a time but for Read.
type Tape interface {
	// Append writes rounds, which are not durable then. A round whose number is at or
	// below the last one replaces that and all behind it.
	Append(rounds []wal.Round) error
	Sync() error
	Read(from wal.RoundNumber, bytesMax int) ([]wal.Round, error)
	Discard(before wal.RoundNumber) error
	Reset(base wal.Base) error
}

// BallotFile is where a member keeps what it has promised.
type BallotFile interface {
	Save(b wal.Ballot) error
}

// disk is what a member has put to be written, and how much of it is written.
type disk struct {
	tape    Tape
	ballots BallotFile
	pending batch
	bytes   uint64 // of the rounds in pending
	put     *quorum.Watermark
	durable *quorum.Watermark
	// written is the last of the rounds that can be read from the tape; cut is up to
	// where those being written are still the log's.
	written, cut wal.RoundNumber
}

// batch is what one job writes, in this order.
type batch struct {
	ballot  *wal.Ballot
	reset   *wal.Base
	rounds  []wal.Round
	discard wal.RoundNumber
}

func newDisk(ctx context.Context, t Tape, b BallotFile, last wal.RoundNumber) *disk {
	d := &disk{tape: t, ballots: b, written: last,
		put: quorum.NewWatermark(ctx, "stream put", 0), durable: quorum.NewWatermark(ctx, "stream durable", 0)}
	d.durable.Behind(quorum.KindDisk, 1, 1)
	return d
}

func (d *disk) kick() { d.put.Advance(d.put.Value() + 1) }

func (d *disk) save(b wal.Ballot) {
	d.pending.ballot = &b
	d.kick()
}

// append puts a round behind the others; if its number is not the next one, the rounds
// from there on are dropped.
func (d *disk) append(r wal.Round) {
	d.drop(r.Number)
	d.pending.rounds = append(d.pending.rounds, r)
	d.bytes += sizeOf(&r)
	d.kick()
}

// drop forgets the rounds from n on.
func (d *disk) drop(n wal.RoundNumber) {
	for i := len(d.pending.rounds) - 1; i >= 0 && d.pending.rounds[i].Number >= n; i-- {
		d.bytes -= sizeOf(&d.pending.rounds[i])
		d.pending.rounds = d.pending.rounds[:i]
	}
	d.cut, d.written = min(d.cut, n-1), min(d.written, n-1)
}

// reset puts an empty log behind base in place of all rounds.
func (d *disk) reset(base wal.Base) {
	d.drop(1)
	d.pending.reset = &base
	d.kick()
}

func (d *disk) discard(before wal.RoundNumber) {
	d.pending.discard = max(d.pending.discard, before)
	d.kick()
}

// sync waits until all that has been put is on the disk.
func (d *disk) sync(ctx context.Context) error { return d.durable.Wait(ctx, d.put.Value()) }

// run writes what is put until ctx ends or the disk fails. After each job it calls done.
func (d *disk) run(ctx context.Context, done func()) error {
	for {
		if err := d.put.Wait(ctx, d.durable.Value()+1); err != nil {
			return err
		}
		upTo, b := d.put.Value(), d.pending
		d.pending, d.bytes, d.cut = batch{}, 0, math.MaxUint64
		job := quorum.Disk(ctx, "stream write", func() error { return d.write(&b) })
		// However long it takes: nobody but this task waits for the job alone.
		if err := quorum.Wait(ctx, job); err != nil {
			d.durable.Fail(err)
			return err
		}
		if n := len(b.rounds); n > 0 {
			d.written = max(d.written, min(d.cut, b.rounds[n-1].Number))
		}
		d.durable.Advance(upTo)
		done()
	}
}

// write is the job.
func (d *disk) write(b *batch) error {
	if b.ballot != nil {
		if err := d.ballots.Save(*b.ballot); err != nil {
			return err
		}
	}
	if b.reset != nil {
		if err := d.tape.Reset(*b.reset); err != nil {
			return err
		}
	}
	if len(b.rounds) > 0 {
		if err := d.tape.Append(b.rounds); err != nil {
			return err
		}
		if err := d.tape.Sync(); err != nil {
			return err
		}
	}
	if b.discard > 0 {
		return d.tape.Discard(b.discard)
	}
	return nil
}
