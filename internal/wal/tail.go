package wal

import (
	"cmp"

	"github.com/godwitdb/godwit/internal/env"
)

// tail is where a log ends.
type tail struct {
	end   int64 // offset in the last segment
	round RoundNumber
	base  Base // the last round; its Last is the largest timestamp of anything
	clean bool // the log was closed there
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
	s, _, err := c.survey(last)
	if err == nil {
		err = cmp.Or(s.broken, s.table.damaged())
	}
	if err != nil {
		return tail{}, err
	}
	t := tail{end: c.segments[last].end, round: s.tail, clean: s.clean}
	t.base, err = s.table.behind(s.table.last())
	c.bound(t.base)
	return t, err
}
