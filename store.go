package godwit

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/internal/wal"
)

// store is the open data folder of an embedded database.
type store struct {
	*folder.Folder
	id [16]byte
}

// openStore takes the folder for this process and reads its identity, or gives
// it one if it is new.
func openStore(fsys env.FS, dir string) (*store, error) {
	held, err := folder.Hold(fsys, dir)
	if err != nil {
		return nil, err
	}
	s := &store{Folder: held}
	err = s.identify()
	if errors.Is(err, fs.ErrNotExist) {
		if err = s.ExpectNew(); err == nil {
			err = s.found()
		}
	}
	if err == nil {
		err = s.Settle()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *store) logDir() string { return s.Path(folder.Log) }

func (s *store) checkpointDir() string { return s.Path(folder.Checkpoint) }

func (s *store) manifest() string {
	return filepath.Join(s.checkpointDir(), checkpoint.ManifestFile)
}

// reach returns the name of the file that says how far the log goes.
func (s *store) reach() string { return s.Path(folder.Reach) }

// identify reads who the folder is. The error matches fs.ErrNotExist if nobody
// has said.
func (s *store) identify() error {
	id, err := s.Identify()
	if err != nil {
		return err
	}
	if id.Node != 0 {
		return fmt.Errorf("%w: it is of %v, and no embedded database's", ErrForeignFolder, id)
	}
	s.id = id.ID
	return nil
}

// found makes the folder a database's, under an id of its own.
func (s *store) found() error {
	if _, err := rand.Read(s.id[:]); err != nil {
		return err
	}
	if err := wal.CreateReach(s.FS, s.reach(), wal.DatabaseID(s.id), wal.Reach{}); err != nil {
		return err
	}
	return s.Name(folder.Identity{ID: s.id})
}
