package wal

import "slices"

// Discard removes the segments that hold no round from before on: a checkpoint has
// made them superfluous. The one that is written stays.
func (t *Tape) Discard(before RoundNumber) error {
	if t.failure != nil {
		return t.failure
	}
	t.reading.Lock()
	defer t.reading.Unlock()
	for {
		oldest, ok := t.superfluous(before)
		if !ok {
			return nil
		}
		// The oldest first, and each durable, so that a crash leaves no hole.
		if err := t.files.retire(oldest.name); err != nil {
			return err
		}
		t.drop()
	}
}

// superfluous returns the oldest segment if it holds no round that counts from before on,
// and is not where the log goes on.
func (t *Tape) superfluous(before RoundNumber) (*segment, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.mu.segments) < 2 {
		return nil, false
	}
	oldest, table := t.mu.segments[0], &t.mu.table
	if begins(t.mu.segments[1:]).Number >= max(before, table.base.Number+1) {
		return nil, false // a round that counts was repaired in a later segment, which does not say that the log has it
	}
	for n := max(before, table.base.Number+1); n <= table.last(); n++ {
		if s := table.entry(n).segment; s == oldest || s == nil { // where a damaged one is, is not known
			return nil, false
		}
	}
	return oldest, true
}

// drop takes the oldest segment and its rounds out of the table.
func (t *Tape) drop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.segments = t.mu.segments[1:]
	base := begins(t.mu.segments)
	table := &t.mu.table
	if base.Number > table.base.Number {
		table.entries = append([]tapeEntry(nil), table.entries[base.Number-table.base.Number:]...)
	}
	table.base = base
}

// begins returns behind what a log of these segments begins when it is opened.
func begins(segments []*segment) Base {
	base := segments[0].header.base
	for _, s := range segments[1:] {
		if b := s.header.base; s.header.reset || b.Number < base.Number {
			base = b
		}
	}
	return base
}

// Reset makes the log an empty one that goes on behind base: a snapshot was put in place
// of it. A crash leaves the old log or the new one. An error that matches
// dberr.ErrDiskFull says that it is the old one.
func (t *Tape) Reset(base Base) error {
	if t.failure != nil {
		return t.failure
	}
	// Nothing before the header of the segment counts once that is durable.
	if err := t.beginSegment(base, true, 0); err != nil {
		return err
	}
	if t.lost != nil {
		if err := t.retireLost(); err != nil {
			return err
		}
		t.lost = nil
	}
	return t.Discard(base.Number + 1)
}

// retireLost takes the files away that a log had which can not be read, but for those that
// are known: it would be lost again if they outlived the segment that says that they do not count.
func (t *Tape) retireLost() error {
	names, err := t.opt.FS.List(t.opt.Dir)
	if err != nil {
		return err
	}
	for _, base := range names {
		n, ok := parseSegmentName(base)
		if !ok || n > t.lostUpTo || t.knows(n) {
			continue
		}
		if err := t.files.retire(segmentName(t.opt.Dir, n)); err != nil {
			return err
		}
	}
	return nil
}

// knows tells whether a segment is one of those that Discard goes through.
func (t *Tape) knows(n SegmentNumber) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.mu.segments, func(s *segment) bool { return s.header.number == n })
}
