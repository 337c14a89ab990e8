package wal

import (
	"errors"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
)

// breakMax bounds the break between two rounds that nobody waits for.
const breakMax = 500 * time.Microsecond

// restWitness is after how long a rest the reach is raised to the last round. A
// database that is written to that seldom syncs twice as often then.
const restWitness = 50 * time.Millisecond

// flusher is the group commit: it gathers what the streams have, writes it as
// one round and makes that durable with one sync. One goroutine runs it.
//
// The watermark of a round is the least timestamp that a stream has closed. A
// record that was appended between the first and the last gather of a round can
// lie above it; then the round is open, and another one, possibly an empty one,
// has to follow to let it be released.
type flusher struct {
	log *Log
	opt *Options

	gathering
	writer
	epoch     Epoch         // of this opening
	base      Base          // the last round
	watermark hlc.Timestamp // of the last round of this epoch, or of what was recovered
	newest    hlc.Timestamp // the largest timestamp of a written record
	table     []byte        // batch headers of the current round

	unsyncedBytes int64
	gatheredAt    time.Time     // when gathering the last written round began
	syncedTo      time.Time     // what was appended before is durable
	lastSync      time.Time     // when it ended
	syncTook      time.Duration // how long it took
	alone         bool          // one record at most was gathered last, so that hardly anybody runs beside the sync
	timer         env.Timer
	syncer        env.Syncer // nil if the system has none
	lent          bool       // somebody else does the work, who waits in the system
	failed        error      // what that came to
	asleep        bool       // it sleeps until it is woken
	unwritten     error      // what Close has to say
}

func newFlusher(l *Log, found *Recovered) *flusher {
	f := &flusher{
		log: l, opt: &l.opt,
		gathering: newGathering(l.opt.Streams, l.opt.HLC),
		writer:    newWriter(l.opt.ID, l.opt.Dir, l.opt.Rand, l.reach, found.tail.round),
		epoch:     found.tail.base.Epoch + 1,
		base:      found.tail.base,
		watermark: found.Watermark,
		lastSync:  l.opt.Clock.Now(),
		syncedTo:  l.opt.Clock.Now(),
	}
	f.prev, f.prevEnd = found.segment, found.tail.end
	f.timer = l.opt.Clock.NewTimer(time.Hour)
	f.timer.Stop()
	return f
}

// openSyncer gets a syncer, if the system has one.
func (f *flusher) openSyncer() {
	fs, ok := f.opt.FS.(env.SyncerFS)
	if !ok {
		return
	}
	if s, err := fs.NewSyncer(f.log.diskDone); err == nil {
		f.syncer, f.log.syncDone = s, s.Poll
	}
}

// run works until the log is closed or fails.
func (f *flusher) run() {
	f.openSyncer()
	defer f.release()
	for {
		closing, err := f.sleep()
		if err == nil {
			err = f.failed
		}
		if err == nil {
			err = f.work(closing)
		}
		if err != nil {
			f.end(err)
			return
		}
		if closing {
			f.end(f.mark())
			return
		}
	}
}

// end takes note of why the flusher ends.
func (f *flusher) end(err error) {
	switch {
	case err == nil:
	case errors.Is(err, dberr.ErrDiskFull): // and the log is being closed
		f.unwritten = err
	default:
		f.log.fail(err)
	}
}

func (f *flusher) release() {
	f.timer.Stop()
	err := f.close()
	if f.syncer != nil {
		err = errors.Join(err, f.syncer.Close())
	}
	if err != nil && f.unwritten == nil {
		f.unwritten = err
	}
}

// open tells whether a written record is above the watermark.
func (f *flusher) open() bool { return f.newest > f.watermark }

func (f *flusher) background() bool { return f.opt.SyncInterval > 0 }

// sleep waits until there is something to do. It returns true if the log is
// being closed.
func (f *flusher) sleep() (closing bool, err error) {
	if !f.background() {
		// A round starts as soon as something is pending and somebody waits for
		// it: under light load rounds are small and fast, under heavy load a
		// sync's time worth of records gathers for the next one.
		if f.crowded() {
			f.takeBreak()
		}
		if !f.open() {
			_, err = f.rest()
		}
		return f.closing(), err
	}
	due := f.syncedTo.Add(f.opt.SyncInterval)
	var woken bool
	if f.open() || f.unsynced() {
		woken = f.wait(flusherIdle, due)
	} else {
		if !f.wanted(flusherIdle) {
			f.log.window.close()
		}
		woken, err = f.rest()
	}
	if woken {
		now := f.opt.Clock.Now()
		f.log.window.openAt(now)
		until := now.Add(f.opt.RoundInterval)
		if due.Before(until) {
			until = due
		}
		f.wait(flusherTimed, until)
	}
	return f.closing(), err
}

