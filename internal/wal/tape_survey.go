package wal

import (
	"cmp"
	"errors"

	"github.com/godwitdb/godwit/internal/dberr"
)

// survey takes the rounds of segments into a table.
type survey struct {
	table    tapeTable
	segments []*segment
	tail     RoundNumber // the last round on the disk
	clean    bool        // a Log was closed there
	lost     scanned     // what can not be told at the end of the segment before
	broken   error       // the log can not be read on behind the table
	replaced error       // the first place where a round takes that of another, which a Log's never does
}

// survey reads the headers of segment next and of those that follow on it, up to what the log
// can not be read on behind; then it returns the segment to go on with. Rounds that are damaged
// are so in the table.
func (c *chain) survey(next int) (*survey, int, error) {
	s := &survey{}
	pool := newChunkPool(scanBytes)
	for linked := true; linked && next < len(c.segments); next++ {
		linked = c.segments[next].end >= 0
		sc, err := c.scanSegment(next, pool)
		if sc != nil {
			err = cmp.Or(err, s.take(&c.segments[next], sc))
		}
		if errors.Is(err, dberr.ErrCorrupt) {
			s.broken = err
			return s, next + 1, nil
		}
		if err != nil {
			return nil, 0, err
		}
	}
	if s.lost.missing > 0 {
		s.broken = s.lost.damage
	}
	return s, next, nil
}

// take takes a segment's rounds into the table.
func (s *survey) take(cs *chainSegment, sc *scan) error {
	h := &cs.header
	low := h.base.Number
	if len(s.segments) > 0 && low >= s.table.base.Number {
		if err := s.settleLost(low+1, s.segments[len(s.segments)-1].header.base.Number); err != nil {
			return err
		}
	}
	s.lost = scanned{} // else the segment goes on behind an earlier round
	if len(s.segments) > 0 && low < s.table.last() {
		s.replaces(low+1, cs.name, 0)
	}
	if reason := s.table.begin(h, len(s.segments) == 0); reason != "" {
		before := s.segments[len(s.segments)-1]
		return dberr.Corrupt(before.name, before.end, "%s", reason)
	}
	seg := &segment{header: *h, name: cs.name, size: cs.size, end: cs.end}
	s.segments = append(s.segments, seg)
	s.tail = sc.want - 1
	for i := range sc.rounds {
		r := &sc.rounds[i]
		if r.missing > 0 {
			s.lost.missing += r.missing
			s.lost.damage = r.damage
		}
		if r.header.number == 0 {
			break
		}
		s.clean = r.header.clean
		// Of rounds that can not be told the next one tells, but for one that
		// stands in for another.
		if !r.header.repair {
			if err := s.settleLost(r.header.entry, low); err != nil {
				return err
			}
		}
		if r.header.repair || r.header.entry <= s.table.last() {
			s.replaces(r.header.entry, cs.name, r.offset)
		}
		if reason := s.table.add(&r.header, seg, r.offset); reason != "" {
			return dberr.Corrupt(cs.name, r.offset, "%s", reason)
		}
	}
	return nil
}

// replaces takes note that round n is replaced by what is there.
func (s *survey) replaces(n RoundNumber, file string, offset int64) {
	if s.replaced == nil {
		s.replaced = dberr.Corrupt(file, offset, "round %d of the log comes after round %d", n, s.table.last())
	}
}

// settleLost takes what can not be told before round next into the table.
func (s *survey) settleLost(next, low RoundNumber) error {
	lost := s.lost
	if s.lost = (scanned{}); lost.missing == 0 {
		return nil
	}
	if next != s.table.last()+lost.missing+1 {
		s.replaced = cmp.Or(s.replaced, lost.damage)
	}
	if reason := s.table.gap(lost.missing, next, low, lost.damage); reason != "" {
		return lost.damage
	}
	return nil
}
