package wal

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
)

// TapeSegmentBytesDefault is smaller than a Log's segments, because the job that fills one
// prepares the next.
const TapeSegmentBytesDefault = 16 << 20

// TapeOptions say where a tape is. FS, Rand, Dir and Reach are required; zero stands for
// the default elsewhere.
type TapeOptions struct {
	FS env.FS
	// Rand draws what tells the lives of a recycled segment apart.
	Rand env.Rand
	// Dir is the folder of the segments. Its parent exists.
	Dir string
	// Reach is the name of the file that CreateReach has made, outside of Dir.
	Reach string
	// ID is the database that the log belongs to.
	ID DatabaseID
	// SegmentBytes is the size of a segment. One that has to hold a larger round is
	// larger.
	SegmentBytes int64
	// SparesMax is how many segments that are not needed any more are kept to be used
	// again; 0 stands for the default, less for none.
	SparesMax int
	// Lazy is for a log that nobody waits for: new segments are reserved on the disk and not
	// filled with zeros. That is less work, and a sync takes longer.
	Lazy bool
	// Reserve, if not nil, returns how much of the disk has to be left free for what makes the log
	// smaller, a checkpoint: while there are segments that may be discarded, no file is made for another one in that
	// space, as if the disk were full. It is called where the tape's methods are.
	Reserve func() int64
	// Damaged opens a tape though it is damaged. TapeContents says which rounds are; Read
	// returns a *DamagedError for them until they are repaired. It says, too, if the log can
	// not be read to its end: then Read and Reset are all that can be done.
	Damaged bool
	// Time, if not nil, is what syncs are timed with.
	Time env.Clock
	// OnSync, if not nil, is called after every sync of rounds with the time it took, 0 without
	// Time, and the bytes that it made durable. It must not block.
	OnSync func(took time.Duration, bytes int64)
}

func (o TapeOptions) withDefaults() (TapeOptions, error) {
	orDefault(&o.SegmentBytes, TapeSegmentBytesDefault)
	orDefault(&o.SparesMax, SparesMaxDefault)
	o.SegmentBytes = roundUp(o.SegmentBytes)
	switch {
	case o.FS == nil || o.Rand == nil || o.Dir == "" || o.Reach == "":
		return o, errors.New("wal: FS, Rand, Dir and Reach are required")
	case o.SegmentBytes < segmentBytesMin:
		return o, fmt.Errorf("wal: SegmentBytes is %d, the least is %d", o.SegmentBytes, segmentBytesMin)
	}
	return o, nil
}

// TapeContents is what a tape holds when it is opened.
type TapeContents struct {
	Base   Base
	Rounds []RoundInfo // behind Base, without gaps
	// Last is the largest timestamp in any of them, or Base's.
	Last hlc.Timestamp
	// Lost, if not nil, is why the log can not be read on behind Rounds: others may have
	// followed, as many as is not known.
	Lost error
}

// RoundInfo describes a round without its payload.
type RoundInfo struct {
	Number    RoundNumber
	Epoch     Epoch
	Kind      RoundKind
	Watermark hlc.Timestamp
	Last      hlc.Timestamp
	Bytes     int64 // of the payload
	// Damage, if not nil, is what is wrong with the round; then Number is known, and Epoch,
	// Watermark and Last if a segment's header has them, which is so if Epoch is not 0.
	Damage error
}