// takeBreak sleeps half as long after a sync as that took. A round takes time from a
// processor; while all processors run transactions and nobody waits, that is better
// spent on them.
func (f *flusher) takeBreak() {
	ends := f.lastSync.Add(min(f.syncTook/2, breakMax))
	f.log.breakEnds.Store(ends.UnixNano())
	// Workers look at the time more often than the scheduler does, while it has
	// no processor to spare. The timer is there for when they stop.
	f.wait(flusherPaced, ends.Add(breakMax))
}

// rest sleeps while there is nothing to do, and returns true if it was woken.
//
// The last round before a crash has no witness: nothing says that it was durable, so
// if it rots, it looks torn. While the log is used, each round is the witness of
// the one before. When it rests for a moment, the reach becomes one.
func (f *flusher) rest() (woken bool, err error) {
	for f.witnessed < f.round {
		round := f.round
		if woken = f.wait(flusherIdle, f.opt.Clock.Now().Add(restWitness)); woken {
			return true, nil
		}
		if f.round > round || f.failed != nil { // somebody has done its work
			continue
		}
		if err := f.witness(); err != nil {
			return false, err
		}
	}
	return f.wait(flusherIdle, time.Time{}), nil
}

func (f *flusher) closing() bool {
	select {
	case <-f.log.closing:
		return true
	default:
		return false
	}
}

// wait sleeps in the given state until somebody wakes the flusher or the time
// has come, if it is not zero. It returns true if it was woken.
func (f *flusher) wait(state uint32, until time.Time) bool {
	g := &f.log.group
	defer f.back()
	f.asleep = until.IsZero()
	g.flusher.Store(state)
	if f.wanted(state) {
		return true
	}
	if until.IsZero() {
		<-f.log.token
		return true
	}
	d := until.Sub(f.opt.Clock.Now())
	if d <= 0 {
		return false
	}
	f.timer.Reset(d)
	defer f.timer.Stop()
	select {
	case <-f.log.token:
		return true
	case <-f.timer.C():
		return false
	}
}

// wanted tells whether somebody who saw the flusher busy expects it to go on.
func (f *flusher) wanted(state uint32) bool {
	l := f.log
	if l.syncsWanted.Load() != l.syncsDone.Load() || f.closing() {
		return true
	}
	switch state {
	case flusherTimed:
		return l.pendingBytes.Load() >= l.roundBytes
	case flusherPaced:
		return l.hurried.Load() || l.pendingBytes.Load() >= l.roundBytes
	}
	return f.pending()
}

// work gathers, writes and syncs what there is. When it is closing, it goes on
// until nothing is left.
func (f *flusher) work(closing bool) error {
	for {
		wanted := f.log.syncsWanted.Load()
		forced := closing || wanted != f.log.syncsDone.Load()
		began := f.opt.Clock.Now()
		watermark, bytes := f.gather()
		due := forced || !f.background() || f.syncDue()
		if bytes > 0 || f.open() && due {
			if err := f.write(watermark, bytes, false); err != nil {
				return err
			}
			f.gatheredAt = began
			due = due || f.unsyncedBytes >= unsyncedBytesMax
		}
		if !due {
			return f.flushBy(f.syncer, f.awaitDisk)
		}
		if f.unsynced() {
			if err := f.sync(); err != nil {
				return err
			}
		}
		f.durableTo(began)
		// Every record up to the watermark is durable. That holds without a write,
		// too, if there was nothing to write: a recovery then ends at a smaller
		// watermark, but without a record between the two.
		f.publish(watermark)
		if forced {
			f.log.syncsDone.Store(wanted)
			f.log.notify()
		}
		if !closing || !f.open() && f.log.syncsWanted.Load() == wanted {
			return nil
		}
	}
}

func (f *flusher) syncDue() bool {
	return (f.unsynced() || f.open()) && f.opt.Clock.Now().Sub(f.syncedTo) >= f.opt.SyncInterval
}

// durableTo says that everything that was appended before t is durable. The next
// sync in the background is due an interval after that, not after the sync's
// end: so a transaction waits for SyncInterval and one sync at the most.
func (f *flusher) durableTo(t time.Time) {
	f.syncedTo = t
	if f.background() {
		f.log.window.moveTo(t)
	}
}

// gather takes what the streams have. It returns the least timestamp that they
// have closed, and how many bytes there are.
func (f *flusher) gather() (watermark hlc.Timestamp, bytes int64) {
	f.log.hurried.Store(false)
	f.log.following.Gather()
	watermark, bytes = f.take(f.watermark)
	records := 0
	for i := range f.batches {
		records += f.batches[i].Records
	}
	f.alone = records <= 1
	f.log.yielding.Store(f.crowded() || !f.background())
	return watermark, bytes
}

