package shard

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// Identity says whose a folder is.
type Identity struct {
	Cluster wal.DatabaseID
	Node    quorum.NodeID
}

func (i Identity) String() string { return fmt.Sprintf("node %d of cluster %v", i.Node, i.Cluster) }

// openedFolder is a replica's folder and what is open in it.
type openedFolder struct {
	*folder.Folder
	id       Identity
	tape     *wal.Tape
	contents *wal.TapeContents
	ballots  *wal.BallotFile
	ballot   wal.Ballot
	// manifest is that of the newest checkpoint, base what it goes on behind; both are
	// zero without one.
	manifest *checkpoint.Manifest
	base     groupBase
	// written is how much of a checkpoint that is being made is there, missing how much smaller the one
	// is that it takes the place of; stuck says that the last one had no room. Jobs write and read them.
	written, missing atomic.Int64
	stuck            atomic.Bool
}

// reserve returns how much of the disk the log has to leave free: what the next checkpoint takes,
// or what the running one has still to write, and what the one after it will not get back from it. It
// takes less than the data does in memory, and without it the log does not become smaller. If it was of no use the
// log gets it.
func (f *openedFolder) reserve(o *Options) int64 {
	if o.CheckpointBytes <= 0 || f.stuck.Load() {
		return 0
	}
	return max(0, o.Arena.LiveBytes()-f.written.Load()) + f.missing.Load()
}

// openFolder opens the folder of a replica, which it makes if there is none. lazy says that
// nobody waits for its log.
func openFolder(d Disk, o *Options, rand env.Rand) (_ *openedFolder, err error) {
	held, err := folder.Hold(d.FS, d.Dir)
	if err != nil {
		return nil, err
	}
	f := &openedFolder{Folder: held, id: d.Identity}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	if err := f.identify(rand); err != nil {
		return nil, err
	}
	if f.ballots, f.ballot, err = wal.OpenBallot(d.FS, f.Path(folder.Ballot), f.id.Cluster); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = dberr.Corrupt(f.Path(folder.Ballot), 0, "it is missing, and with it what the replica has promised; it has to join as a new node, with an empty folder")
		}
		return nil, err
	}
	if d.Refill {
		if err := f.giveUpCheckpoint(o.Group.Members); err != nil {
			return nil, err
		}
	}
	if err := f.findCheckpoint(); err != nil {
		return nil, err
	}
	f.tape, f.contents, err = wal.OpenTape(wal.TapeOptions{FS: d.FS, Rand: rand, Dir: f.Path(folder.Log), Reach: f.Path(folder.Reach), ID: f.id.Cluster,
		SegmentBytes: d.SegmentBytes, Lazy: o.Group.Durability == stream.Memory, Damaged: true, Time: o.Time, OnSync: d.OnSync, Reserve: func() int64 { return f.reserve(o) }})
	if err != nil {
		return nil, err
	}
	return f, f.reconcile()
}

// identify reads whose the folder is, or says so if it is new.
func (f *openedFolder) identify(rand env.Rand) error {
	want := folder.Identity{ID: f.id.Cluster, Node: uint32(f.id.Node)}
	switch found, err := f.Identify(); {
	case errors.Is(err, fs.ErrNotExist):
		return f.found(want, rand)
	case err != nil:
		return err
	case found != want:
		return fmt.Errorf("%w: it is of %v, this is %v", dberr.ErrForeignFolder, found, want)
	}
	return f.Settle()
}

// found makes the folder this replica's. It counts when the identity has its name; what a
// crash leaves before that is made anew.
func (f *openedFolder) found(id folder.Identity, rand env.Rand) error {
	if err := f.ExpectNew(); err != nil {
		return err
	}
	if err := wal.CreateReach(f.FS, f.Path(folder.Reach), f.id.Cluster, wal.Reach{}); err != nil {
		return err
	}
	if err := wal.CreateBallot(f.FS, f.Path(folder.Ballot), f.id.Cluster, wal.Ballot{}, rand); err != nil {
		return err
	}
	if err := f.Name(id); err != nil {
		return err
	}
	return f.Settle()
}

// reconcile puts log and checkpoint together: a crash can have come between the arrival of
// a checkpoint and the log's new beginning behind it.
func (f *openedFolder) reconcile() error {
	base := f.base.Base
	if f.has(base) {
		return nil
	}
	if err := f.tape.Reset(base); err != nil {
		return err
	}
	f.contents = &wal.TapeContents{Base: base, Last: base.Last}
	return nil
}

// has tells whether the log has the round that the checkpoint ends at, or may have it: of what
// is damaged the group takes care.
func (f *openedFolder) has(base wal.Base) bool {
	c := f.contents
	if c.Lost != nil || c.Base.Number > base.Number {
		return true
	}
	if base.Number == c.Base.Number {
		return base.Epoch == c.Base.Epoch
	}
	i := int(base.Number - c.Base.Number - 1)
	return i < len(c.Rounds) && (c.Rounds[i].Epoch == base.Epoch || c.Rounds[i].Damage != nil)
}

// close gives the folder back.
func (f *openedFolder) close() error {
	var errs []error
	if f.tape != nil {
		errs = append(errs, f.tape.Close())
	}
	if f.ballots != nil {
		errs = append(errs, f.ballots.Close())
	}
	return errors.Join(append(errs, f.Folder.Close())...)
}
