package benchcluster

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/wal"
)

// folder is an open data folder of a member:
//
//	LOCK      held while it is open
//	IDENTITY  whose it is
//	REACH     how far the log goes
//	BALLOT    what the member has promised
//	log/      the log's segments
type folder struct {
	lock    io.Closer
	tape    *wal.Tape
	ballots *wal.BallotFile
	// What was in it.
	contents *wal.TapeContents
	ballot   wal.Ballot
}

// identity says whose a folder is.
type identity struct {
	Cluster uint64
	Member  env.NodeID
}

const identityBytesMax = 4096

func (i identity) database() (id wal.DatabaseID) {
	binary.LittleEndian.PutUint64(id[:], i.Cluster)
	binary.LittleEndian.PutUint64(id[8:], uint64(i.Member))
	return id
}

// openFolder opens a member's folder and makes it if there is none. memory says that
// nobody waits for its disk.
func openFolder(fsys env.FS, dir string, who identity, memory bool) (*folder, error) {
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, err
	}
	lock, err := fsys.Lock(filepath.Join(dir, "LOCK"))
	if err != nil {
		return nil, err
	}
	f := &folder{lock: lock}
	if err = identify(fsys, dir, who); err == nil {
		err = f.open(fsys, dir, who.database(), memory)
	}
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// identify makes sure that a folder is somebody's: it is made theirs if it is new.
func identify(fsys env.FS, dir string, who identity) error {
	found, err := readIdentity(fsys, filepath.Join(dir, "IDENTITY"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// The identity comes last: with it, the folder is complete.
		err = errors.Join(wal.CreateReach(fsys, filepath.Join(dir, "REACH"), who.database(), wal.Reach{}),
			wal.CreateBallot(fsys, filepath.Join(dir, "BALLOT"), who.database()))
		if err == nil {
			err = writeIdentity(fsys, dir, who)
		}
	case err == nil && found != who:
		err = fmt.Errorf("benchcluster: %s belongs to member %d of cluster %d, not to member %d of cluster %d", dir, found.Member, found.Cluster, who.Member, who.Cluster)
	}
	return err
}

func (f *folder) open(fsys env.FS, dir string, id wal.DatabaseID, memory bool) (err error) {
	if f.ballots, f.ballot, err = wal.OpenBallot(fsys, filepath.Join(dir, "BALLOT"), id); err != nil {
		return err
	}
	tape, contents, err := wal.OpenTape(wal.TapeOptions{FS: fsys, Rand: env.RealRand(), ID: id, Reserved: memory,
		Dir: filepath.Join(dir, "log"), Reach: filepath.Join(dir, "REACH")})
	if err != nil {
		return err
	}
	f.tape, f.contents = tape, contents
	return nil
}

func readIdentity(fsys env.FS, name string) (i identity, err error) {
	f, err := fsys.OpenRead(name)
	if err != nil {
		return i, err
	}
	text := make([]byte, identityBytesMax)
	n, err := f.ReadAt(text, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err == nil {
		err = json.Unmarshal(text[:n], &i)
	}
	return i, errors.Join(err, f.Close())
}

// writeIdentity makes the names in the folder durable, then the identity.
func writeIdentity(fsys env.FS, dir string, who identity) error {
	text, err := json.Marshal(who)
	if err != nil {
		return err
	}
	name := filepath.Join(dir, "IDENTITY")
	f, err := fsys.Create(name + ".tmp")
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(text, 0); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close(), fsys.SyncDir(dir)); err != nil {
		return err
	}
	return errors.Join(fsys.Rename(name+".tmp", name), fsys.SyncDir(dir))
}

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
