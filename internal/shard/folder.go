package shard

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// A replica's folder:
//
//	LOCK        held while the replica runs
//	IDENTITY    what the folder is: format, cluster, node. Made last, when all is there
//	REACH       how far the log goes (package wal)
//	BALLOT      what the member has promised
//	log/        the group's log of rounds
//	checkpoint/ the newest checkpoint, as in the folder of a database of one node
//	incoming/   a checkpoint on its way here from another replica
const (
	lockName       = "LOCK"
	identityName   = "IDENTITY"
	reachName      = "REACH"
	ballotName     = "BALLOT"
	logName        = "log"
	checkpointName = "checkpoint"
	incomingName   = "incoming"

	folderFormat     = 1
	identityBytesMax = 4096
)

// ErrForeignFolder: the folder belongs to another cluster or node. Nothing was changed.
var ErrForeignFolder = errors.New("shard: the folder is another replica's")

// Identity says whose a folder is.
type Identity struct {
	Cluster wal.DatabaseID
	Node    quorum.NodeID
}

func (i Identity) String() string { return fmt.Sprintf("node %d of cluster %v", i.Node, i.Cluster) }

// folder is an open folder.
type folder struct {
	fs       env.FS
	dir      string
	id       Identity
	lock     io.Closer
	tape     *wal.Tape
	contents *wal.TapeContents
	ballots  *wal.BallotFile
	ballot   wal.Ballot
	// manifest is that of the newest checkpoint, base what it goes on behind; both are
	// zero without one.
	manifest *checkpoint.Manifest
	base     groupBase
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

// openFolder opens the folder of a replica, which it makes if there is none.
func openFolder(d Disk, rand env.Rand) (_ *folder, err error) {
	fsys, dir, id := d.FS, d.Dir, d.Identity
	f := &folder{fs: fsys, dir: dir, id: id}
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, err
	}
	if f.lock, err = fsys.Lock(f.path(lockName)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	if err := f.identify(); err != nil {
		return nil, err
	}
	if f.ballots, f.ballot, err = wal.OpenBallot(fsys, f.path(ballotName), id.Cluster); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = dberr.Corrupt(f.path(ballotName), 0, "it is missing, and with it what the replica has promised; it has to join as a new node, with an empty folder")
		}
		return nil, err
	}
	if err := f.findCheckpoint(); err != nil {
		return nil, err
	}
	f.tape, f.contents, err = wal.OpenTape(wal.TapeOptions{FS: fsys, Rand: rand, Dir: f.path(logName), Reach: f.path(reachName), ID: id.Cluster,
		SegmentBytes: d.SegmentBytes, Reserved: d.Reserved})
	if err != nil {
		return nil, err
	}
	return f, f.reconcile()
}

// identify reads whose the folder is, or says so if it is new.
func (f *folder) identify() error {
	name := f.path(identityName)
	switch _, err := f.fs.Stat(name); {
	case errors.Is(err, fs.ErrNotExist):
		return f.found()
	case err != nil:
		return err
	}
	content, err := readAll(f.fs, name, identityBytesMax)
	if err != nil {
		return err
	}
	var format int
	if _, err := fmt.Sscanf(string(content), "godwit replica folder\nformat %d\n", &format); err != nil {
		return dberr.Corrupt(name, 0, "it does not begin as a replica's identity does")
	}
	if format > folderFormat {
		return fmt.Errorf("%w: %s has format %d, this program knows %d", dberr.ErrNewerFormat, name, format, folderFormat)
	}
	if bytes.Equal(content, identityText(f.id)) {
		return nil
	}
	var cluster string
	var node quorum.NodeID
	if _, err := fmt.Sscanf(string(content), "godwit replica folder\nformat 1\ncluster %32s\nnode %d\n", &cluster, &node); err == nil {
		raw, err := hex.DecodeString(cluster)
		found := Identity{Node: node}
		if copy(found.Cluster[:], raw); err == nil && bytes.Equal(content, identityText(found)) {
			return fmt.Errorf("%w: %s is of %v, this is %v", ErrForeignFolder, f.dir, found, f.id)
		}
	}
	return dberr.Corrupt(name, 0, "its checksum does not fit its content")
}

// found makes the folder this replica's. It counts when the identity has its name; what a
// crash leaves before that is made anew.
func (f *folder) found() error {
	names, err := f.fs.List(f.dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		switch n {
		case lockName, reachName, ballotName, identityName + ".tmp":
		default:
			return fmt.Errorf("shard: the folder %s has no %s, so it is no replica's, and a new one needs an empty folder: it has %s", f.dir, identityName, n)
		}
	}
	if err := wal.CreateReach(f.fs, f.path(reachName), f.id.Cluster, wal.Reach{}); err != nil {
		return err
	}
	if err := wal.CreateBallot(f.fs, f.path(ballotName), f.id.Cluster); err != nil {
		return err
	}
	if err := writeWhole(f.fs, f.path(identityName+".tmp"), identityText(f.id)); err != nil {
		return err
	}
	if err := f.fs.SyncDir(f.dir); err != nil {
		return err
	}
	if err := f.fs.Rename(f.path(identityName+".tmp"), f.path(identityName)); err != nil {
		return err
	}
	return errors.Join(f.fs.SyncDir(f.dir), f.fs.SyncDir(filepath.Dir(f.dir)))
}

func identityText(id Identity) []byte {
	text := fmt.Sprintf("godwit replica folder\nformat %d\ncluster %s\nnode %d\n", folderFormat, id.Cluster, id.Node)
	return fmt.Appendf(nil, "%schecksum %08x\n", text, crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)))
}

// reconcile puts log and checkpoint together: a crash can have come between the arrival of
// a checkpoint and the log's new beginning behind it.
func (f *folder) reconcile() error {
	base := f.base.Base
	switch {
	case f.contents.Base.Number > base.Number:
		return dberr.Corrupt(f.path(checkpointName), 0, "the log begins behind round %d, the checkpoint ends at round %d", f.contents.Base.Number, base.Number)
	case f.has(base):
		return nil
	}
	if err := f.tape.Reset(base); err != nil {
		return err
	}
	f.contents = &wal.TapeContents{Base: base, Last: base.Last}
	return nil
}

// has tells whether the log has the round that the checkpoint ends at.
func (f *folder) has(base wal.Base) bool {
	c := f.contents
	if base.Number == c.Base.Number {
		return base.Epoch == c.Base.Epoch
	}
	i := int(base.Number - c.Base.Number - 1)
	return i < len(c.Rounds) && c.Rounds[i].Epoch == base.Epoch
}

// close gives the folder back.
func (f *folder) close() error {
	var errs []error
	if f.tape != nil {
		errs = append(errs, f.tape.Close())
	}
	if f.ballots != nil {
		errs = append(errs, f.ballots.Close())
	}
	return errors.Join(append(errs, f.lock.Close())...)
}

// readAll returns a file's content, which is at most most bytes long.
func readAll(fsys env.FS, name string, most int64) ([]byte, error) {
	f, err := fsys.OpenRead(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > most {
		return nil, dberr.Corrupt(name, most, "it is %d bytes long, expected at most %d", size, most)
	}
	content := make([]byte, size)
	if _, err := f.ReadAt(content, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return content, nil
}

// writeWhole makes a file with this content, durable but for its name.
func writeWhole(fsys env.FS, name string, content []byte) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