// OpenTape reads the headers of all rounds and opens the log for appending. What a crash
// can have left at the end is cut off. Other damage is a dberr.CorruptionError, unless
// TapeOptions.Damaged lets it pass. A round whose payload alone is damaged is found by Read.
func OpenTape(o TapeOptions) (_ *Tape, _ *TapeContents, err error) {
	o, err = o.withDefaults()
	if err != nil {
		return nil, nil, err
	}
	// What a killed process has done must be durable before it is believed.
	if err := o.FS.SyncDir(o.Dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	if err := settle(o.FS, o.Dir, o.Reach); err != nil {
		return nil, nil, err
	}
	known, err := loadReach(o.FS, o.Reach, o.ID)
	if err != nil {
		return nil, nil, err
	}
	var problem, other error
	// Whether the log begins early enough is known to who has the checkpoint.
	c, err := loadChain(o.FS, o.Dir, o.ID, known.Reach, hlc.Max, func(err error) {
		problem = cmp.Or(problem, err)
		if isOtherFormat(err) {
			other = err
		}
	})
	// What another version has written is not damaged, and nobody may put something in its
	// place.
	if err := cmp.Or(err, other); err != nil {
		return nil, nil, err
	}
	s := &survey{}
	if len(c.segments) > 0 && !c.broken[c.segments[0].header.prev] {
		if s, _, err = c.survey(0); err != nil {
			return nil, nil, err
		}
	}
	s.broken = cmp.Or(problem, s.broken)
	if err := cmp.Or(s.broken, s.table.damaged()); err != nil && !o.Damaged {
		return nil, nil, err
	}
	t, err := newTape(o, c, s)
	if err != nil {
		return nil, nil, err
	}
	found := s.table.contents()
	found.Lost = s.broken
	return t, found, nil
}

// newTape opens the log behind what a survey has found.
func newTape(o TapeOptions, c *chain, s *survey) (_ *Tape, err error) {
	if err := o.FS.MkdirAll(o.Dir); err != nil {
		return nil, err
	}
	if err := o.FS.SyncDir(filepath.Dir(o.Dir)); err != nil {
		return nil, err
	}
	reach, err := openReach(o.FS, o.Reach, o.ID)
	if err != nil {
		return nil, err
	}
	t := &Tape{opt: o, pool: newChunkPool(chunkBytes), writer: newWriter(o.ID, o.Dir, o.Rand, reach, s.tail)}
	t.files.fs, t.files.dir, t.files.segmentBytes = o.FS, o.Dir, o.SegmentBytes
	t.files.sparesMax, t.files.lazy = o.SparesMax, o.Lazy
	t.files.mayMake, t.files.mayKeep = t.leavesReserve, func() bool { return t.files.hasReserve(o.Reserve, 0) }
	t.mu.table, t.mu.segments, t.mu.written = s.table, s.segments, s.tail
	if last := t.newest(); last != nil {
		t.prev, t.prevEnd = last.header.number, last.end
	}
	segment := t.prev
	if t.lost = s.broken; t.lost != nil {
		// Nothing of the old log is touched before a new one has taken its place.
		t.lostUpTo, c.unused, c.void = max(c.highest, c.reach.Segment), nil, nil
		t.round = max(s.tail, c.reach.Round)
		t.synced, t.witnessed, t.mu.written = t.round, t.round, t.round
	}
	// What a crash has left is durable by now, and might rot before it is written to.
	err = t.reach.raise(Reach{Segment: segment, Round: s.tail})
	if err == nil {
		err = t.files.adopt(c.spares, c.unused)
	}
	for _, n := range c.void {
		if err == nil {
			err = t.files.retire(segmentName(o.Dir, n))
		}
	}
	if err != nil {
		return nil, errors.Join(err, t.reach.close())
	}
	return t, nil
}

// contents describes the table.
func (t *tapeTable) contents() *TapeContents {
	c := &TapeContents{Base: t.base, Rounds: make([]RoundInfo, len(t.entries)), Last: t.largest()}
	for i := range t.entries {
		e := &t.entries[i]
		c.Rounds[i] = RoundInfo{Number: t.base.Number + 1 + RoundNumber(i), Damage: e.damage}
		r := &c.Rounds[i]
		r.Epoch, r.Kind, r.Watermark, r.Last, r.Bytes = e.epoch, e.kind, e.watermark, e.last, e.payloadBytes()
	}
	return c
}
