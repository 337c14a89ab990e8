package godwit

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/wal"
)

// The data folder:
//
//	LOCK        held while the database is open
//	IDENTITY    what the folder is: format version and the database's id
//	RESTORING   stands for IDENTITY while a restore fills the folder, and becomes it
//	REACH       how far the log goes, so that what is lost of it is missed
//	checkpoint/ the newest checkpoint: MANIFEST and a folder of parts
//	log/        the log's segments
//
// Format 1 has no REACH. Open brings it up to date.
const (
	lockName         = "LOCK"
	identityName     = "IDENTITY"
	identityTempName = "IDENTITY.tmp"
	restoringName    = "RESTORING"
	reachName        = "REACH"
	logFolder        = "log"
	checkpointFolder = "checkpoint"

	folderFormat     = 2
	identityBytesMax = 4096
)

// store is an open data folder.
type store struct {
	fs   env.FS
	dir  string
	lock io.Closer
	id   [16]byte
	// format is what the folder has, 0 if that is not known.
	format int
}

// openStore takes the folder for this process and reads its identity, or gives
// it one if it is new.
func openStore(fsys env.FS, dir string) (*store, error) {
	s, err := lockFolder(fsys, dir)
	if err != nil {
		return nil, err
	}
	err = s.identify()
	if errors.Is(err, fs.ErrNotExist) {
		if err = s.expectEmpty(); err == nil {
			err = s.found(wal.Reach{})
		}
	}
	if err == nil {
		err = s.settle()
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// lockFolder takes a folder, which it makes if there is none, for this process.
func lockFolder(fsys env.FS, dir string) (*store, error) {
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, err
	}
	if err := expectOurs(fsys, dir); err != nil {
		return nil, err // before it gets a lock file from us
	}
	lock, err := fsys.Lock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, err
	}
	return &store{fs: fsys, dir: dir, lock: lock}, nil
}

// lockToRead takes a folder together with others that only read it.
func lockToRead(fsys env.FS, dir string) (*store, error) {
	if err := expectOurs(fsys, dir); err != nil {
		return nil, err
	}
	name := filepath.Join(dir, lockName)
	lock, err := fsys.LockShared(name)
	if errors.Is(err, fs.ErrNotExist) {
		lock, err = &missingLock{fsys, name}, nil
	}
	if err != nil {
		return nil, err
	}
	return &store{fs: fsys, dir: dir, lock: lock}, nil
}

// missingLock stands for a lock file that a folder does not have: nobody has it
// open, and whoever opens it makes the file.
type missingLock struct {
	fs   env.FS
	name string
}

