package wal

import (
	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
)

// tail is where a log ends.
type tail struct {
	end   int64 // offset in the last segment
	round RoundNumber
	base  Base // the last round; its Last is the largest timestamp of anything
	clean bool // the log was closed there
}

// endsEarly says that there is no room for a round that is known to be durable.
func (r *roundReader) endsEarly(reach RoundNumber) error {
	return dberr.Corrupt(r.name, r.place.offset, "the log ends with round %d, but is known to reach round %d", r.want-1, reach)
}

// openRounds opens a segment for reading its rounds.
func (c *chain) openRounds(i int, pool *chunkPool) (*roundReader, env.File, error) {
	s := &c.segments[i]
	f, err := c.fs.OpenRead(s.name)
	if err != nil {
		return nil, nil, err
	}
	end := s.end
	if end < 0 {
		end = min(s.size, s.header.size)
	}
	return newRoundReader(f, s.name, &s.header, end, pool), f, nil
}

// findTail finds where the chain ends and fills that in. A crash leaves a round that is
// not sound, if that was still being made durable, and no more. If a later round says
// that it was durable already, or the log is known to reach it, it is damage.
func (c *chain) findTail() (tail, error) {
	if len(c.segments) == 0 {
		return tail{}, nil
	}
	last := len(c.segments) - 1
	s, err := c.scanSegment(last, newChunkPool())
	if s == nil {
		return tail{}, err
	}
	t := tail{end: s.at, round: s.want - 1, base: c.segments[last].header.base}
	for i := range s.rounds {
		r := &s.rounds[i]
		if r.missing > 0 {
			return t, r.damage
		}
		t.base, t.clean = r.header.asBase(), r.header.clean
	}
	if err != nil {
		return t, err
	}
	c.bound(t.base)
	return t, nil
}
