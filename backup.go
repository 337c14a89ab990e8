package godwit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/wal"
)

// Backup writes all data as of now to w. Transactions go on meanwhile. Restore
// makes a data folder of it.
func (db *DB) Backup(ctx context.Context, w io.Writer) error {
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
	pace := db.newPacer()
	out, err := checkpoint.NewWriter(w, checkpoint.Header{Database: id, Timestamp: snap.Timestamp(), Kind: checkpoint.BackupStream},
		describeTables(tables), func(_, _ int64) error { return pace.pause(ctx) })
	if err != nil {
		return fmt.Errorf("godwit: backup: %w", err)
	}
	if err := walk(ctx, snap, tables, out); err != nil {
		return fmt.Errorf("godwit: backup: %w", err)
	}
	if _, err := out.Close(); err != nil {
		return fmt.Errorf("godwit: backup: %w", err)
	}
	return nil
}

// Restore makes a new database in the folder dir, which must be empty or not
// exist, of what Backup has written. The whole backup is verified before the
// folder counts as a database. ErrCorrupt: the backup is damaged.
func Restore(ctx context.Context, dir string, r io.Reader) error {
	return restore(ctx, env.OS(), dir, r)
}

func restore(ctx context.Context, fsys env.FS, dir string, r io.Reader) (err error) {
	s, err := lockFolder(fsys, dir)
	if err != nil {
		return fmt.Errorf("godwit: restore to %s: %w", dir, err)
	}
	defer func() {
		if err = errors.Join(err, s.close()); err != nil {
			err = fmt.Errorf("godwit: restore to %s: %w", dir, err)
		}
	}()
	if err := s.identify(); err == nil {
		return errors.New("there is a database in the folder already")
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.expectEmpty(); err != nil {
		return err
	}
	if _, err := rand.Read(s.id[:]); err != nil {
		return err
	}
	m, err := checkpoint.Restore(fsys, s.checkpointDir(), r, "backup", checkpoint.RestoreOptions{
		Database:   s.id,
		Godwit:     version(),
		Created:    time.Now(),
		AfterBlock: func(_, _ int64) error { return ctx.Err() },
	})
	if err != nil {
		return err
	}
	// Without its identity the folder is no database: one that was not restored
	// to the end cannot be taken for one.
	return s.found(wal.Reach{Start: m.Timestamp})
}
