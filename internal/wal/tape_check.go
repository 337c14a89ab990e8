package wal

import (
	"context"
	"errors"
	"io/fs"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
)

// CheckTape verifies the log of a replica as Check does that of a Log, every round with its
// payload. Damage of rounds names them: others have them. It reads alone. Of o it uses
// FS, Dir, Reach and ID.
func CheckTape(ctx context.Context, o CheckOptions) (*CheckReport, error) {
	k := &checker{report: &CheckReport{}}
	reach, err := loadReach(o.FS, o.Reach, o.ID)
	if err != nil {
		if !k.damage(err) {
			return nil, err
		}
		reach = reachSlot{}
	}
	if o.ID == (DatabaseID{}) {
		o.ID = reach.id
	}
	var problem error
	c, err := loadTape(o.FS, o.Dir, o.ID, reach.Reach, func(err error) {
		problem = err
		k.problem(err)
	})
	if err != nil {
		return nil, err
	}
	s, err := surveyTape(c, problem)
	if err != nil {
		return nil, err
	}
	if s.broken != nil && problem == nil {
		k.problem(s.broken)
	}
	k.report.Segments = len(c.segments)
	t := &Tape{opt: TapeOptions{FS: o.FS}}
	t.mu.table, t.mu.written = s.table, s.tail
	return k.report, k.rounds(ctx, t)
}

// rounds reads all rounds of a tape.
func (k *checker) rounds(ctx context.Context, t *Tape) error {
	const bytesMax = 4 << 20
	for n := t.Base().Number + 1; n <= t.Last(); {
		if err := ctx.Err(); err != nil {
			return err
		}
		rounds, err := t.Read(n, bytesMax)
		var damage *DamagedError
		switch {
		case errors.As(err, &damage):
			n = t.skip(n, damage)
			k.damagedRounds(damage, n-1)
			continue
		case err != nil:
			return err
		}
		for i := range rounds {
			k.report.Rounds++
			k.report.Bytes += int64(len(rounds[i].Payload))
			if rounds[i].Kind != RoundData {
				continue
			}
			batches, err := SplitPayload(rounds[i].Payload)
			if err != nil {
				return err // Read has verified it
			}
			k.report.Batches += int64(len(batches))
			for j := range batches {
				k.report.Records += int64(batches[j].Records)
			}
		}
		n += RoundNumber(len(rounds))
	}
	return nil
}

// skip returns the first round behind n that is not damaged in the same way.
func (t *Tape) skip(n RoundNumber, damage *DamagedError) RoundNumber {
	for n++; ; n++ {
		if e := t.mu.table.entry(n); e == nil || e.damage == nil || !errors.Is(e.damage, damage.Err) {
			return n
		}
	}
}

// damagedRounds says which rounds are damaged.
func (k *checker) damagedRounds(d *DamagedError, to RoundNumber) {
	var c *dberr.CorruptionError
	if errors.As(d.Err, &c) {
		k.problem(dberr.Corrupt(c.File, c.Offset, "rounds %d to %d: %s", d.From, to, c.Reason))
		return
	}
	k.problem(d)
}

// CheckBallot verifies a member's ballot and returns it. It reads alone. One slot that is
// damaged is a problem: the next one would take the promises of the member with it.
func CheckBallot(fsys env.FS, name string, id DatabaseID) (b Ballot, problem error, err error) {
	f, err := fsys.OpenRead(name)
	if errors.Is(err, fs.ErrNotExist) {
		return b, dberr.Corrupt(name, 0, "the file is missing"), nil
	}
	if err != nil {
		return b, nil, err
	}
	defer f.Close()
	newest, same, err := readBallot(f, name, id)
	switch {
	case errors.Is(err, dberr.ErrCorrupt), errors.Is(err, dberr.ErrNewerFormat), errors.Is(err, dberr.ErrOlderFormat):
		return b, err, nil
	case err != nil:
		return b, nil, err
	case !same:
		problem = dberr.Corrupt(name, 0, "its two copies are not the same; it is mended when the replica is opened")
	}
	return newest.Ballot, problem, nil
}
