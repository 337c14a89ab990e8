package wal

import (
	"cmp"
	"math"
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
	file   *roundFile
	reader *roundReader // finds headers where none is expected
	reach  RoundNumber  // all rounds up to it are known to be durable

	at     int64       // of the next round
	want   RoundNumber // its number
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
	s := &scan{
		file: &roundFile{file, cs.name, &cs.header}, reader: r, reach: math.MaxUint64,
		at: blockBytes, want: cs.header.firstRound,
	}
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
	err = s.untorn()
	cs.end = s.at
	return s, cmp.Or(s.damage, err) // how many rounds there were is not known
}

// run reads headers up to the segment's end, or to a round that a crash has torn.
func (s *scan) run() error {
	for s.at < s.reader.end && s.damage == nil {
		h, err := s.file.round(s.at, s.reader.end, s.want)
		if err == nil {
			s.add(scanned{header: h, offset: s.at})
			continue
		}
		if !isTorn(err) {
			return err
		}
		durable, findErr := s.reader.wasDurable(s.at, s.want, s.reach)
		if findErr != nil || !durable {
			return findErr
		}
		if err := s.resume(plain(err)); err != nil {
			return err
		}
	}
	return nil
}

func (s *scan) add(r scanned) {
	s.rounds = append(s.rounds, r)
	s.at, s.want = r.offset+roundUp(r.header.bytes), r.header.number+1
}

// resume goes on with the next sound round behind one that is damaged.
func (s *scan) resume(damage error) error {
	for at := s.at; ; {
		h, found, ok, err := s.reader.find(at+blockBytes, func(h roundHeader) bool {
			return h.nonce == s.reader.nonce && h.number > s.want
		})
		if err != nil {
			return err
		}
		if !ok {
			s.damage = damage
			return nil
		}
		h, err = s.file.round(found, s.reader.end, h.number)
		missing := h.number - s.want
		switch {
		case err == nil && missing <= RoundNumber((found-s.at)/blockBytes):
			s.add(scanned{header: h, offset: found, missing: missing, damage: damage})
			return nil
		case err != nil && !isTorn(err):
			return err
		}
		at = found
	}
}

// endsAt compares the end with what the next segment's header says.
func (s *scan) endsAt(next RoundNumber) error {
	switch {
	case s.damage == nil && s.want == next:
		return nil
	case s.damage != nil && s.want < next && next-s.want <= RoundNumber((s.reader.end-s.at)/blockBytes):
		s.rounds = append(s.rounds, scanned{offset: s.at, missing: next - s.want, damage: s.damage})
		return nil
	case s.damage != nil:
		return s.damage
	}
	s.reader.place.offset, s.reader.want = s.at, s.want
	return s.reader.endsEarly(next - 1)
}

// untorn finds the end of the last segment: the first round whose payload a crash has
// torn. Those that are known to be durable are not looked at.
func (s *scan) untorn() error {
	durable := max(s.reach, s.file.header.firstRound-1)
	for i := range s.rounds {
		durable = max(durable, s.rounds[i].header.synced)
	}
	for i := range s.rounds {
		r := &s.rounds[i]
		if r.header.number <= durable {
			continue
		}
		if _, err := s.file.payload(&r.header, r.offset); isTorn(err) {
			s.at, s.want, s.rounds = r.offset, r.header.number, s.rounds[:i]
			break
		} else if err != nil {
			return err
		}
	}
	if s.want <= s.reach {
		s.reader.place.offset, s.reader.want = s.at, s.want
		return s.reader.endsEarly(s.reach)
	}
	return nil
}
