package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
)

// chain is the log's segments in order, as their headers describe them.
type chain struct {
	fs       env.FS
	dir      string
	id       DatabaseID
	reach    Reach // how far it is known to go
	segments []chainSegment
	unused   []SegmentNumber // files behind the last segment: prepared, or begun and torn
	spares   []uint64
	broken   map[SegmentNumber]bool // segments with a header that was reported
	void     []SegmentNumber        // segments before one that resets the log
	highest  SegmentNumber          // of all files
}

// chainSegment is a segment that was written.
type chainSegment struct {
	header segmentHeader
	name   string
	size   int64
	// end is where its rounds end and the next one begins; -1 in the last
	// segment, where that has to be found out.
	end int64
	to  hlc.Timestamp // above it, its records are dropped; as far as bound has been told
}

// candidate is a segment's file.
type candidate struct {
	number SegmentNumber
	name   string
	size   int64
	header segmentHeader
	zero   bool  // nothing was written yet
	err    error // of the header
}

// loadChain reads the headers of all segments and checks that they fit, and that they begin
// with what is needed behind a checkpoint at from. What is wrong goes to report, and
// loadChain goes on as well as it can; an error that it returns ends everything (the disk can
// not be read).
func loadChain(fsys env.FS, dir string, id DatabaseID, reach Reach, from hlc.Timestamp, report func(error)) (*chain, error) {
	c := &chain{fs: fsys, dir: dir, id: id, reach: reach, broken: map[SegmentNumber]bool{}}
	return c, c.load(from, report)
}

func (c *chain) load(from hlc.Timestamp, report func(error)) error {
	names, err := c.fs.List(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		if c.reach.Segment > 0 {
			report(dberr.Corrupt(c.dir, 0, "the folder is missing; the log is known to reach segment %d", c.reach.Segment))
		}
		return nil
	}
	if err != nil {
		return err
	}
	var files []candidate
	for _, base := range names { // in order, and so are their numbers
		if n, ok := parseSegmentName(base); ok {
			f, err := c.readCandidate(filepath.Join(c.dir, base), n)
			if err != nil {
				return err
			}
			files = append(files, f)
			c.highest = n
		} else if n, ok := parseSpareName(base); ok {
			c.spares = append(c.spares, n)
		}
	}
	if c.id == (DatabaseID{}) {
		c.id = firstID(files)
	}
	files, err = c.dropUnused(c.dropVoid(files), report)
	if err != nil {
		return err
	}
	for i := range files {
		c.add(&files[i], report)
	}
	c.checkReach(files, report)
	c.checkLinks(from, report)
	return nil
}

func (c *chain) readCandidate(name string, n SegmentNumber) (candidate, error) {
	k := candidate{number: n, name: name}
	f, err := c.fs.OpenRead(name)
	if err != nil {
		return k, err
	}
	defer f.Close()
	if k.size, err = f.Size(); err != nil {
		return k, err
	}
	b := make([]byte, blockBytes)
	got, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return k, fmt.Errorf("reading %s: %w", name, err)
	}
	b = b[:got]
	k.zero = bytes.Count(b, []byte{0}) == len(b)
	k.header, k.err = decodeSegmentHeader(name, b)
	return k, nil
}

// dropVoid takes off the files before one that resets the log: what they hold does not
// count any more, be it sound or not.
func (c *chain) dropVoid(files []candidate) []candidate {
	for i := range slices.Backward(files) {
		if f := &files[i]; f.err == nil && f.header.reset && f.header.number == f.number && f.header.id == c.id {
			for _, void := range files[:i] {
				c.void = append(c.void, void.number)
			}
			return files[i:]
		}
	}
	return files
}

// firstID returns the database that the first readable header names.
func firstID(files []candidate) DatabaseID {
	for i := range files {
		if files[i].err == nil {
			return files[i].header.id
		}
	}
	return DatabaseID{}
}

// dropUnused takes the last file off if no segment was begun in it, or only its
// header and that not to the end. A header is durable before the first round is
// written, so that a sound round proves that the header was, too.
func (c *chain) dropUnused(files []candidate, report func(error)) ([]candidate, error) {
	if len(files) == 0 {
		return nil, nil
	}
	last := &files[len(files)-1]
	if last.err == nil || isOtherFormat(last.err) || last.number <= c.reach.Segment {
		return files, nil
	}
	if len(files) == 1 && last.number > 1 {
		// The one before goes only when this one has a header.
		if last.zero { // as when nothing was begun in it
			report(dberr.Corrupt(segmentName(c.dir, last.number-1), 0, "the segment is missing before segment %d, which has no header yet", last.number))
		}
		report(last.err)
		return nil, nil
	}
	begun, err := c.hasRounds(last)
	if err != nil {
		return nil, err
	}
	if begun {
		return files, nil
	}
	if len(files) > 1 && files[len(files)-2].number+1 != last.number && last.number-1 > c.reach.Segment {
		report(dberr.Corrupt(segmentName(c.dir, last.number-1), 0, "the segment is missing before segment %d", last.number))
	}
	c.unused = append(c.unused, last.number)
	return files[:len(files)-1], nil
}

