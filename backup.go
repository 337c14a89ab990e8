package godwit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/godwitdb/godwit/internal/catalog"
	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/internal/image"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/wal"
)

// Backup writes all data as of now to w. Transactions go on meanwhile. Restore
// makes a data folder of it.
func (db *DB) Backup(ctx context.Context, w io.Writer) error {
	if db.replica != nil {
		return db.replica.backup(ctx, w)
	}
	snap, tables, err := db.snapshotAll(ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	var id checkpoint.DatabaseID
	if db.store != nil {
		id = db.store.id
		if err := db.log.Sync(ctx); err != nil { // nothing unreleased gets out
			return err
		}
	}
	return db.writeBackup(ctx, w, id, snap, tables, newPacer(db.engine))
}

// backup is Backup of a replica: of what is released.
func (r *replica) backup(ctx context.Context, w io.Writer) error {
	snap, n, err := r.snapshot(ctx, 0)
	if err != nil {
		return err
	}
	defer snap.Close()
	tables, err := r.tablesIn(ctx, n, snap, nil)
	if err != nil {
		return err
	}
	rows, err := n.Engine().AddTable(catalog.TableID())
	if err != nil {
		return err
	}
	tables = withInternal(n.Engine(), rows, tables)
	return r.db.writeBackup(ctx, w, checkpoint.DatabaseID(r.db.opts.Cluster.ID), snap, tables, newPacer(n.Engine()))
}

func (db *DB) writeBackup(ctx context.Context, w io.Writer, id checkpoint.DatabaseID, snap *occ.Snapshot, tables []*Table, pace *checkpoint.Pacer) error {
	out, err := checkpoint.NewWriter(w, checkpoint.Header{Database: id, Timestamp: snap.Timestamp(), Kind: checkpoint.BackupStream},
		image.Describe(images(tables)), func(_, _ int64) error { return db.pause(ctx, pace) })
	if err != nil {
		return fmt.Errorf("godwit: backup: %w", err)
	}
	if err := image.Walk(ctx, snap, images(tables), out); err != nil {
		return fmt.Errorf("godwit: backup: %w", err)
	}
	if _, err := out.Close(); err != nil {
		return fmt.Errorf("godwit: backup: %w", err)
	}
	return nil
}

// Restore makes a new database in the folder dir, which must be empty or not
// exist, of what Backup has written. It reads r to its end, and verifies all of it
// before the folder counts as a database; if it fails, the folder can be tried again.
// So it can if the process or the machine dies meanwhile: until then Open refuses it
// (ErrHalfRestored).
// ErrCorrupt: the backup is damaged, or is not all that r has.
func Restore(ctx context.Context, dir string, r io.Reader) error {
	return restore(ctx, env.OS(), dir, r)
}

func restore(ctx context.Context, fsys env.FS, dir string, r io.Reader) (err error) {
	if dir == "" {
		return errors.New("godwit: restore: no folder given")
	}
	held, err := folder.Hold(fsys, dir)
	if err != nil {
		return fmt.Errorf("godwit: restore to %s: %w", dir, err)
	}
	s := &store{Folder: held}
	defer func() {
		if err = errors.Join(err, s.Close()); err != nil {
			err = fmt.Errorf("godwit: restore to %s: %w", dir, err)
		}
	}()
	if err := s.identify(); err == nil {
		return errors.New("there is a database in the folder already")
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.ExpectNew(); err != nil && !errors.Is(err, ErrHalfRestored) {
		return err
	}
	if err := s.fill(ctx, r); err != nil {
		return errors.Join(err, s.Empty())
	}
	return nil
}

// fill makes a folder, which is empty or half restored, the database of a backup.
func (s *store) fill(ctx context.Context, r io.Reader) error {
	if _, err := rand.Read(s.id[:]); err != nil {
		return err
	}
	// It says that the folder is not complete, from before anything else is in it.
	if err := s.BeginRestoring(); err != nil {
		return err
	}
	if err := s.EmptyRest(); err != nil {
		return err
	}
	m, err := checkpoint.Restore(s.FS, s.checkpointDir(), r, "backup", checkpoint.RestoreOptions{
		Database:   s.id,
		Godwit:     version(),
		Created:    time.Now(),
		AfterBlock: func(_, _ int64) error { return ctx.Err() },
	})
	if err != nil {
		return err
	}
	if err := wal.CreateReach(s.FS, s.reach(), wal.DatabaseID(s.id), wal.Reach{Start: m.Timestamp}); err != nil {
		return err
	}
	if err := s.Restored(folder.Identity{ID: s.id}); err != nil {
		return err
	}
	return s.Settle()
}
