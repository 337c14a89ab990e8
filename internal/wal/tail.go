package wal

import (
	"errors"
	"io"

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

// findTail reads the last segment to where the log ends: the first round that is
// not sound. That a crash has left, if the round was still being made durable.
// If a later round says that it was durable already, or the log is known to reach
// it, it is damage.
func findTail(r *roundReader, reach RoundNumber) (tail, error) {
	t := tail{end: blockBytes, round: r.want - 1, base: r.base}
	for {
		err := r.next()
		if err == nil {
			_, err = r.verifyBatches()
		}
		switch {
		case err == nil:
			t = tail{r.place.offset, r.header.number, r.base, r.header.clean}
			continue
		case errors.Is(err, io.EOF) && t.round < reach:
			return t, r.endsEarly(reach)
		case errors.Is(err, io.EOF):
			return t, nil
		case !isTorn(err):
			return t, err
		}
		durable, findErr := r.wasDurable(t.end, t.round+1, reach)
		if findErr != nil {
			return t, findErr
		}
		if durable {
			return t, plain(err)
		}
		return t, nil
	}
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

// findTail finds where the chain ends and fills that in.
func (c *chain) findTail() (tail, error) {
	if len(c.segments) == 0 {
		return tail{}, nil
	}
	i := len(c.segments) - 1
	r, f, err := c.openRounds(i, newChunkPool())
	if err != nil {
		return tail{}, err
	}
	defer f.Close()
	defer r.close()
	t, err := findTail(r, c.reach.Round)
	if err != nil {
		return t, err
	}
	c.segments[i].end = t.end
	c.bound(t.base)
	return t, nil
}
