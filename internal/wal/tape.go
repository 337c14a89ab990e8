package wal

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/hlc"
)

// Tape is the log of a member of a replica group on its disk: the same files as a Log's,
// written when it is told to. It is appended to only. A round whose number was there
// replaces that one and all behind it, which stay on the disk and do not count.
//
// Nothing here waits for anything but the disk; its methods are jobs, called one at a
// time, but for Read, which may run beside all of them. After a write or sync that
// failed every method but Read and Close returns dberr.ErrLogFailed.
type Tape struct {
	opt   TapeOptions
	files files
	writer

	next    *preparedSegment
	failure error
	// lost is why the log could not be read to its end, until Reset; its files have
	// numbers up to lostUpTo.
	lost     error
	lostUpTo SegmentNumber

	// reading is held by Read, and alone by who takes files away.
	reading sync.RWMutex
	pool    *chunkPool // of Read

	stats         counters
	unsyncedBytes int64 // of rounds
	mu            struct {
		sync.Mutex
		table    tapeTable
		segments []*segment  // in order
		written  RoundNumber // the last round on the disk that can be read
	}
}

// Last returns the number of the last round: that of the base if there is none.
func (t *Tape) Last() RoundNumber {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.table.last()
}

// Base returns what the log goes on behind.
func (t *Tape) Base() Base {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.table.base
}

// fail ends the tape for good, as in a Log.
func (t *Tape) fail(err error) error {
	t.failure = fmt.Errorf("%w: %w", dberr.ErrLogFailed, err)
	return t.failure
}

// Append writes rounds, many with one write, which are durable after the next Sync. Each is the next one of
// the log, or replaces one and all behind it: a crash may leave the log without those
// before it leaves it with the round, so what is there already must not be appended
// again. What comes from the network has passed
// SplitPayload before. If the disk is full (dberr.ErrDiskFull), or a round does not
// fit, those before it were written, as Last tells; and the tape can be used on.
func (t *Tape) Append(rounds []Round) error { return t.appendAll(rounds, t.flush) }

// AppendDurably is Append and Sync, which write and sync in one where that can be done.
func (t *Tape) AppendDurably(rounds []Round) error { return t.appendAll(rounds, t.Sync) }

// appendAll puts rounds behind the others and writes them.
func (t *Tape) appendAll(rounds []Round, write func() error) error {
	var err error
	for i := 0; i < len(rounds) && err == nil; i++ {
		err = t.append(&rounds[i], false)
	}
	if failed := write(); failed != nil {
		return failed
	}
	if err != nil {
		return err
	}
	return t.prepareAhead()
}