// write puts a round with the gathered batches, which flush or sync writes. clean says that
// the log is closed behind it.
func (f *flusher) write(watermark hlc.Timestamp, bytes int64, clean bool) error {
	table := slices.Grow(f.table[:0], len(f.batches)*batchHeaderBytes)[:len(f.batches)*batchHeaderBytes]
	f.table = table
	space := roundUp(roundHeaderBytes + int64(len(table)) + bytes)
	if err := f.makeRoom(space); err != nil {
		return err
	}
	closed, newest := encodeTable(table, f.batches)
	h := roundHeader{
		kind: RoundData, watermark: watermark, last: max(f.base.Last, watermark, closed),
		batches: len(f.batches), tableCRC: checksum(0, table), clean: clean,
	}
	if err := f.add(&h, table); err != nil {
		return err
	}
	f.watermark, f.newest = watermark, max(f.newest, newest)
	f.log.following.Gathered(f.base.Number)
	f.recycle()
	f.log.files.wrote(bytes, f.active.size-f.active.end)
	return nil
}

// add puts a round of this epoch, with the gathered batches, behind the others.
func (f *flusher) add(h *roundHeader, table []byte) error {
	h.epoch, h.entry = f.epoch, f.base.Number+1
	var batches []Batch
	if h.kind == RoundData {
		batches = f.batches
	}
	if err := f.put(h, table, batches); err != nil {
		return err
	}
	f.base = h.asBase()
	f.unsyncedBytes += roundUp(h.bytes)
	f.log.stats.rounds.Add(1)
	f.log.stats.bytes.Add(uint64(roundUp(h.bytes)))
	return nil
}

// sync writes what is not written yet and makes the rounds durable.
func (f *flusher) sync() error {
	from := f.opt.Clock.Now()
	s := f.syncer
	if f.alone || f.lent {
		s = nil // to wait here is shorter than to be woken, and the processor is not needed
	}
	if err := f.syncBy(s, f.awaitDisk); err != nil {
		return err
	}
	f.lastSync = f.opt.Clock.Now()
	f.syncTook = f.lastSync.Sub(from)
	f.log.stats.synced(f.syncTook)
	if f.opt.OnSync != nil {
		f.opt.OnSync(f.syncTook, f.unsyncedBytes)
	}
	f.unsyncedBytes = 0
	return nil
}

// awaitDisk sleeps until the disk has done what the syncer has started.
func (f *flusher) awaitDisk() error {
	g := &f.log.group
	for {
		g.flusher.Store(flusherSyncing)
		if done, err := f.syncer.Done(); done {
			if g.flusher.Swap(flusherBusy) != flusherSyncing {
				<-f.log.token // somebody has woken it
			}
			return err
		}
		<-f.log.token
	}
}

// publish moves Durable on.
func (f *flusher) publish(watermark hlc.Timestamp) {
	l := f.log
	l.following.Durable(f.base.Number, watermark)
	if watermark <= l.Durable() {
		return
	}
	l.durable.Store(uint64(watermark))
	if f.opt.OnDurable != nil {
		f.opt.OnDurable(watermark)
	}
}

// makeRoom makes the active segment one that has room for a round of so many bytes. The
// first one begins the epoch. When the log is being closed and there is no room, it returns
// dberr.ErrDiskFull.
func (f *flusher) makeRoom(bytes int64) error {
	if f.fits(bytes) {
		return nil
	}
	begins := f.epoch != f.base.Epoch
	if begins {
		bytes += blockBytes
	}
	next, err := f.log.files.next(blockBytes + bytes)
	if err != nil {
		return err
	}
	if f.unsynced() {
		if err := f.sync(); err != nil {
			return errors.Join(err, next.file.Close())
		}
		f.durableTo(f.gatheredAt)
	}
	old := f.active
	if err := f.begin(next, f.base, false); err != nil {
		return err
	}
	if err := f.log.files.activated(old, f.active, f.base.Last); err != nil {
		return err
	}
	if begins {
		// Until the header above was durable nothing new is, so a crash before this finds
		// the same final watermark of the epoch before.
		return f.add(&roundHeader{kind: RoundOpen, last: f.base.Last}, nil)
	}
	return nil
}

// mark writes the round that says that the log was closed.
func (f *flusher) mark() error {
	if f.active == nil {
		return nil // nothing was written since it was opened
	}
	watermark, bytes := f.gather()
	if err := f.write(watermark, bytes, true); err != nil {
		if errors.Is(err, dberr.ErrDiskFull) {
			return f.witness() // all records are durable, it is only not marked
		}
		return err
	}
	if err := f.sync(); err != nil {
		return err
	}
	f.publish(watermark)
	return f.witness()
}
