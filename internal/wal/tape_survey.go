package wal

import (
	"cmp"
	"errors"

	"github.com/godwitdb/godwit/internal/dberr"
)

// survey takes the rounds of all segments into a table.
type survey struct {
	table    tapeTable
	segments []*segment
	tail     RoundNumber // the last round on the disk
	lost     scanned     // what can not be told at the end of the segment before
	broken   error       // the log can not be read on behind the table
}

// surveyTape reads the headers of all segments, or of those before what is wrong with the
// chain. Rounds that are damaged are so in the table; where other damage is, it ends.
func surveyTape(c *chain, problem error) (*survey, error) {
	s := &survey{broken: problem}
	pool := newChunkPool()
	segments := c.segments
	if problem != nil {
		segments = c.linked()
	}
	for i := range segments {
		sc, err := c.scanSegment(i, pool)
		if sc != nil {
			err = cmp.Or(err, s.take(&segments[i], sc))
		}
		if errors.Is(err, dberr.ErrCorrupt) {
			s.broken = cmp.Or(problem, err)
			return s, nil
		}
		if err != nil {
			return nil, err
		}
	}
	if s.lost.missing > 0 {
		s.broken = cmp.Or(problem, s.lost.damage)
	}
	return s, nil
}

// linked returns the segments that follow on each other from the beginning of the log.
func (c *chain) linked() []chainSegment {
	for i := range c.segments {
		if i == 0 && c.broken[c.segments[0].header.prev] {
			return nil
		}
		if c.segments[i].end < 0 {
			return c.segments[:i+1]
		}
	}
	return c.segments
}

// take takes a segment's rounds into the table.
func (s *survey) take(cs *chainSegment, sc *scan) error {
	h := &cs.header
	low := h.base.Number
	if err := s.settleLost(h); err != nil {
		return err
	}
	if reason := s.table.begin(h, len(s.segments) == 0); reason != "" {
		return dberr.Corrupt(cs.name, 0, "%s", reason)
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
		// Of rounds that can not be told the next one tells, but for one that
		// stands in for another.
		if s.lost.missing > 0 && !r.header.repair {
			if reason := s.table.gap(s.lost.missing, r.header.entry, low, s.lost.damage); reason != "" {
				return s.lost.damage
			}
			s.lost = scanned{}
		}
		if reason := s.table.add(&r.header, seg, r.offset); reason != "" {
			return dberr.Corrupt(cs.name, r.offset, "%s", reason)
		}
	}
	return nil
}

// settleLost takes what can not be told at a segment's end into the table, unless the
// next segment goes on behind an earlier round.
func (s *survey) settleLost(next *segmentHeader) error {
	lost := s.lost
	s.lost = scanned{}
	if base := next.base.Number; lost.missing > 0 && base >= s.table.base.Number {
		low := s.segments[len(s.segments)-1].header.base.Number
		if reason := s.table.gap(lost.missing, base+1, low, lost.damage); reason != "" {
			return lost.damage
		}
	}
	return nil
}
