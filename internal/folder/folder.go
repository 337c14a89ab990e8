package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
)

// What is in a folder.
const (
	Lock         = "LOCK"
	IdentityFile = "IDENTITY"
	Restoring    = "RESTORING"
	Reach        = "REACH"
	Ballot       = "BALLOT"
	Log          = "log"
	Checkpoint   = "checkpoint"
	Incoming     = "incoming"

	identityTemp = IdentityFile + ".tmp"
)

// ours are all names that tell a folder of Godwit.
func ours() []string {
	return []string{Lock, IdentityFile, identityTemp, Restoring, Reach, Ballot, Log, Checkpoint, Incoming}
}

// Folder is a folder that this process holds.
type Folder struct {
	FS   env.FS
	Dir  string
	lock io.Closer
}

// Hold takes a folder, which it makes if there is none, for this process. Close must
// follow. dberr.ErrLocked: another one has it.
func Hold(fsys env.FS, dir string) (*Folder, error) {
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, err
	}
	if err := expectOurs(fsys, dir); err != nil {
		return nil, err // before it gets a lock file from us
	}
	lock, err := fsys.Lock(filepath.Join(dir, Lock))
	if err != nil {
		return nil, err
	}
	return &Folder{fsys, dir, lock}, nil
}

// HoldToRead takes a folder together with others that only read it.
func HoldToRead(fsys env.FS, dir string) (*Folder, error) {
	if err := expectOurs(fsys, dir); err != nil {
		return nil, err
	}
	name := filepath.Join(dir, Lock)
	lock, err := fsys.LockShared(name)
	if errors.Is(err, fs.ErrNotExist) {
		lock, err = &missingLock{fsys, name}, nil
	}
	if err != nil {
		return nil, err
	}
	return &Folder{fsys, dir, lock}, nil
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

// Close gives the folder back.
func (f *Folder) Close() error { return f.lock.Close() }

// Path returns the path of what is in the folder.
func (f *Folder) Path(name string) string { return filepath.Join(f.Dir, name) }

// Identify reads what the folder is. The error matches fs.ErrNotExist if nobody has said;
// dberr.ErrNewerFormat, dberr.ErrOlderFormat: another version of the program has;
// dberr.ErrCorrupt: what it says is damaged.
func (f *Folder) Identify() (Identity, error) {
	name := f.Path(IdentityFile)
	content, err := readSmall(f.FS, name, identityBytesMax)
	if err != nil {
		return Identity{}, err
	}
	return decodeIdentity(name, content)
}

// Name says what the folder is, durably. If that fails, or the process dies meanwhile, it is
// what it was before.
func (f *Folder) Name(id Identity) error {
	if err := writeWhole(f.FS, f.Path(identityTemp), id.encode()); err != nil {
		return err
	}
	return f.become(identityTemp)
}

// BeginRestoring says that the folder is half of something (dberr.ErrHalfRestored), until
// Restored says what it is.
func (f *Folder) BeginRestoring() error {
	if err := writeWhole(f.FS, f.Path(Restoring), nil); err != nil {
		return err
	}
	return f.FS.SyncDir(f.Dir)
}

// Restored is Name for a folder that has been restored.
func (f *Folder) Restored(id Identity) error {
	if err := writeWhole(f.FS, f.Path(Restoring), id.encode()); err != nil {
		return err
	}
	return f.become(Restoring)
}

// become makes a file the identity.
func (f *Folder) become(name string) error {
	if err := f.FS.SyncDir(f.Dir); err != nil {
		return err
	}
	if err := f.FS.Rename(f.Path(name), f.Path(IdentityFile)); err != nil {
		return err
	}
	return f.FS.SyncDir(f.Dir)
}

// expectOurs returns an error if what is in a folder has nothing to do with us.
func expectOurs(fsys env.FS, dir string) error {
	names, err := fsys.List(dir)
	if err != nil {
		return err
	}
	if len(names) == 0 || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(ours(), n) }) {
		return nil
	}
	return foreign(dir, names[0])
}

func foreign(dir, content string) error {
	if content == Log || content == Checkpoint {
		return fmt.Errorf("the folder %s has no %s file: the database in it has lost it, and a new one needs an empty folder", dir, IdentityFile)
	}
	return fmt.Errorf("the folder %s has no %s, so it is no database, and a new one needs an empty folder: it has %s", dir, IdentityFile, content)
}

// ExpectNew returns an error if there is more in the folder, which has no identity, than
// what an attempt to found it leaves. dberr.ErrHalfRestored: that is what a restore has left.
func (f *Folder) ExpectNew() error {
	names, err := f.FS.List(f.Dir)
	if err != nil {
		return err
	}
	if slices.Contains(names, Restoring) {
		return dberr.ErrHalfRestored
	}
	for _, n := range names {
		switch n {
		case Lock, identityTemp, Reach, Ballot:
		default:
			return foreign(f.Dir, n)
		}
	}
	return nil
}

// Empty removes what a restore has made in the folder, but the lock, which is held.
// What says that it is none but half of one goes last.
func (f *Folder) Empty() error {
	if err := f.FS.Rename(f.Path(IdentityFile), f.Path(Restoring)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := f.FS.SyncDir(f.Dir); err != nil {
		return err
	}
	if err := f.EmptyRest(); err != nil {
		return err
	}
	if err := removeTree(f.FS, f.Path(Restoring)); err != nil {
		return err
	}
	return f.FS.SyncDir(f.Dir)
}

// EmptyRest removes what a restore has made beside RESTORING.
func (f *Folder) EmptyRest() error {
	for _, name := range []string{identityTemp, Reach, Checkpoint} {
		if err := removeTree(f.FS, f.Path(name)); err != nil {
			return err
		}
	}
	return f.FS.SyncDir(f.Dir)
}

// Settle makes durable that the folder is what it is, and its own path. Whoever has made
// them may have been killed before this; what this program may not open, it has not
// made.
func (f *Folder) Settle() error {
	if err := f.FS.SyncDir(f.Dir); err != nil {
		return err
	}
	for dir := filepath.Clean(f.Dir); dir != filepath.Dir(dir); {
		dir = filepath.Dir(dir)
		if err := f.FS.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}
