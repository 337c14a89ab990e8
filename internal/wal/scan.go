package wal

import (
	"cmp"
	"math"

	"github.com/godwitdb/godwit/internal/dberr"
)

// scanned is a round's header that was found in a segment.
type scanned struct {
	header roundHeader
	offset int64
	// missing is how many rounds before it can not be told, damage what is wrong
	// with them.
	missing RoundNumber
	damage  error
}

// scan goes through the headers of a segment's rounds.
type scan struct {
	*roundReader             // before the next one
	reach        RoundNumber // all rounds up to it are known to be durable

	rounds []scanned
	damage error // what is behind can not be told, and no sound round follows
}

// scanSegment reads the headers of segment i. Of the last one it finds the end. With an
// error that is damage it returns the rounds before that.
func (c *chain) scanSegment(i int, pool *chunkPool) (*scan, error) {
	cs := &c.segments[i]
	r, file, err := c.openRounds(i, pool)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	defer r.close()
	s := &scan{roundReader: r, reach: math.MaxUint64}
	last := cs.end < 0
	if last {
		s.reach = c.reach.Round
	}
	if err := s.run(); err != nil {
		return s, err
	}
	if !last {
		return s, s.endsAt(c.segments[i+1].header.firstRound)
	}
	err = s.untorn(cs.header.firstRound - 1)
	cs.end = s.place.offset
	if err == nil && i+1 == len(c.segments) && c.complete() && s.want <= s.reach {
		err = s.endsEarly(s.reach)
	}
	return s, cmp.Or(s.damage, err) // how many rounds there were is not known
}

// run reads headers up to the segment's end, or to a round that a crash has torn.
func (s *scan) run() error {
	for s.place.offset < s.end && s.damage == nil {
		err := s.readHeader()
		if err == nil {
			s.add(scanned{})
			continue
		}
		if !isTorn(err) {
			return err
		}
		durable, findErr := s.wasDurable(s.place.offset, s.want, s.reach)
		if findErr != nil || !durable {
			return findErr
		}
		if err := s.resume(plain(err)); err != nil {
			return err
		}
	}
	return nil
}

// add adds the current round.
func (s *scan) add(r scanned) {
	r.header, r.offset = s.header, s.offset
	s.rounds = append(s.rounds, r)
	s.pass()
}

// resume goes on with the next sound round behind one that is damaged.
func (s *scan) resume(damage error) error {
	at := s.place.offset
	for {
		h, found, ok, err := s.find(at+blockBytes, func(h roundHeader) bool { return h.nonce == s.nonce && h.number > s.want })
		if err != nil {
			return err
		}
		if !ok {
			s.damage = damage
			return nil
		}
		missing := h.number - s.want
		if missing <= RoundNumber((found-s.place.offset)/blockBytes) && h.misfit(s.nonce, h.number, s.end-found) == "" {
			s.place.offset, s.want = found, h.number
			s.header, s.offset = h, found
			s.add(scanned{missing: missing, damage: damage})
			return nil
		}
		at = found
	}
}

// endsAt compares the end with what the next segment's header says.
func (s *scan) endsAt(next RoundNumber) error {
	switch {
	case s.damage == nil && s.want == next:
		return nil
	case s.damage != nil && s.want < next && next-s.want <= RoundNumber((s.end-s.place.offset)/blockBytes):
		s.rounds = append(s.rounds, scanned{offset: s.place.offset, missing: next - s.want, damage: s.damage})
		return nil
	case s.damage != nil:
		return s.damage
	}
	return s.endsEarly(next - 1)
}

// endsEarly says that there is no room for a round that is known to be durable.
func (s *scan) endsEarly(reach RoundNumber) error {
	return dberr.Corrupt(s.name, s.place.offset, "the log ends with round %d, but is known to reach round %d", s.want-1, reach)
}

// untorn finds the end of the last segment: the first round whose payload a crash has
// torn. Those that are known to be durable are not looked at.
func (s *scan) untorn(durable RoundNumber) error {
	durable = max(durable, s.reach)
	for i := range s.rounds {
		durable = max(durable, s.rounds[i].header.synced)
	}
	for i := range s.rounds {
		r := &s.rounds[i]
		if r.header.number <= durable {
			continue
		}
		s.header, s.offset = r.header, r.offset
		if err := s.intact(); isTorn(err) {
			s.place.offset, s.want = r.offset, r.header.number
			r.header = roundHeader{}
			if r.missing == 0 { // else those before it are damaged all the same
				i--
			}
			s.rounds = s.rounds[:i+1]
			break
		} else if err != nil {
			return err
		}
	}
	return nil
}
