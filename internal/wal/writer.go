package wal

import (
	"fmt"

	"github.com/godwitdb/godwit/internal/env"
)

// segment is a segment that was begun.
type segment struct {
	header segmentHeader
	name   string
	size   int64
	end    int64 // where its rounds end
}

func (s *segment) place() place { return placeIn(s.header.id, s.header.number) }

// writer writes rounds behind each other, in one segment after the other: what a Log and
// a Tape have in common. After an error it must not be used any more: whether what was
// written is on the disk is not known, and asking again would not tell (a later sync can
// succeed without it).
type writer struct {
	id    DatabaseID
	dir   string
	rand  env.Rand
	reach *reachFile
	out   blockWriter

	active *segment // nil before the first round since the log was opened
	file   env.File // of active
	place  place    // where it begins
	// prev is the segment before the first one that is begun, prevEnd where it ends.
	prev    SegmentNumber
	prevEnd int64
	// round is the last one that was put, synced the last one that is durable, witnessed the
	// last one that the reach was raised to. They count what is on the disk.
	round, synced, witnessed RoundNumber
}

// newWriter returns a writer that goes on behind a round, all up to which is durable.
func newWriter(id DatabaseID, dir string, rand env.Rand, reach *reachFile, round RoundNumber) writer {
	return writer{id: id, dir: dir, rand: rand, reach: reach, out: newBlockWriter(), round: round, synced: round, witnessed: round}
}

// fits tells whether the active segment has room for so many bytes.
func (w *writer) fits(bytes int64) bool {
	return w.active != nil && w.active.end+bytes <= w.active.size
}

// unsynced tells whether a round may not be durable.
func (w *writer) unsynced() bool { return w.synced < w.round }

// put puts a round into the active segment, which has room for it. body and the records of
// the batches stand behind the header, which gets what only the disk knows. flush and sync
// write it.
func (w *writer) put(h *roundHeader, body []byte, batches []Batch) error {
	seg := w.active
	h.bytes = roundHeaderBytes + int64(len(body)) + recordBytes(batches)
	h.number, h.nonce, h.synced = w.round+1, seg.header.nonce, w.synced
	head, err := w.out.begin(w.file, seg.end, roundHeaderBytes)
	if err != nil {
		return err
	}
	h.put(head, w.place.at(seg.end))
	if err := w.out.append(body); err != nil {
		return err
	}
	for i := range batches {
		if err := w.out.append(batches[i].data); err != nil {
			return err
		}
	}
	w.out.pad(int(roundUp(h.bytes) - h.bytes))
	seg.end += roundUp(h.bytes)
	w.round = h.number
	return nil
}

// flush writes what was put.
func (w *writer) flush() error { return w.out.flush() }

// flushBy is flush by a syncer, or without if that cannot do it. await returns when it has.
func (w *writer) flushBy(s env.Syncer, await func() error) error {
	if !w.out.start(s, false) {
		return w.flush()
	}
	if err := await(); err != nil {
		return err
	}
	w.out.written()
	return nil
}

// sync writes what was put and makes it durable.
func (w *writer) sync() error {
	if !w.unsynced() {
		return nil
	}
	err := w.out.flushDurably(w.file)
	if err == nil {
		w.synced = w.round
	}
	return err
}

// syncBy is sync by a syncer, or without if that cannot do it. await returns when it has.
func (w *writer) syncBy(s env.Syncer, await func() error) error {
	if !w.unsynced() || !w.out.start(s, true) {
		return w.sync()
	}
	if err := await(); err != nil {
		return err
	}
	w.out.written()
	w.synced = w.round
	return nil
}

// witness takes down how far the log goes, all of which is durable.
func (w *writer) witness() error {
	err := w.reach.raise(Reach{Segment: w.active.header.number, Round: w.synced})
	if err == nil {
		w.witnessed = w.synced
	}
	return err
}

// begin makes a prepared file the active segment, in which the log goes on behind base.
//
// Everything before a segment's header is durable before the header is, and that before
// anything in the segment: so what a header says about the segments before it is certain,
// and a segment without a sound header has no rounds.
func (w *writer) begin(next *preparedSegment, base Base, reset bool) error {
	err := w.flush()
	if err == nil {
		err = w.sync()
	}
	old := w.file
	seg := &segment{
		name: segmentName(w.dir, next.number), size: next.size, end: blockBytes,
		header: segmentHeader{
			id: w.id, number: next.number, nonce: w.rand.Uint64(), firstRound: w.round + 1,
			prev: w.prev, prevEnd: w.prevEnd, base: base, size: next.size, reset: reset,
		},
	}
	if w.active != nil {
		seg.header.prev, seg.header.prevEnd = w.active.header.number, w.active.end
	}
	w.active, w.file, w.place = seg, next.file, seg.place()
	if err == nil {
		err = w.out.writeHeader(next.file, &seg.header)
	}
	if old != nil {
		if cerr := old.Close(); err == nil {
			err = cerr
		}
	}
	if err == nil {
		err = w.witness()
	}
	if err != nil {
		return fmt.Errorf("beginning segment %d: %w", next.number, err)
	}
	return nil
}

// close closes the active segment's file.
func (w *writer) close() error {
	if w.file == nil {
		return nil
	}
	err := w.file.Close()
	w.file = nil
	return err
}

// recordBytes returns the size of the records of batches.
func recordBytes(batches []Batch) int64 {
	n := int64(0)
	for i := range batches {
		n += int64(len(batches[i].data))
	}
	return n
}
