package streamsim

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/wal"
)

// Where a member keeps what it has.
const (
	folder     = "group"
	segmentDir = "log"
	reachName  = "reach"
	ballotName = "ballot"
)

// groupID is the name of the database that all members have.
func groupID() wal.DatabaseID { return wal.DatabaseID{1} }

// segmentBytes is small, so that there are some.
const segmentBytes = 64 << 10

// disk is what a member has on its disk.
type disk struct {
	tape     *wal.Tape
	contents *wal.TapeContents
	ballots  *wal.BallotFile
	ballot   wal.Ballot
}

// openDisk reads a member's disk, or makes what is not there. The checkpoint may be newer than
// the log, if a crash has come between them.
func openDisk(f env.FS, rand env.Rand, from *checkpoint) (*disk, error) {
	if err := errors.Join(f.MkdirAll(folder), f.SyncDir(".")); err != nil {
		return nil, err
	}
	id, reach, ballot := groupID(), filepath.Join(folder, reachName), filepath.Join(folder, ballotName)
	err := errors.Join(
		create(f, reach, func(name string) error { return wal.CreateReach(f, name, id, wal.Reach{}) }),
		create(f, ballot, func(name string) error { return wal.CreateBallot(f, name, id, wal.Ballot{}, rand) }))
	if err != nil {
		return nil, err
	}
	d := &disk{}
	if d.ballots, d.ballot, err = wal.OpenBallot(f, ballot, id); err != nil {
		return nil, err
	}
	d.tape, d.contents, err = wal.OpenTape(wal.TapeOptions{FS: f, Rand: rand, Dir: filepath.Join(folder, segmentDir), Reach: reach, ID: id, SegmentBytes: segmentBytes, Damaged: true})
	if err != nil || from == nil || d.contents.Lost != nil || d.has(from.base()) {
		return d, err
	}
	base := from.base()
	d.contents = &wal.TapeContents{Base: base, Last: base.Last}
	return d, d.tape.Reset(base)
}

// has tells whether the log has a round, as far as can be read.
func (d *disk) has(base wal.Base) bool {
	for _, r := range d.contents.Rounds {
		if r.Number == base.Number {
			return r.Epoch == base.Epoch || r.Damage != nil
		}
	}
	return d.contents.Base.Number == base.Number && d.contents.Base.Epoch == base.Epoch
}

// create makes a file that is all there or not at all, if it is not there.
func create(f env.FS, name string, fill func(name string) error) error {
	const suffix = ".new"
	_, err := f.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		if err = fill(name + suffix); err == nil {
			err = f.Rename(name+suffix, name)
		}
	}
	return errors.Join(err, f.SyncDir(folder))
}
