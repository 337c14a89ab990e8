package wal

import (
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/internal/dberr"
)

// The room that the log has on the disk is what is left of the segment that is
// written, and the one that is prepared. What workers have executed has to fit into it:
// it cannot be undone, and if it had to wait for room that does not come, so would
// its callers. So workers wait before they execute (Throttle) when that much is
// pending, until the next segment is there or the disk is known to be full.
//
// Workers that were let through before are not stopped, so it may get a little
// more. What may be pending is taken so much smaller than the room that this
// matters only for transactions of a size comparable to a segment's. Those may
// execute and then wait for room.

// leftIs says how much is left of the segment that is written.
func (sf *segmentFiles) leftIs(bytes int64) {
	sf.mu.Lock()
	sf.mu.left = bytes
	sf.mu.Unlock()
	sf.limitPending()
}

// isAhead says that the next segment is prepared. If it could not be, workers go on
// all the same: the log fails when it needs that segment, and tells them.
func (sf *segmentFiles) isAhead(p *preparation) {
	sf.mu.Lock()
	sf.mu.ahead = sf.opt.SegmentBytes
	if p.segment != nil {
		sf.mu.ahead = p.segment.size
	}
	sf.mu.Unlock()
	sf.limitPending()
}

// limitPending adapts to the room what may be pending, and lets workers through
// again if that is far from reached.
func (sf *segmentFiles) limitPending() {
	g := &sf.log.group
	sf.mu.Lock()
	defer sf.mu.Unlock()
	limit := pendingLimit(sf.mu.left, sf.mu.ahead, len(sf.opt.Streams), sf.opt.PendingBytesMax)
	g.pendingLimit.Store(limit)
	switch pending := g.pendingBytes.Load(); {
	case limit == 0 || pending > limit:
		g.gate.Or(gatePending)
	case pending <= limit/2 && g.gate.Load()&gatePending != 0:
		g.gate.And(^gatePending)
		sf.log.notify()
	}
}

// pendingLimit returns how much may be pending. With a segment ahead that is
// something in any case: the log gets on with a segment after the other.
func pendingLimit(left, ahead int64, streams int, most int64) int64 {
	// What streams have not reported yet is pending too, and each round takes
	// some space of its own.
	room := left + ahead - int64(streams)*reportBytes - 2*blockBytes
	return min(most, max(room, ahead/2, 0))
}

// leavesReserve returns dberr.ErrDiskFull if a new segment would take space that
// is reserved, and there is a segment to be rid of.
func (sf *segmentFiles) leavesReserve() error {
	sf.mu.Lock()
	shrinkable := len(sf.mu.past) > 0 && sf.mu.activeBytes > 0
	sf.mu.Unlock()
	if shrinkable && !sf.reserveIsFree(sf.opt.SegmentBytes) {
		return fmt.Errorf("%w: what is free is kept for a checkpoint", dberr.ErrDiskFull)
	}
	return nil
}

// reserveIsFree tells whether the disk has the reserve and so many bytes more.
func (sf *segmentFiles) reserveIsFree(bytes int64) bool {
	if sf.opt.Reserve == nil {
		return true
	}
	reserve := sf.opt.Reserve()
	if reserve <= 0 {
		return true
	}
	free, err := sf.opt.FS.FreeBytes(sf.opt.Dir)
	return err != nil || free-bytes >= reserve
}

// DropSpares removes files that are kept to be used again as segments, if the
// disk does not have the reserve.
func (l *Log) DropSpares() error {
	sf := l.files
	if sf.reserveIsFree(0) {
		return nil
	}
	sf.mu.Lock()
	names := sf.mu.spares
	sf.mu.spares = nil
	sf.mu.Unlock()
	var errs []error
	for _, name := range names {
		errs = append(errs, sf.opt.FS.Remove(name))
	}
	return errors.Join(errs...)
}
