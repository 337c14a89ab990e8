package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
)

// RestoreOptions says what a backup becomes.
type RestoreOptions struct {
	// Database is the id of the database to be; the zero id keeps the backup's.
	Database DatabaseID
	Godwit   string // version of the program
	Created  time.Time
	// AfterBlock, if not nil, is called after every block written.
	AfterBlock BlockFunc
}

var errNotEmpty = errors.New("checkpoint: there is a checkpoint already")

// Restore reads the backup r, which errors call name, and publishes it as a
// checkpoint in dir, where there must be none. It verifies the whole backup
// before it publishes: a damaged one leaves nothing behind. It reads r to its end,
// which must be that of the backup.
func Restore(fsys env.FS, dir string, r io.Reader, name string, opts RestoreOptions) (Manifest, error) {
	if _, found, err := Latest(fsys, dir); err != nil {
		return Manifest{}, err
	} else if found {
		return Manifest{}, errNotEmpty
	}
	in, err := NewReader(r, name)
	if err != nil {
		return Manifest{}, err
	}
	if err := in.Expect(BackupStream, DatabaseID{}); err != nil {
		return Manifest{}, err
	}
	h := in.Header()
	if opts.Database != (DatabaseID{}) {
		h.Database = opts.Database
	}
	b, err := Begin(fsys, dir, Options{
		Database:   h.Database,
		Timestamp:  h.Timestamp,
		Tables:     in.Tables(),
		Godwit:     opts.Godwit,
		AfterBlock: opts.AfterBlock,
	})
	if err != nil {
		return Manifest{}, err
	}
	err = restorePart(b, in)
	if err == nil {
		err = expectEnd(r, in)
	}
	if err != nil {
		return Manifest{}, errors.Join(err, b.Abort())
	}
	m, err := b.Publish(opts.Created)
	if err != nil {
		return Manifest{}, errors.Join(err, b.Abort())
	}
	return m, nil
}

// restorePart copies a backup to a part. One is enough: Load shares its blocks
// among the workers.
func restorePart(b *Builder, in *Reader) error {
	p, err := b.NewPart()
	if err != nil {
		return err
	}
	for in.Next() {
		if err := copyBlock(p, in); err != nil {
			p.Abort()
			return err
		}
	}
	if err := in.Err(); err != nil {
		p.Abort()
		return err
	}
	if err := p.Close(); err != nil {
		return err
	}
	if got, want := p.Progress().Entries, in.Summary().Entries; got != want {
		return fmt.Errorf("checkpoint: restored %d entries of %d", got, want)
	}
	return nil
}

// expectEnd returns an error if something follows what in has read: two backups in a row,
// or what has nothing to do with one.
func expectEnd(r io.Reader, in *Reader) error {
	end, name := in.Progress().Bytes, in.scan.file
	var b [1]byte
	switch _, err := io.ReadFull(r, b[:]); {
	case err == nil:
		return dberr.Corrupt(name, end, "it goes on behind the end of the backup")
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("checkpoint: read %s at offset %d: %w", name, end, err)
	}
	return nil
}

func copyBlock(p *PartWriter, in *Reader) error {
	if err := p.BeginTable(in.Table()); err != nil {
		return err
	}
	e := in.Entries()
	for e.Next() {
		if err := p.Add(e.Key(), e.Value()); err != nil {
			return err
		}
	}
	return e.Err()
}
