package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
)

// files makes the files of segments, and takes back those that are not needed any more.
//
// A file becomes a segment by being renamed, when it has its full size and a first block
// of zeros, and both are durable. It becomes a spare, to be used again, the same way.
type files struct {
	fs           env.FS
	dir          string
	segmentBytes int64
	sparesMax    int
	// lazy: a new file is reserved on the disk and not filled with zeros. That is less work, and
	// a sync takes longer.
	lazy bool
	// mayMake, if not nil, returns why no file of that size may be made, mayKeep whether a
	// file may be kept as a spare.
	mayMake func(bytes int64) error
	mayKeep func() bool

	mu struct {
		sync.Mutex
		spares []string
		next   uint64 // the number of the next one
	}
}

// adopt takes over what an earlier process has left: spares, and files that are no
// segments, or were to become some.
func (s *files) adopt(spares []uint64, unused []SegmentNumber) error {
	s.mu.next = 1
	for _, n := range spares {
		s.mu.next = max(s.mu.next, n+1)
	}
	for _, n := range spares {
		name := spareName(s.dir, n)
		info, err := s.fs.Stat(name)
		switch {
		case err != nil:
			return err
		case info.SizeBytes == s.segmentBytes && len(s.mu.spares) < s.sparesMax:
			s.mu.spares = append(s.mu.spares, name)
		default:
			if err := s.fs.Remove(name); err != nil {
				return err
			}
		}
	}
	for _, n := range unused {
		if err := s.retire(segmentName(s.dir, n)); err != nil {
			return err
		}
	}
	return nil
}

// retire makes a spare of a file that is no segment any more, or removes it. It is
// durable when retire returns, and only then is the file written to again.
func (s *files) retire(name string) error {
	spare := ""
	info, err := s.fs.Stat(name)
	if err == nil && info.SizeBytes == s.segmentBytes && (s.mayKeep == nil || s.mayKeep()) {
		spare = s.nextSpare()
	}
	switch {
	case err != nil:
	case spare != "":
		err = s.fs.Rename(name, spare)
	default:
		err = s.fs.Remove(name)
	}
	// If it was not there, it was retired before, and then the folder not synced.
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if syncErr := s.fs.SyncDir(s.dir); syncErr != nil {
		return syncErr
	}
	if err == nil && spare != "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.mu.spares = append(s.mu.spares, spare)
	}
	return nil
}

// errReserved says that there is space which the log may not take.
var errReserved = fmt.Errorf("%w: what is free is kept for a checkpoint", dberr.ErrDiskFull)

// hasReserve tells whether the disk has the reserve, if there is to be one, and so many bytes more.
func (s *files) hasReserve(reserve func() int64, bytes int64) bool {
	if reserve == nil {
		return true
	}
	least := reserve()
	if least <= 0 {
		return true
	}
	free, err := s.fs.FreeBytes(s.dir)
	return err != nil || free-bytes >= least
}

// nextSpare returns the name for one more spare, "" if there are enough.
func (s *files) nextSpare() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.spares) >= s.sparesMax {
		return ""
	}
	s.mu.next++
	return spareName(s.dir, s.mu.next-1)
}

// prepare makes the file of segment n: from a spare if there is one. It has room for so
// many bytes, and a segment's size. An error that matches dberr.ErrDiskFull says that there
// was no room.
func (s *files) prepare(n SegmentNumber, bytes int64) (p *preparedSegment, err error) {
	defer func() { err = orDiskFull(n, err) }()
	spare, err := s.take(bytes)
	if err != nil {
		return nil, err
	}
	name := segmentName(s.dir, n)
	if err := s.fs.Rename(spare, name); err != nil {
		return nil, errors.Join(err, s.fs.Remove(spare))
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return nil, err
	}
	p = &preparedSegment{number: n}
	if p.file, err = s.fs.Open(name); err != nil {
		return nil, err
	}
	if p.size, err = p.file.Size(); err == nil {
		err = p.grow(bytes)
	}
	if err != nil {
		return nil, errors.Join(err, p.file.Close())
	}
	p.file.Direct() // the log is written once, and read after a crash or by who has fallen behind
	return p, nil
}

// take returns the name of a file that can become a segment: a spare, or a new one of so
// many bytes.
func (s *files) take(bytes int64) (name string, err error) {
	s.mu.Lock()
	if n := len(s.mu.spares); n > 0 {
		name, s.mu.spares = s.mu.spares[n-1], s.mu.spares[:n-1]
	}
	made := name == ""
	if made {
		name = spareName(s.dir, s.mu.next)
		s.mu.next++
	}
	s.mu.Unlock()
	if made {
		bytes = max(bytes, s.segmentBytes)
		if s.mayMake != nil {
			if err := s.mayMake(bytes); err != nil {
				return "", err
			}
		}
		err = s.make(name, bytes)
	} else {
		err = wipe(s.fs, name)
	}
	if err != nil {
		return "", errors.Join(err, s.fs.Remove(name))
	}
	return name, nil
}

// make makes a file of zeros. If it is lazy they are not written.
func (s *files) make(name string, bytes int64) error {
	f, err := s.fs.Create(name)
	if err != nil {
		return err
	}
	if s.lazy {
		err = f.Reserve(bytes)
	} else {
		err = f.Preallocate(bytes)
	}
	return errors.Join(err, f.Close())
}

// wipe overwrites the header of a segment that was.
func wipe(fsys env.FS, name string) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(make([]byte, blockBytes), 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// drop removes the spares.
func (s *files) drop() error {
	s.mu.Lock()
	names := s.mu.spares
	s.mu.spares = nil
	s.mu.Unlock()
	var errs []error
	for _, name := range names {
		errs = append(errs, s.fs.Remove(name))
	}
	return errors.Join(errs...)
}

// preparedSegment is a file that waits to become a segment.
type preparedSegment struct {
	number SegmentNumber
	file   env.File
	size   int64
}

// grow makes room for a round that does not fit otherwise.
func (p *preparedSegment) grow(bytes int64) error {
	if bytes <= p.size {
		return nil
	}
	if err := p.file.Preallocate(bytes); err != nil {
		return orDiskFull(p.number, err)
	}
	p.size = bytes
	return nil
}

// orDiskFull makes an error match dberr.ErrDiskFull if that is what it says.
func orDiskFull(n SegmentNumber, err error) error {
	if !env.IsDiskFull(err) || errors.Is(err, dberr.ErrDiskFull) {
		return err
	}
	return fmt.Errorf("%w: preparing segment %d: %w", dberr.ErrDiskFull, n, err)
}
