package godwit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/wal"
)

// CheckReport is what Check has found.
type CheckReport struct {
	// ID is DB.ID of the database, zero if it is not known.
	ID ClusterID

	// Checkpoint tells whether there is a checkpoint; the figures are of what is
	// intact in it.
	Checkpoint        bool
	CheckpointRecords int64
	CheckpointBytes   int64

	LogSegments     int
	LogTransactions int64
	LogBytes        int64
	// Clean tells whether the database was closed; after a crash it is not, which
	// is no problem. A replica's log does not say it, nor one without segments: that of a
	// database that was restored, and not written to since.
	Clean bool

	// Replica is not nil if the folder is a replica's.
	Replica *ReplicaReport

	// Problems are all that is wrong, most of them CorruptionErrors, which name
	// file and offset. Damage may hide more damage behind it.
	Problems []error
}

// ReplicaReport is what Check has found about a replica.
type ReplicaReport struct {
	Node    uint32
	Cluster [16]byte
	Epoch   uint64 // that it has promised to take part in
	Vote    uint32 // whom it has voted for in that epoch, 0 if for nobody
	// Recovering: it has lost a part of its log and does not have all of that again yet.
	Recovering bool
}

// Check verifies everything that is stored in the data folder dir, which must
// not be open. It changes nothing and needs no permission to: a folder that can be
// read can be checked. While it does, the folder cannot be opened. Its error says why
// it could not check: the folder is in use (ErrLocked), is no data folder or half of one
// (ErrHalfRestored), or cannot be read.
func Check(ctx context.Context, dir string) (*CheckReport, error) {
	report, err := check(ctx, env.OS(), dir)
	if err != nil {
		return nil, fmt.Errorf("godwit: check %s: %w", dir, err)
	}
	return report, nil
}

func check(ctx context.Context, fsys env.FS, dir string) (_ *CheckReport, err error) {
	if info, err := fsys.Stat(dir); err != nil {
		return nil, err
	} else if !info.IsDir {
		return nil, errors.New("it is no folder")
	}
	held, err := folder.HoldToRead(fsys, dir)
	if err != nil {
		return nil, err
	}
	s := &store{Folder: held}
	defer func() { err = errors.Join(err, s.Close()) }()
	r := &CheckReport{}
	switch err := s.identifyAny(r); {
	case errors.Is(err, fs.ErrNotExist):
		switch err := s.ExpectNew(); {
		case err == nil:
			return nil, errors.New("the folder is empty: there is no database in it")
		case errors.Is(err, ErrHalfRestored):
			return nil, err
		}
		r.problem(dberr.Corrupt(s.Path(folder.IdentityFile), 0, "the file is missing"))
	case errors.Is(err, ErrNewerFormat), errors.Is(err, ErrOlderFormat):
		r.problem(err)
		return r, nil // of the rest this program knows nothing
	case errors.Is(err, ErrCorrupt):
		r.problem(err)
	case err != nil:
		return nil, err
	}
	return r, s.check(ctx, r)
}

func (r *CheckReport) problem(err error) { r.Problems = append(r.Problems, err) }

// check verifies checkpoint and log. If the folder's identity is not known, they
// have to be of the same database, whichever.
func (s *store) check(ctx context.Context, r *CheckReport) error {
	c, err := checkpoint.Check(s.FS, s.checkpointDir(), s.id, r.problem, func(_, _ int64) error { return ctx.Err() })
	if err != nil {
		return err
	}
	r.Checkpoint, r.CheckpointRecords, r.CheckpointBytes = c.Found, c.Entries, c.Bytes
	if s.id == ([16]byte{}) {
		s.id = c.Manifest.Database
	}
	from := c.Manifest.Timestamp
	if c.Found && c.Manifest.Folder == "" {
		from = hlc.Max // it cannot be read, so nobody knows how much of the log is needed
	}
	if r.Replica != nil {
		from = hlc.Max // what its group has
		if err := s.checkBallot(r); err != nil {
			return err
		}
	}
	l, err := wal.Check(ctx, wal.CheckOptions{
		FS: s.FS, Dir: s.logDir(), Reach: s.reach(), ID: wal.DatabaseID(s.id), From: from, FromFile: s.manifest(), Replica: r.Replica != nil,
	})
	if err != nil {
		return err
	}
	r.LogSegments, r.LogTransactions, r.LogBytes, r.Clean = l.Segments, l.Records, l.Bytes, l.Clean
	r.Problems = append(r.Problems, l.Problems...)
	return nil
}

// identifyAny reads what the folder is, an embedded database's or a replica's.
func (s *store) identifyAny(r *CheckReport) error {
	id, err := s.Identify()
	if err != nil {
		return err
	}
	r.ID = id.ID
	if s.id = id.ID; id.Node != 0 {
		r.Replica = &ReplicaReport{Node: id.Node, Cluster: id.ID}
	}
	return nil
}

// checkBallot verifies what a replica has promised.
func (s *store) checkBallot(r *CheckReport) error {
	b, problem, err := wal.CheckBallot(s.FS, s.Path(folder.Ballot), wal.DatabaseID(s.id))
	if err != nil {
		return err
	}
	if problem != nil {
		r.problem(problem)
	}
	r.Replica.Epoch, r.Replica.Vote, r.Replica.Recovering = uint64(b.Epoch), b.Vote, b.Lost
	return nil
}
