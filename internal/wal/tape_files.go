package wal

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
)

// tapeFiles makes the files of a Tape's segments, and takes back those that are not
// needed any more. As in a Log, a file becomes a segment and a spare by being renamed.
type tapeFiles struct {
	opt       *TapeOptions
	spares    []string // to be used again
	nextSpare uint64
}

// adopt takes over what an earlier process has left: spares, and files that were to
// become segments.
func (tf *tapeFiles) adopt(spares []uint64, unused []SegmentNumber) error {
	tf.nextSpare = 1
	for _, n := range spares {
		tf.nextSpare = max(tf.nextSpare, n+1)
	}
	for _, n := range spares {
		name := spareName(tf.opt.Dir, n)
		keep, err := tf.fits(name)
		if err != nil {
			return err
		}
		if keep {
			tf.spares = append(tf.spares, name)
		} else if err := tf.opt.FS.Remove(name); err != nil {
			return err
		}
	}
	for _, n := range unused {
		if err := tf.retire(segmentName(tf.opt.Dir, n)); err != nil {
			return err
		}
	}
	return nil
}

// fits tells whether a file can be kept to be used again.
func (tf *tapeFiles) fits(name string) (bool, error) {
	info, err := tf.opt.FS.Stat(name)
	return err == nil && info.SizeBytes == tf.opt.SegmentBytes && len(tf.spares) < tf.opt.SparesMax, err
}

// retire makes a spare of a file that is no segment any more, or removes it. It is
// durable when retire returns, and only then is the file written to again.
func (tf *tapeFiles) retire(name string) error {
	spare := ""
	keep, err := tf.fits(name)
	switch {
	case err != nil:
	case keep:
		spare = spareName(tf.opt.Dir, tf.nextSpare)
		tf.nextSpare++
		err = tf.opt.FS.Rename(name, spare)
	default:
		err = tf.opt.FS.Remove(name)
	}
	// If it was not there, it was retired before, and then the folder not synced.
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if syncErr := tf.opt.FS.SyncDir(tf.opt.Dir); syncErr != nil {
		return syncErr
	}
	if err == nil && spare != "" {
		tf.spares = append(tf.spares, spare)
	}
	return nil
}

// prepare makes the file of segment n: from a spare if there is one that is large
// enough. An error that matches dberr.ErrDiskFull says that there was no room.
func (tf *tapeFiles) prepare(n SegmentNumber, bytes int64) (p *preparedSegment, err error) {
	defer func() { err = orDiskFull(n, err) }()
	fsys, dir := tf.opt.FS, tf.opt.Dir
	var spare string
	if last := len(tf.spares) - 1; last >= 0 {
		spare, tf.spares = tf.spares[last], tf.spares[:last]
		err = wipe(fsys, spare)
	} else {
		spare = spareName(dir, tf.nextSpare)
		tf.nextSpare++
		fill := makeSpare
		if tf.opt.Lazy {
			fill = reserveSpare
		}
		err = fill(fsys, spare, max(bytes, tf.opt.SegmentBytes))
	}
	if err != nil {
		return nil, errors.Join(err, fsys.Remove(spare))
	}
	name := segmentName(dir, n)
	if err := fsys.Rename(spare, name); err != nil {
		return nil, errors.Join(err, fsys.Remove(spare))
	}
	if err := fsys.SyncDir(dir); err != nil {
		return nil, err
	}
	p = &preparedSegment{number: n}
	if p.file, err = fsys.Open(name); err != nil {
		return nil, err
	}
	if p.size, err = p.file.Size(); err == nil {
		err = p.grow(bytes)
	}
	if err != nil {
		return nil, errors.Join(err, p.file.Close())
	}
	if tf.opt.Lazy {
		p.file.Direct()
	}
	return p, nil
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