// Repair writes rounds that are damaged anew, as others have them. What is behind them
// stays. They are durable after the next Sync.
func (t *Tape) Repair(rounds []Round) error {
	for i := range rounds {
		if err := t.append(&rounds[i], true); err != nil {
			return err
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	return nil
}

// flush writes what was appended, which can be read then.
func (t *Tape) flush() error {
	if t.failure != nil {
		return t.failure
	}
	if err := t.writer.flush(); err != nil {
		return t.fail(err)
	}
	t.noteWritten()
	return nil
}

// noteWritten says that what was appended can be read.
func (t *Tape) noteWritten() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.written = t.round
}

func (t *Tape) append(r *Round, repair bool) error {
	if err := cmp.Or(t.failure, t.lost); err != nil {
		return err
	}
	batches, tableCRC, err := t.check(r, repair)
	if err != nil {
		return err
	}
	body := r.Payload
	if r.Kind == RoundData {
		body = body[min(len(body), payloadHeaderBytes):]
	} else {
		tableCRC = checksum(0, body)
	}
	if err := t.makeRoom(r.Number, repair, roundUp(roundHeaderBytes+int64(len(body)))); err != nil {
		return err
	}
	h := roundHeader{
		epoch: r.Epoch, kind: r.Kind, entry: r.Number, watermark: r.Watermark, last: r.Last,
		batches: batches, tableCRC: tableCRC, repair: repair,
	}
	seg, at := t.active, t.active.end
	if err := t.put(&h, body, nil); err != nil {
		return t.fail(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if reason := t.mu.table.add(&h, seg, at); reason != "" {
		panic("wal: a round that does not fit was written: " + reason)
	}
	t.unsyncedBytes += roundUp(h.bytes)
	t.stats.rounds.Add(1)
	t.stats.bytes.Add(uint64(roundUp(h.bytes)))
	return nil
}

// check checks that a round fits to the log. It returns what a round of data has in its
// payload's header.
func (t *Tape) check(r *Round, repair bool) (batches int, tableCRC uint32, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	table := &t.mu.table
	switch low, last := table.base.Number, table.last(); {
	case r.Number <= low || r.Number > last+1 || repair && r.Number > last:
		return 0, 0, fmt.Errorf("wal: round %d in a log that begins behind round %d and ends with round %d", r.Number, low, last)
	case !r.Kind.Known() || r.Epoch == 0 || r.Watermark > hlc.Max || r.Last > hlc.Max:
		return 0, 0, fmt.Errorf("wal: round %d is of kind %v, epoch %d, watermark %d, last timestamp %d", r.Number, r.Kind, r.Epoch, r.Watermark, r.Last)
	}
	if old := table.entry(r.Number); repair && old.epoch != 0 &&
		(r.Epoch != old.epoch || r.Kind != old.kind && old.damage == nil || r.Watermark != old.watermark || r.Last != old.last) {
		return 0, 0, fmt.Errorf("wal: round %d of epoch %d is not the one that is to be repaired, of epoch %d", r.Number, r.Epoch, old.epoch)
	}
	// Where the one before is damaged, there is nothing to compare with.
	before, err := table.behind(r.Number - 1)
	if err == nil && (r.Epoch < before.Epoch || r.Epoch == before.Epoch && r.Watermark < before.Watermark) {
		return 0, 0, fmt.Errorf("wal: round %d of epoch %d, watermark %d, goes back behind epoch %d, watermark %d",
			r.Number, r.Epoch, r.Watermark, before.Epoch, before.Watermark)
	}
	if r.Kind != RoundData {
		return 0, 0, nil
	}
	return payloadHeader(r.Payload)
}

// makeRoom makes the active segment one that round n fits into: it has room for bytes,
// and does not go on behind that round. On a full disk nothing has changed.
func (t *Tape) makeRoom(n RoundNumber, repair bool, bytes int64) error {
	if t.fits(bytes) && (repair || n > t.active.header.base.Number) {
		return nil
	}
	if repair {
		n = t.Last() + 1
	}
	t.mu.Lock()
	base, err := t.mu.table.behind(n - 1)
	t.mu.Unlock()
	if err != nil {
		return err // of a round that is damaged the epoch is not known
	}
	return t.beginSegment(base, false, bytes)
}

// beginSegment begins a segment that goes on behind base and has room for bytes. What
// was written before is durable then.
func (t *Tape) beginSegment(base Base, reset bool, bytes int64) error {
	if err := t.prepareNext(blockBytes + bytes); err != nil {
		return err
	}
	if err := t.flush(); err != nil {
		return err
	}
	next, first := t.next, t.newest() == nil
	if t.lost != nil { // what is before does not count, whatever it is
		t.prev, t.prevEnd = next.number-1, blockBytes
	}
	t.next = nil // its file is the active one's now
	if err := t.begin(next, base, reset); err != nil {
		return t.fail(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.table.begin(&t.active.header, first)
	t.mu.segments = append(t.mu.segments, t.active)
	return nil
}

// newest returns the last segment that was begun, nil if none was.
func (t *Tape) newest() *segment {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.mu.segments); n > 0 {
		return t.mu.segments[n-1]
	}
	return nil
}

// prepareNext makes the file of the next segment.
func (t *Tape) prepareNext(bytes int64) error {
	if t.next != nil {
		return t.next.grow(bytes)
	}
	number := SegmentNumber(1)
	if s := t.newest(); s != nil {
		number = s.header.number + 1
	}
	number = max(number, t.lostUpTo+1)
	next, err := t.files.prepare(number, bytes)
	if err == nil {
		t.next = next
	}
	return err
}

// leavesReserve returns dberr.ErrDiskFull if so many bytes more would take space that is
// reserved, and there is a segment to be rid of.
func (t *Tape) leavesReserve(bytes int64) error {
	t.mu.Lock()
	shrinkable := len(t.mu.segments) > 1
	t.mu.Unlock()
	if shrinkable && !t.files.hasReserve(t.opt.Reserve, bytes) {
		return errReserved
	}
	return nil
}

// prepareAhead does so while there is room in the active segment. If there is none on
// the disk, that is said when it is needed.
func (t *Tape) prepareAhead() error {
	a := t.active
	if a == nil || t.next != nil || a.size-a.end > a.size/4 {
		return nil
	}
	if err := t.prepareNext(0); err != nil && !errors.Is(err, dberr.ErrDiskFull) {
		return err
	}
	return nil
}

// Sync makes durable what was appended.
func (t *Tape) Sync() error {
	if t.failure != nil {
		return t.failure
	}
	if !t.unsynced() {
		return nil
	}
	var began time.Time
	if t.opt.Time != nil {
		began = t.opt.Time.Now()
	}
	if err := t.sync(); err != nil {
		return t.fail(err)
	}
	t.noteWritten()
	var took time.Duration
	if t.opt.Time != nil {
		took = t.opt.Time.Now().Sub(began)
	}
	t.stats.synced(took)
	if t.opt.OnSync != nil {
		t.opt.OnSync(took, t.unsyncedBytes)
	}
	t.unsyncedBytes = 0
	return nil
}

// Stats returns the counts since the tape was opened. Any goroutine may call it.
func (t *Tape) Stats() Stats {
	s := t.stats.read()
	t.mu.Lock()
	defer t.mu.Unlock()
	s.Segments = len(t.mu.segments)
	for _, seg := range t.mu.segments {
		s.SegmentBytes += seg.size
	}
	return s
}

// Witness takes down that the last synced round is durable, so that it is not taken for
// torn if it rots. The next round does so too; whoever has not appended for a
// moment calls this.
func (t *Tape) Witness() error {
	if t.failure != nil || t.active == nil || t.witnessed == t.synced {
		return t.failure
	}
	if err := t.witness(); err != nil {
		return t.fail(err)
	}
	return nil
}

// Close makes durable what was appended and closes the files.
func (t *Tape) Close() error {
	if errors.Is(t.failure, dberr.ErrClosed) {
		return t.failure
	}
	t.reading.Lock()
	defer t.reading.Unlock()
	err := t.Sync()
	if err == nil {
		err = t.Witness()
	}
	errs := []error{err, t.reach.close(), t.close()}
	if t.next != nil {
		errs = append(errs, t.next.file.Close())
	}
	t.failure, t.next = dberr.ErrClosed, nil
	return errors.Join(errs...)
}
