package wal

import (
	"context"
	"fmt"

	"github.com/godwitdb/godwit/internal/dberr"
)

// The room that the log has on the disk is what is left of the segment that is
// written, and the one that is prepared. What workers have executed has to fit into it:
// it cannot be undone, and if it had to wait for room that does not come, so would
// its callers. A round goes into one segment. So what is pending has to fit into the
// larger of the two: if a round does not fit into the one that is written, nothing but
// that was pending when the other one begins.
//
// Workers look whether there is room before they execute (Throttle), and again in
// their commit phase (HasRoom). Those that are in one when the room gets scarce are
// not stopped: there is one per stream, and its record is smaller than AdmitBytes.
// For a larger one room is kept beforehand (Admit), in a segment made larger if need be.
//
// Who waits, for what, and who ends it. Nobody of these holds a stream's lock or a
// record's; workers that are about to commit are pinned, so what they could reach is
// not freed meanwhile.
//
//   - Throttle, for the gate to open. gatePending: a round that was written, a segment
//     that is handed over, or room that is given back (limitPending). With nothing pending
//     and a segment ahead it is open, unless room is kept. gateDiskFull is no reason to
//     wait: it refuses. gateStalled: the next look at the window, when the disk has moved.
//   - Admit, for its turn: who has it, has room or is refused some time. For room: the
//     same three, and those who were admitted before it, who wait for nothing but a stream. If
//     a favoured transaction comes in between, they give the room back and come again.
//   - The flusher, for a segment: the preparer, who hands one over, or an error. For room
//     in a segment that is too small for a round, which happens only if segments are
//     small for the number of streams (streamRoom), and the preparer, while the disk is
//     full: a truncation, the outside, or Close. Sync says that at once, so that a
//     checkpoint goes on, which releases who has executed, and truncates.
//
// A full disk thus refuses everybody who has not executed yet, whatever else holds them up, so
// that Close, which waits for them, comes to its end.

const (
	// AdmitBytes is the size from which on records need room kept for them.
	AdmitBytes = reportBytes
	// streamRoom is what a stream may append without having been counted: what it
	// has not reported, a record, and what the rounds for that take beside it.
	streamRoom = reportBytes + AdmitBytes + 4*blockBytes
)

// wrote says that so many bytes of records are not pending any more, and how much
// is left of the segment that they were written to.
func (sf *segmentFiles) wrote(bytes, left int64) {
	sf.mu.Lock()
	sf.mu.left = left
	sf.log.pendingBytes.Add(-bytes)
	sf.mu.Unlock()
	sf.limitPending()
}

// handOver puts the next segment, which is prepared, where the flusher takes it from,
// and counts it as room. Both at once: whoever waits for room looks for the segment
// when he is told. If it could not be prepared, workers go on all the same: the log
// fails when it needs that segment, and tells them.
func (sf *segmentFiles) handOver(p preparation) {
	sf.mu.Lock()
	sf.mu.ahead = sf.opt.SegmentBytes
	if p.segment != nil {
		sf.mu.ahead = p.segment.size
	}
	sf.prepared <- p // has room: there is one preparation at a time
	sf.mu.Unlock()
	sf.limitPending()
}

// limitPending adapts to the room what may be pending, and lets workers through
// again if that is far from reached.
func (sf *segmentFiles) limitPending() {
	g := &sf.log.group
	sf.mu.Lock()
	defer sf.mu.Unlock()
	limit := pendingLimit(max(sf.mu.left, sf.mu.ahead), sf.mu.kept, sf.mu.ahead, len(sf.opt.Streams), sf.opt.PendingBytesMax)
	g.pendingLimit.Store(limit)
	switch pending := g.pendingBytes.Load(); {
	case limit == 0 || pending > limit:
		g.gate.Or(gatePending)
	case pending <= limit/2 && g.gate.Load()&gatePending != 0:
		g.gate.And(^gatePending)
		sf.log.notify()
	}
	if sf.mu.kept > 0 {
		sf.log.notify() // somebody may wait for the room that is kept
	}
}

