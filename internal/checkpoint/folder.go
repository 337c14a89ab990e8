package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
)

const (
	// ManifestFile is the name of the manifest in the checkpoint folder.
	ManifestFile = "MANIFEST"
	// manifestTemp is its name until it is complete.
	manifestTemp = ManifestFile + ".tmp"
)

// Latest returns the manifest of the current checkpoint in dir and whether there
// is one. The error matches dberr.ErrCorrupt or dberr.ErrNewerFormat if there is
// a manifest that cannot be used. The parts are not looked at: Load and Check do
// that.
func Latest(fsys env.FS, dir string) (Manifest, bool, error) {
	name := filepath.Join(dir, ManifestFile)
	f, err := fsys.OpenRead(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, false, nil
	}
	if err != nil {
		return Manifest{}, false, fmt.Errorf("checkpoint: %w", err)
	}
	defer f.Close()
	b, err := readManifest(name, f)
	if err != nil {
		return Manifest{}, false, err
	}
	m, err := decodeManifest(name, b)
	return m, err == nil, err
}

func readManifest(name string, f env.File) ([]byte, error) {
	size, err := f.Size()
	if err != nil {
		return nil, fmt.Errorf("checkpoint: size of %s: %w", name, err)
	}
	if size > manifestBytesMax {
		return nil, dberr.Corrupt(name, manifestBytesMax, "manifest has %d bytes, at most %d are allowed", size, manifestBytesMax)
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return nil, fmt.Errorf("checkpoint: read %s at offset %d: %w", name, n, err)
	} else if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("checkpoint: read %s: %w", name, err)
	}
	return b, nil
}

// ReadManifest returns the current checkpoint's manifest as it is stored, for another
// machine's ParseManifest.
func ReadManifest(fsys env.FS, dir string) ([]byte, error) {
	name := filepath.Join(dir, ManifestFile)
	f, err := fsys.OpenRead(name)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	defer f.Close()
	return readManifest(name, f)
}

// ParseManifest reads a manifest that came from elsewhere; name stands for it in errors.
func ParseManifest(name string, b []byte) (Manifest, error) { return decodeManifest(name, b) }

// ExpectDatabase returns an error that matches ErrForeignDatabase if the
// checkpoint is not of database id.
func (m *Manifest) ExpectDatabase(id DatabaseID) error {
	return expectDatabase("the checkpoint in "+m.Folder, m.Database, id)
}

// Cleanup removes what is in dir and does not belong to the current checkpoint:
// older ones, and the remains of one that was not finished. It returns the names
// of what it removed, and touches no file that this package would not make.
//
// Call it when the database has been recovered, and after a Publish without
// error; not while a checkpoint is written, and not after a Publish that failed: then it
// is not known which checkpoint a crash would leave.
func Cleanup(fsys env.FS, dir string) ([]string, error) {
	m, _, err := Latest(fsys, dir)
	if err != nil {
		return nil, err
	}
	names, err := fsys.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	// The manifest that we saw has to be the one that a crash leaves.
	if err := fsys.SyncDir(dir); err != nil {
		return nil, fmt.Errorf("checkpoint: sync %s: %w", dir, err)
	}
	var removed []string
	for _, name := range names {
		path := filepath.Join(dir, name)
		switch {
		case name == manifestTemp:
			err = fsys.Remove(path)
		case isFolder(name) && name != m.Folder:
			err = removeFolder(fsys, path)
		default:
			continue
		}
		if err != nil {
			return removed, fmt.Errorf("checkpoint: %w", err)
		}
		removed = append(removed, name)
	}
	return removed, nil
}

// removeFolder removes a checkpoint's folder with its files, if it exists. A
// crash on the way leaves a part of it, to be removed next time.
func removeFolder(fsys env.FS, path string) error {
	names, err := fsys.List(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := fsys.Remove(filepath.Join(path, name)); err != nil {
			return err
		}
	}
	return fsys.Remove(path)
}
