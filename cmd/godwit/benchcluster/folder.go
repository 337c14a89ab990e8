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
func openFolder(fsys env.FS, dir string, who identity, memory bool) (f *folder, err error) {
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, err
	}
	f = &folder{}
	if f.lock, err = fsys.Lock(filepath.Join(dir, "LOCK")); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	reach, ballot := filepath.Join(dir, "REACH"), filepath.Join(dir, "BALLOT")
	found, err := readIdentity(fsys, filepath.Join(dir, "IDENTITY"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// The identity comes last: with it, the folder is complete.
		err = errors.Join(wal.CreateReach(fsys, reach, who.database(), wal.Reach{}), wal.CreateBallot(fsys, ballot, who.database()))
		if err == nil {
			err = writeIdentity(fsys, dir, who)
		}
	case err == nil && found != who:
		err = fmt.Errorf("benchcluster: %s belongs to member %d of cluster %d, not to member %d of cluster %d", dir, found.Member, found.Cluster, who.Member, who.Cluster)
	}
	if err != nil {
		return nil, err
	}
	return f, f.open(fsys, dir, reach, ballot, who.database(), memory)
}

func (f *folder) open(fsys env.FS, dir, reach, ballot string, id wal.DatabaseID, memory bool) (err error) {
	if f.ballots, f.ballot, err = wal.OpenBallot(fsys, ballot, id); err != nil {
		return err
	}
	tape, contents, err := wal.OpenTape(wal.TapeOptions{FS: fsys, Rand: env.RealRand(), Dir: filepath.Join(dir, "log"), Reach: reach, ID: id, Reserved: memory})
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
