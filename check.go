package godwit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/wal"
)

// CheckReport is what Check has found.
type CheckReport struct {
	// Checkpoint tells whether there is a checkpoint; the figures are of what is
	// intact in it.
	Checkpoint        bool
	CheckpointRecords int64
	CheckpointBytes   int64

	LogSegments     int
	LogTransactions int64
	LogBytes        int64
	// Clean tells whether the database was closed; after a crash it is not, which
	// is no problem.
	Clean bool

	// Problems are all that is wrong, most of them CorruptionErrors, which name
	// file and offset. Damage may hide more damage behind it.
	Problems []error
}

// Check verifies everything that is stored in the data folder dir, which must
// not be open, and changes nothing. Its error says why it could not: the folder is in
// use, is no data folder, or cannot be read.
func Check(ctx context.Context, dir string) (*CheckReport, error) {
	report, err := check(ctx, env.OS(), dir)
	if err != nil {
		return nil, fmt.Errorf("godwit: check %s: %w", dir, err)
	}
	return report, nil
}

func check(ctx context.Context, fsys env.FS, dir string) (_ *CheckReport, err error) {
	if info, err := fsys.Stat(dir); err != nil { // lockFolder would make one
		return nil, err
	} else if !info.IsDir {
		return nil, errors.New("it is no folder")
	}
	s, err := lockFolder(fsys, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	r := &CheckReport{}
	switch err := s.identify(); {
	case errors.Is(err, fs.ErrNotExist):
		if s.expectEmpty() == nil {
			return nil, errors.New("the folder is empty: there is no database in it")
		}
		// The rest is checked all the same: it may be what is left of one.
		r.Problems = append(r.Problems, fmt.Errorf("the folder has no %s file: it is no database, or a restore to it was not finished", identityName))
	case errors.Is(err, ErrNewerFormat):
		r.Problems = append(r.Problems, err)
		return r, nil // of the rest this program knows nothing
	case errors.Is(err, ErrCorrupt):
		r.Problems = append(r.Problems, err)
	case err != nil:
		return nil, err
	}
	problem := func(err error) { r.Problems = append(r.Problems, err) }
	from, err := s.checkCheckpoint(ctx, r, problem)
	if err != nil {
		return nil, err
	}
	return r, s.checkLog(ctx, r, from)
}

// checkCheckpoint returns the checkpoint's timestamp, 0 without one.
func (s *store) checkCheckpoint(ctx context.Context, r *CheckReport, problem func(error)) (hlc.Timestamp, error) {
	c, err := checkpoint.Check(s.fs, s.checkpointDir(), s.id, problem, func(_, _ int64) error { return ctx.Err() })
	if err != nil {
		return 0, err
	}
	r.Checkpoint, r.CheckpointRecords, r.CheckpointBytes = c.Found, c.Entries, c.Bytes
	return c.Manifest.Timestamp, nil
}

func (s *store) checkLog(ctx context.Context, r *CheckReport, from hlc.Timestamp) error {
	l, err := wal.Check(ctx, wal.CheckOptions{FS: s.fs, Dir: s.logDir(), ID: wal.DatabaseID(s.id), From: from})
	if err != nil {
		return err
	}
	r.LogSegments, r.LogTransactions, r.LogBytes, r.Clean = l.Segments, l.Records, l.Bytes, l.Clean
	r.Problems = append(r.Problems, l.Problems...)
	return nil
}
