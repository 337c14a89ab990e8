package stream

import (
	"cmp"
	"context"
	"errors"
	"math"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// Tape is where a member keeps its rounds: a wal.Tape. Its methods are called in jobs,
// one at a time but for Read; and that not beside Discard and Reset, which take away
// what is read.
type Tape interface {
	Append(rounds []wal.Round) error
	AppendDurably(rounds []wal.Round) error
	Repair(rounds []wal.Round) error
	Sync() error
	Witness() error
	Read(from wal.RoundNumber, bytesMax int) ([]wal.Round, error)
	Discard(before wal.RoundNumber) error
	Reset(base wal.Base) error
}

// BallotFile is where a member keeps what it has promised: a wal.BallotFile.
type BallotFile interface {
	Put(b wal.Ballot) error
}

const (
	// witnessAfter is after how long without a write the last one gets its witness.
	witnessAfter = 200 * time.Millisecond
	// Rounds that nobody waits for are written when they are lazyBytes, or lazyWait has
	// passed, and synced when they are lazySyncBytes, or lazySyncAfter has passed: what a
	// write and a sync cost, whatever is in it, is shared by more of them.
	lazyBytes     = 1 << 20
	lazyWait      = 20 * time.Millisecond
	lazySyncBytes = 16 << 20
	lazySyncAfter = 200 * time.Millisecond
	// fullPause is how long a full disk is left alone before the next attempt.
	fullPause = 100 * time.Millisecond
)

// disk is what a member has put to be written, and how much of it is written.
type disk struct {
	tape    Tape
	ballots BallotFile
	logf    func(format string, args ...any)
	// With lazyMax above 0 nobody waits for rounds (Memory): they may wait to become as many
	// bytes, and durable moves when they are written. All else is synced before all the same.
	lazyMax uint64
	pending batch
	bytes   uint64 // of the rounds in pending
	put     *quorum.Watermark
	durable *quorum.Watermark
	// promises counts the ballots that were put, kept those that are on the disk. A ballot needs
	// no room, so it does not wait behind rounds that wait for some.
	promises *quorum.Watermark
	kept     *quorum.Watermark
	hurry    *quorum.Watermark // moves when what is pending should wait no longer
	// unsynced is how many bytes were written since synced, the time of the last sync.
	unsynced uint64
	synced   time.Duration
	// written is the last of the rounds that can be read from the tape; cut is up to
	// where those being written are still the log's.
	written, cut wal.RoundNumber
	// Who takes rounds away is alone with the tape.
	reads int
	alone bool
	turn  *quorum.Watermark // moves when one of these changes
	full  bool              // what is being written waits for room
	// discarded is before which rounds there were none any more at the last attempt to write, but for those
	// that are needed.
	discarded wal.RoundNumber
}

// batch is what one job writes, in this order.
type batch struct {
	ballot  *wal.Ballot
	promise uint64 // the ballot's number
	repair  []wal.Round
	reset   *wal.Base
	rounds  []wal.Round
	discard wal.RoundNumber
	sync    bool // all rounds so far
}

func newDisk(ctx context.Context, t Tape, b BallotFile, logf func(string, ...any)) *disk {
	d := &disk{tape: t, ballots: b, logf: logf, turn: quorum.NewWatermark(ctx, "stream turn", 0), hurry: quorum.NewWatermark(ctx, "stream hurry", 0),
		put: quorum.NewWatermark(ctx, "stream put", 0), durable: quorum.NewWatermark(ctx, "stream durable", 0),
		promises: quorum.NewWatermark(ctx, "stream promises", 0), kept: quorum.NewWatermark(ctx, "stream kept", 0)}
	d.durable.Behind(quorum.KindDisk, 1, 1)
	d.kept.Behind(quorum.KindDisk, 1, 1)
	return d
}

func (d *disk) kick() {
	d.put.Advance(d.put.Value() + 1)
	if d.urgent() {
		d.hurry.Advance(d.put.Value())
	}
}

// urgent tells whether what is pending should be written at once.
func (d *disk) urgent() bool {
	p := &d.pending
	return p.sync || p.ballot != nil || p.reset != nil || p.discard > 0 || d.bytes >= d.lazyMax
}

// save puts a ballot and returns its number.
func (d *disk) save(b wal.Ballot) uint64 {
	d.promises.Advance(d.promises.Value() + 1)
	d.pending.ballot, d.pending.promise = &b, d.promises.Value()
	d.kick()
	return d.pending.promise
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

// repair writes rounds anew that are damaged on the tape.
func (d *disk) repair(rounds []wal.Round) {
	d.pending.repair = append(d.pending.repair, rounds...)
	d.kick()
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
func (d *disk) sync(ctx context.Context) error {
	d.pending.sync = true
	d.kick()
	return d.durable.Wait(ctx, d.put.Value())
}

// run writes what is put until ctx ends or the disk fails. After each job it calls done.
func (d *disk) run(ctx context.Context, done func()) error {
	witnessed := true
	for {
		err := d.await(ctx, witnessed)
		if errors.Is(err, quorum.ErrTimeout) {
			err = quorum.Wait(ctx, quorum.Disk(ctx, "stream witness", d.witness))
			witnessed, d.unsynced = true, 0
		} else if err == nil {
			upTo, b := d.put.Value(), d.take(ctx)
			if err = d.write(ctx, &b); err == nil {
				if n := len(b.rounds); n > 0 {
					d.written = max(d.written, min(d.cut, b.rounds[n-1].Number))
					witnessed = false
				}
				d.durable.Advance(upTo)
				done()
			}
		}
		if err != nil {
			d.durable.Fail(err)
			d.kept.Fail(err)
			return err
		}
	}
}

// await waits for something to write, and not for long if the last write has no witness.
func (d *disk) await(ctx context.Context, witnessed bool) error {
	more := d.put.Reached(d.durable.Value() + 1)
	var err error
	if witnessed {
		err = quorum.Wait(ctx, more)
	} else {
		err = quorum.WaitFor(ctx, more, witnessAfter)
	}
	if err != nil || d.urgent() {
		return err
	}
	if err = quorum.WaitFor(ctx, d.hurry.Reached(d.put.Value()+1), lazyWait); errors.Is(err, quorum.ErrTimeout) {
		err = nil
	}
	return err
}

// take takes what is pending.
func (d *disk) take(ctx context.Context) batch {
	b, now := d.pending, quorum.RuntimeOf(ctx).Elapsed()
	d.unsynced += d.bytes
	b.sync = b.sync || d.lazyMax == 0 || d.unsynced >= lazySyncBytes || now-d.synced >= lazySyncAfter
	if b.sync {
		d.unsynced, d.synced = 0, now
	}
	d.pending, d.bytes, d.cut = batch{}, 0, math.MaxUint64
	return b
}

// witness syncs what was written and takes down that it is.
func (d *disk) witness() error {
	if err := d.tape.Sync(); err != nil {
		return err
	}
	return d.tape.Witness()
}

// seize waits until nobody reads from the tape, and keeps others from it until release.
func (d *disk) seize(ctx context.Context) (release func(), err error) {
	d.alone = true
	release = func() { d.alone = false; d.turn.Advance(d.turn.Value() + 1) }
	for d.reads > 0 {
		if err := d.turn.Wait(ctx, d.turn.Value()+1); err != nil {
			release()
			return nil, err
		}
	}
	return release, nil
}

// write writes a batch, when there is room for it. What a checkpoint makes superfluous meanwhile
// is discarded before: it may be what takes the room. What is promised meanwhile needs none.
func (d *disk) write(ctx context.Context, b *batch) error {
	defer func() { d.full = false }()
	for {
		b.discard, d.pending.discard = max(b.discard, d.pending.discard), 0
		if d.pending.ballot != nil {
			b.ballot, b.promise, d.pending.ballot = d.pending.ballot, d.pending.promise, nil
		}
		err := d.attempt(ctx, b)
		full := errors.Is(err, dberr.ErrDiskFull)
		switch {
		case full && !d.full:
			d.logf("the log waits for room: %v", err)
		case d.full && !full:
			d.logf("the log waits for room no longer")
		}
		d.full = full
		if err == nil || full {
			d.discarded = max(d.discarded, b.discard)
		}
		if !full {
			return err
		}
		if err := quorum.WaitFor(ctx, d.promises.Reached(max(b.promise, d.kept.Value())+1), fullPause); err != nil && !errors.Is(err, quorum.ErrTimeout) {
			return err
		}
	}
}

// attempt writes a batch if there is room.
func (d *disk) attempt(ctx context.Context, b *batch) error {
	if b.reset != nil || b.discard > 0 {
		release, err := d.seize(ctx)
		if err != nil {
			return err
		}
		defer release()
	}
	// However long it takes: nobody but this task waits for the job alone.
	err := quorum.Wait(ctx, quorum.Disk(ctx, "stream write", func() error { return d.job(b) }))
	if (err == nil || errors.Is(err, dberr.ErrDiskFull)) && b.ballot == nil {
		d.kept.Advance(b.promise)
	}
	return err
}

// retried does a job on the disk, again and again if that is full: there may be room again, and
// until then the others do without this member.
func retried(ctx context.Context, what string, job func() error) error {
	for {
		err := quorum.Wait(ctx, quorum.Disk(ctx, what, job))
		if !errors.Is(err, dberr.ErrDiskFull) {
			return err
		}
		if err := quorum.Sleep(ctx, fullPause); err != nil {
			return err
		}
	}
}

// job writes a batch, again if it has to, but nothing twice.
func (d *disk) job(b *batch) error {
	if b.ballot != nil {
		if err := d.ballots.Put(*b.ballot); err != nil {
			return err
		}
		b.ballot = nil
	}
	if len(b.repair) > 0 {
		// One that was replaced meanwhile is refused, and not needed.
		err := errors.Join(d.tape.Repair(b.repair), d.tape.Sync())
		if errors.Is(err, dberr.ErrLogFailed) || errors.Is(err, dberr.ErrDiskFull) {
			return d.discardFirst(b, err)
		}
	}
	if b.reset != nil {
		if err := d.tape.Reset(*b.reset); err != nil {
			return err
		}
		b.reset = nil
	}
	if len(b.rounds) > 0 {
		write := d.tape.Append
		if b.sync {
			write = d.tape.AppendDurably
		}
		if err := write(b.rounds); err != nil {
			return d.discardFirst(b, err)
		}
	}
	if b.sync {
		if err := d.tape.Sync(); err != nil {
			return err
		}
	}
	if b.discard > 0 {
		return d.tape.Discard(b.discard)
	}
	return nil
}

// discardFirst discards before what comes before it if that has failed for want of room, and returns why it has. But
// not what is in the place of the rounds that wait: the tape has to reach up to them.
func (d *disk) discardFirst(b *batch, err error) error {
	if b.discard == 0 || !errors.Is(err, dberr.ErrDiskFull) {
		return err
	}
	before := b.discard
	if len(b.rounds) > 0 {
		before = min(before, b.rounds[0].Number)
	}
	return cmp.Or(d.tape.Discard(before), err)
}

// read reads rounds from the tape.
func (d *disk) read(ctx context.Context, from wal.RoundNumber, bytesMax int) ([]wal.Round, error) {
	for d.alone {
		if err := d.turn.Wait(ctx, d.turn.Value()+1); err != nil {
			return nil, err
		}
	}
	d.reads++
	job := quorum.Blocking(ctx, quorum.KindDisk, "stream read", func() ([]wal.Round, error) { return d.tape.Read(from, bytesMax) })
	// The job goes on if ctx ends.
	quorum.RuntimeOf(ctx).Go("stream reader", func(ctx context.Context) error {
		defer func() { d.reads--; d.turn.Advance(d.turn.Value() + 1) }()
		_, err := job.Wait(ctx)
		return err
	})
	return job.Wait(ctx)
}