// pendingLimit returns how much may be pending, beside what room is kept for. With
// a segment ahead that is something in any case: the log gets on with a segment after
// the other, though small ones do not have room for many streams.
func pendingLimit(room, kept, ahead int64, streams int, most int64) int64 {
	room -= kept + int64(streams)*streamRoom
	if kept == 0 {
		room = max(room, ahead/2)
	}
	return min(most, max(room, 0))
}

// Admit returns when there is room for a record of so many bytes, AdmitBytes at
// least, and keeps it until Done. It waits while others have the room that there is.
// It returns an error that matches dberr.ErrDiskFull if the disk has none for it, and
// those that Throttle does.
func (l *Log) Admit(ctx context.Context, bytes int) error {
	sf := l.files
	select {
	case sf.turn <- struct{}{}: // one after the other, or two could wait for each other's room
		defer func() { <-sf.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	sf.keep(int64(bytes))
	err := l.await(ctx, func() (bool, error) { return sf.hasKept(int64(bytes)) })
	if err != nil {
		sf.keep(-int64(bytes))
	}
	return err
}

// Done gives back what Admit has kept: the record was appended, or will not be.
func (l *Log) Done(bytes int) { l.files.keep(-int64(bytes)) }

// keep keeps so much more of the room.
func (sf *segmentFiles) keep(bytes int64) {
	sf.mu.Lock()
	sf.mu.kept += bytes
	sf.mu.Unlock()
	sf.limitPending()
}

// hasKept tells whether the room that is kept is there, the last bytes of it too. If
// they could never fit into the next segment, it makes that larger.
func (sf *segmentFiles) hasKept(bytes int64) (bool, error) {
	need := bytes + int64(len(sf.opt.Streams))*streamRoom
	sf.mu.Lock()
	others := sf.mu.kept - bytes + sf.log.pendingBytes.Load()
	room, grow := max(sf.mu.left, sf.mu.ahead), need > sf.mu.ahead && need > sf.opt.SegmentBytes-blockBytes
	sf.mu.Unlock()
	gate := sf.log.gate.Load()
	stalled := gate&gateStalled != 0
	switch {
	case gate&(gateFailed|gateClosed) != 0:
		return false, nil
	case !stalled && others+need <= room:
		return true, nil
	case gate&gateDiskFull != 0: // what stalls may be what waits for room
		return true, dberr.ErrDiskFull
	case !stalled && grow:
		return sf.grow(need)
	}
	return false, nil
}

// grow makes room for so many bytes in the next segment, if that is prepared. An
// error says that the disk has none.
func (sf *segmentFiles) grow(bytes int64) (bool, error) {
	select {
	case p := <-sf.prepared:
		if p.segment == nil {
			sf.prepared <- p // the log fails when it needs it, which may be never
			return true, fmt.Errorf("the log needs room for %d bytes: %w", bytes, p.err)
		}
		size := blockBytes + roundUp(bytes)
		err := sf.leavesReserve(size - p.segment.size)
		if err == nil {
			err = p.segment.grow(size)
		}
		sf.handOver(p)
		if err != nil {
			return true, fmt.Errorf("the log needs %d bytes for a transaction: %w", size, err)
		}
	default:
	}
	return false, nil
}

// leavesReserve returns dberr.ErrDiskFull if so many bytes more would take space
// that is reserved, and there is a segment to be rid of.
func (sf *segmentFiles) leavesReserve(bytes int64) error {
	sf.mu.Lock()
	shrinkable := len(sf.mu.past) > 0 && sf.mu.activeBytes > 0
	sf.mu.Unlock()
	if shrinkable && !sf.reserveIsFree(bytes) {
		return errReserved
	}
	return nil
}

// reserveIsFree tells whether the disk has the reserve and so many bytes more.
func (sf *segmentFiles) reserveIsFree(bytes int64) bool {
	return sf.folder.hasReserve(sf.opt.Reserve, bytes)
}

// DropSpares removes files that are kept to be used again as segments, if the
// disk does not have the reserve.
func (l *Log) DropSpares() error {
	sf := l.files
	if sf.reserveIsFree(0) {
		return nil
	}
	return sf.folder.drop()
}