// hasRounds tells whether a sound round header is in the file. Behind a header of
// zeros only the first one is looked at: that is how a prepared segment looks.
func (c *chain) hasRounds(f *candidate) (bool, error) {
	file, err := c.fs.OpenRead(f.name)
	if err != nil {
		return false, err
	}
	defer file.Close()
	end := f.size
	if f.zero {
		end = min(end, 2*blockBytes)
	}
	r := newRoundReader(file, f.name, &segmentHeader{id: c.id, number: f.number}, end, newChunkPool(scanBytes))
	defer r.close()
	_, _, ok, err := r.find(blockBytes, func(roundHeader) bool { return true })
	return ok, err
}

// add appends a file's segment, or reports what is wrong with its header.
func (c *chain) add(f *candidate, report func(error)) {
	err := f.err
	switch {
	case err != nil:
	case f.header.number != f.number:
		err = dberr.Corrupt(f.name, 0, "the header is of segment %d", f.header.number)
	case f.header.id != c.id:
		err = dberr.Corrupt(f.name, 0, "the segment belongs to database %s, not to %s", f.header.id, c.id)
	}
	if err != nil {
		report(err)
		c.broken[f.number] = true
		return
	}
	c.segments = append(c.segments, chainSegment{header: f.header, name: f.name, size: f.size, end: -1, to: hlc.Max})
}

// checkReach checks that the last segment that is known to have been begun is
// there, or one behind it.
func (c *chain) checkReach(files []candidate, report func(error)) {
	missing := c.reach.Segment
	if n := len(files); n > 0 {
		missing = files[n-1].number + 1
	}
	if c.reach.Segment > 0 && missing <= c.reach.Segment {
		report(dberr.Corrupt(segmentName(c.dir, missing), 0, "the segment is missing; the log is known to reach segment %d", c.reach.Segment))
	}
}

// complete tells whether the last segment that is known to have been begun is
// readable.
func (c *chain) complete() bool {
	n := len(c.segments)
	return n > 0 && c.segments[n-1].header.number >= c.reach.Segment
}

// checkLinks checks that each segment begins where the one before it ends, and
// fills in what a header says about the segments before it.
func (c *chain) checkLinks(from hlc.Timestamp, report func(error)) {
	for i := range c.segments {
		s := &c.segments[i]
		h := &s.header
		if i == 0 {
			if h.prev > 0 && h.base.Last > max(from, c.reach.Start) && !c.broken[h.prev] {
				report(dberr.Corrupt(segmentName(c.dir, h.prev), 0,
					"the segment is missing; the log has records up to %d before segment %d, and they are needed from %d on", h.base.Last, h.number, from))
			}
			continue
		}
		p := &c.segments[i-1]
		switch {
		case c.broken[h.prev]:
			continue
		case p.header.number != h.prev:
			report(dberr.Corrupt(segmentName(c.dir, h.prev), 0, "the segment is missing between segments %d and %d", p.header.number, h.number))
			continue
		case h.prevEnd < blockBytes || h.prevEnd > p.size:
			report(dberr.Corrupt(p.name, p.size, "the segment ends at %d, but its successor says at %d", p.size, h.prevEnd))
			continue
		case h.firstRound < p.header.firstRound:
			report(dberr.Corrupt(s.name, 0, "the header goes back to round %d from round %d", h.firstRound, p.header.firstRound))
			continue
		}
		p.end = h.prevEnd
	}
	if n := len(c.segments); n > 0 {
		if s := &c.segments[n-1]; s.size < s.header.size {
			report(dberr.Corrupt(s.name, s.size, "the file ends, it had %d bytes", s.header.size))
		}
	}
}

// bound fills in what is dropped of each segment, of a log that ends with that base and
// in which every epoch begins with a segment: an epoch's records above its final
// watermark, which is that of its last round (DESIGN 4.2).
func (c *chain) bound(end Base) {
	epoch := end
	for i := range slices.Backward(c.segments) {
		s := &c.segments[i]
		s.to = epoch.Watermark
		if b := s.header.base; b.Epoch != epoch.Epoch {
			epoch = b
		}
	}
}