// Close returns an error if somebody has opened the folder meanwhile.
func (l *missingLock) Close() error {
	switch _, err := l.fs.Stat(l.name); {
	case err == nil:
		return fmt.Errorf("%w: %s was made while the folder was read", dberr.ErrLocked, l.name)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

func (s *store) close() error { return s.lock.Close() }

func (s *store) logDir() string { return filepath.Join(s.dir, logFolder) }

func (s *store) checkpointDir() string { return filepath.Join(s.dir, checkpointFolder) }

func (s *store) manifest() string {
	return filepath.Join(s.checkpointDir(), checkpoint.ManifestFile)
}

// reach returns the name of the file that says how far the log goes, "" if the
// folder's format has none.
func (s *store) reach() string {
	if s.format == 1 {
		return ""
	}
	return filepath.Join(s.dir, reachName)
}

// identify reads who the folder is. The error matches fs.ErrNotExist if nobody
// has said.
func (s *store) identify() error {
	name := filepath.Join(s.dir, identityName)
	content, err := readSmall(s.fs, name, identityBytesMax)
	if err != nil {
		return err
	}
	format, id, err := parseIdentity(name, content)
	if err != nil {
		return err
	}
	s.format, s.id = format, id
	return nil
}

// expectOurs returns an error if what is in a folder has nothing to do with a
// database.
func expectOurs(fsys env.FS, dir string) error {
	names, err := fsys.List(dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		switch n {
		case identityName, identityTempName, restoringName, reachName, lockName, logFolder, checkpointFolder:
			return nil
		}
	}
	if len(names) > 0 {
		return foreignFolder(names[0])
	}
	return nil
}

func foreignFolder(content string) error {
	if content == logFolder || content == checkpointFolder {
		return fmt.Errorf("the folder has no %s file: the database in it has lost it, and a new one needs an empty folder", identityName)
	}
	return fmt.Errorf("the folder has no %s, so it is no database, and a new one needs an empty folder: it has %s", identityName, content)
}

// expectEmpty returns an error if there is something in the folder: ErrHalfRestored if
// that is what a restore has left.
func (s *store) expectEmpty() error {
	names, err := s.fs.List(s.dir)
	if err != nil {
		return err
	}
	if slices.Contains(names, restoringName) {
		return ErrHalfRestored
	}
	for _, n := range names {
		if n != lockName && n != identityTempName && n != reachName {
			return foreignFolder(n)
		}
	}
	return nil
}

// empty removes what a restore has made in the folder, but the lock, which is held.
// What says that it is none but half of one goes last.
func (s *store) empty() error {
	restoring := filepath.Join(s.dir, restoringName)
	if err := s.fs.Rename(filepath.Join(s.dir, identityName), restoring); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return err
	}
	if err := s.emptyRest(); err != nil {
		return err
	}
	if err := removeTree(s.fs, restoring); err != nil {
		return err
	}
	return s.fs.SyncDir(s.dir)
}

// emptyRest removes what a restore has made beside RESTORING.
func (s *store) emptyRest() error {
	for _, name := range []string{identityTempName, reachName, checkpointFolder} {
		if err := removeTree(s.fs, filepath.Join(s.dir, name)); err != nil {
			return err
		}
	}
	return s.fs.SyncDir(s.dir)
}

// found makes the folder a database's, under an id of its own unless it has one.
// reach is how far its log goes.
func (s *store) found(reach wal.Reach) error {
	if s.id == ([16]byte{}) {
		if _, err := rand.Read(s.id[:]); err != nil {
			return err
		}
	}
	return s.identifyAs(identityTempName, reach)
}

// identifyAs gives the folder the identity file and the reach of this format. It is
// of this format only when both are durable; until then the identity has the name temp.
func (s *store) identifyAs(temp string, reach wal.Reach) error {
	s.format = folderFormat
	if err := wal.CreateReach(s.fs, s.reach(), wal.DatabaseID(s.id), reach); err != nil {
		return err
	}
	temp = filepath.Join(s.dir, temp)
	if err := writeWhole(s.fs, temp, formatIdentity(s.format, s.id)); err != nil {
		return err
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return err
	}
	if err := s.fs.Rename(temp, filepath.Join(s.dir, identityName)); err != nil {
		return err
	}
	return s.fs.SyncDir(s.dir)
}

// upgrade brings the folder to this format.
func (s *store) upgrade(reach wal.Reach) error {
	if s.format == folderFormat {
		return nil
	}
	return s.identifyAs(identityTempName, reach)
}

// settle makes durable that the folder is what it is, and its own path. Whoever has made
// them may have been killed before this; what this program may not open, it has not
// made.
func (s *store) settle() error {
	if err := s.fs.SyncDir(s.dir); err != nil {
		return err
	}
	for dir := filepath.Clean(s.dir); dir != filepath.Dir(dir); {
		dir = filepath.Dir(dir)
		if err := s.fs.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

// formatIdentity returns the identity file: text for people, with a checksum.
func formatIdentity(format int, id [16]byte) []byte {
	return sealIdentity(fmt.Sprintf("godwit data folder\nformat %d\nid %s\n", format, hex.EncodeToString(id[:])))
}

func sealIdentity(text string) []byte {
	return fmt.Appendf(nil, "%schecksum %08x\n", text, crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)))
}

func parseIdentity(name string, content []byte) (format int, id [16]byte, err error) {
	var idText string
	if _, err := fmt.Sscanf(string(content), "godwit data folder\nformat %d\n", &format); err != nil {
		return 0, id, dberr.Corrupt(name, 0, "it does not begin as an identity file does")
	}
	if format > folderFormat {
		return 0, id, fmt.Errorf("%w: %s has format %d, this program knows %d", dberr.ErrNewerFormat, name, format, folderFormat)
	}
	if _, err := fmt.Sscanf(string(content), "godwit data folder\nformat %d\nid %32s\n", &format, &idText); err == nil {
		if raw, err := hex.DecodeString(idText); err == nil && len(raw) == len(id) {
			copy(id[:], raw)
		}
	}
	if format < 1 || !bytes.Equal(content, formatIdentity(format, id)) {
		return 0, id, dberr.Corrupt(name, 0, "its checksum does not fit its content")
	}
	return format, id, nil
}

// removeTree removes a file, or a folder with all that is in it, if it exists.
func removeTree(fsys env.FS, name string) error {
	info, err := fsys.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir {
		names, err := fsys.List(name)
		if err != nil {
			return err
		}
		for _, n := range names {
			if err := removeTree(fsys, filepath.Join(name, n)); err != nil {
				return err
			}
		}
	}
	return fsys.Remove(name)
}

// readSmall returns a file's content, which is at most most bytes long.
func readSmall(fsys env.FS, name string, most int64) ([]byte, error) {
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
	if _, err := f.WriteAt(content, 0); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}
