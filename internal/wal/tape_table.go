package wal

import (
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/internal/hlc"
)

// ErrDiscarded says that a round was discarded: a checkpoint has it.
var ErrDiscarded = errors.New("wal: the round is not in the log any more")

// DamagedError says which rounds of a Tape are not what was written. The member that
// it belongs to can have them from others (Tape.Repair).
type DamagedError struct {
	From, To RoundNumber // both included
	Err      error       // a dberr.CorruptionError
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("rounds %d to %d are damaged: %v", e.From, e.To, e.Err)
}

// Unwrap returns the CorruptionError.
func (e *DamagedError) Unwrap() error { return e.Err }

// tapeEntry is a round of the log and where it is.
type tapeEntry struct {
	epoch     Epoch
	kind      RoundKind
	watermark hlc.Timestamp
	last      hlc.Timestamp
	number    RoundNumber // on the disk
	segment   *segment
	offset    int64
	bytes     int64 // with its header
	// damage is a header that is not sound; then bytes is 0, and nothing is known but what
	// the header of a segment says that goes on behind the round.
	damage error
}

func entryOf(h *roundHeader, s *segment, offset int64) tapeEntry {
	return tapeEntry{
		epoch: h.epoch, kind: h.kind, watermark: h.watermark, last: h.last,
		number: h.number, segment: s, offset: offset, bytes: h.bytes,
	}
}

// payloadBytes returns the size of the round's Payload.
func (e *tapeEntry) payloadBytes() int64 {
	if e.damage != nil {
		return 0
	}
	n := e.bytes - roundHeaderBytes
	if e.kind == RoundData && n > 0 {
		n += payloadHeaderBytes
	}
	return n
}

// tapeTable is the log as it counts now: its rounds behind a base, without gaps.
type tapeTable struct {
	base    Base
	entries []tapeEntry // the first one is round base.Number+1
}

// last returns the number of the last round.
func (t *tapeTable) last() RoundNumber { return t.base.Number + RoundNumber(len(t.entries)) }

// entry returns a round, nil if it is not there.
func (t *tapeTable) entry(n RoundNumber) *tapeEntry {
	if n <= t.base.Number || n > t.last() {
		return nil
	}
	return &t.entries[n-t.base.Number-1]
}

// behind returns round n as what a log goes on behind. n is the base's number or that
// of an entry.
func (t *tapeTable) behind(n RoundNumber) (Base, error) {
	if n == t.base.Number {
		return t.base, nil
	}
	e := t.entry(n)
	if e.damage != nil && e.epoch == 0 {
		return Base{}, &DamagedError{From: n, To: n, Err: e.damage}
	}
	return Base{Number: n, Epoch: e.epoch, Watermark: e.watermark, Last: e.last}, nil
}

// cut takes away what is behind round n.
func (t *tapeTable) cut(n RoundNumber) { t.entries = t.entries[:n-t.base.Number] }

// put adds a round: behind the last, or in place of round n and all behind it.
func (t *tapeTable) put(n RoundNumber, e tapeEntry) {
	t.cut(n - 1)
	t.entries = append(t.entries, e)
}

// begin goes over to a segment with that header. It says in reason what does not fit.
func (t *tapeTable) begin(h *segmentHeader, first bool) (reason string) {
	b := h.base
	switch {
	case first || h.reset || b.Number < t.base.Number:
		t.base, t.entries = b, nil
		return ""
	case b.Number > t.last():
		return fmt.Sprintf("the segment ends with round %d; its successor goes on behind round %d", t.last(), b.Number)
	}
	t.cut(b.Number)
	if b.Number == t.base.Number {
		return ""
	}
	if e := t.entry(b.Number); e.damage != nil {
		e.epoch, e.watermark, e.last = b.Epoch, b.Watermark, b.Last
	} else if is, _ := t.behind(b.Number); is != b {
		return fmt.Sprintf("the segment ends with round %+v; its successor says %+v", is, b)
	}
	return ""
}

// add takes in a round that was found on the disk. It says in reason what does not fit.
func (t *tapeTable) add(h *roundHeader, s *segment, offset int64) (reason string) {
	e := entryOf(h, s, offset)
	if h.repair {
		if old := t.entry(h.entry); old != nil {
			*old = e
		}
		return ""
	}
	if low := s.header.base.Number; h.entry <= low || h.entry > t.last()+1 {
		return fmt.Sprintf("round %d in a segment that begins behind round %d, where the log ends with round %d", h.entry, low, t.last())
	}
	t.put(h.entry, e)
	return ""
}

// gap takes in that so many rounds on the disk can not be told, before round next of
// the log. Each of them can have replaced others; as numbers go up by one at the most, none
// of them was below next less their count.
func (t *tapeTable) gap(rounds RoundNumber, next, low RoundNumber, damage error) (reason string) {
	if next > t.last()+rounds+1 {
		return fmt.Sprintf("round %d comes %d rounds after round %d", next, rounds+1, t.last())
	}
	from := max(low+1, min(t.last()+1, next-min(next, rounds)))
	if from >= next {
		return ""
	}
	t.cut(from - 1)
	for n := from; n < next; n++ {
		t.entries = append(t.entries, tapeEntry{damage: damage})
	}
	return ""
}

// damaged returns the first rounds of the log that can not be told.
func (t *tapeTable) damaged() error {
	for i := range t.entries {
		if t.entries[i].damage != nil {
			return t.damageAt(t.base.Number + 1 + RoundNumber(i))
		}
	}
	return nil
}

// damageAt returns the rounds from n on that can not be told for the same reason.
func (t *tapeTable) damageAt(n RoundNumber) *DamagedError {
	d := &DamagedError{From: n, To: n, Err: t.entry(n).damage}
	for e := t.entry(n + 1); e != nil && errors.Is(e.damage, d.Err); e = t.entry(d.To + 1) {
		d.To++
	}
	return d
}

// largest returns the largest timestamp that is in any of the rounds.
func (t *tapeTable) largest() hlc.Timestamp {
	last := t.base.Last
	for i := range t.entries {
		last = max(last, t.entries[i].last)
	}
	return last
}
