package raft

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/quorum"
)

// A node's disk holds one file, named by a number that grows: a snapshot and
// what came behind it, as records. A record is its length and a CRC-32C, four
// bytes each, and its fields. A new snapshot, and each start, writes a new file
// and then drops the old one, so nothing is ever changed in place, and what a
// crash left behind the last good record is gone for good.
//
// Records are written in batches, each of which begins with a record that says
// how long the file was when it was last synced: what is unreadable below that
// was damaged, and not just never written.

// ErrCorrupt: the file of a node is damaged. The node has forgotten what it has
// promised and must not take part any more; replace it by a new one.
var ErrCorrupt = errors.New("raft: the log on disk is damaged")

const (
	logPrefix   = "raft-"
	tmpSuffix   = ".tmp"
	recordHead  = 8
	recordBytes = 64 << 20 // the longest
)

// record is what is written: exactly one of the kinds.
type record struct {
	kind       recordKind
	term       uint64        // recordState
	vote       quorum.NodeID // recordState
	index      uint64        // recordEntry: entries from there on are dropped before
	entry      Entry
	snapshot   snapshot
	syncedUpTo uint64 // recordBatch
}

type recordKind uint64

const (
	recordState recordKind = iota + 1
	recordEntry
	recordSnapshot
	recordBatch
)

func (r *record) Fields(c *quorum.Coder) {
	c.Uint((*uint64)(&r.kind))
	switch r.kind {
	case recordState:
		c.Uint(&r.term)
		c.Node(&r.vote)
	case recordEntry:
		c.Uint(&r.index)
		r.entry.fields(c)
	case recordSnapshot:
		r.snapshot.Fields(c)
	case recordBatch:
		c.Uint(&r.syncedUpTo)
	}
}

func (r *record) append(b []byte) []byte {
	at := len(b)
	b = quorum.Encode(append(b, 0, 0, 0, 0, 0, 0, 0, 0), r)
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-recordHead))
	binary.LittleEndian.PutUint32(b[at+4:], crc32.Checksum(b[at+recordHead:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// readRecord decodes the record at the beginning of b and returns its length.
func readRecord(b []byte) (r record, n int, ok bool) {
	if len(b) < recordHead {
		return r, 0, false
	}
	size := binary.LittleEndian.Uint32(b)
	if size > recordBytes || int(size) > len(b)-recordHead {
		return r, 0, false
	}
	n = recordHead + int(size)
	if crc32.Checksum(b[recordHead:n], crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(b[4:]) {
		return r, 0, false
	}
	err := quorum.Decode(b[recordHead:n], &r)
	return r, n, err == nil && r.kind >= recordState && r.kind <= recordBatch
}

// store is a node's disk: what is put is written by one task, in order.
type store struct {
	files    env.FS
	dir      string
	file     env.File
	number   uint64 // of the file
	size     uint64
	pending  []byte            // put, and not being written
	rewrite  bool              // pending is a new file
	put      *quorum.Watermark // how often something was put
	durable  *quorum.Watermark // how much of that is on the disk
	hardTerm uint64            // as read
	hardVote quorum.NodeID
}

// sync waits until all that has been put is on the disk.
func (s *store) sync(ctx context.Context) error { return s.durable.Wait(ctx, s.put.Value()) }

func (s *store) add(r *record) {
	s.pending = r.append(s.pending)
	s.put.Advance(s.put.Value() + 1)
}

// replace starts a new file in place of all that was put.
func (s *store) replace(l *log, term uint64, vote quorum.NodeID) {
	s.pending, s.rewrite = contents(l, term, vote), true
	s.put.Advance(s.put.Value() + 1)
}

// contents is a whole file.
func contents(l *log, term uint64, vote quorum.NodeID) []byte {
	b := (&record{kind: recordSnapshot, snapshot: l.snapshot}).append(nil)
	b = (&record{kind: recordState, term: term, vote: vote}).append(b)
	for i := range l.entries {
		b = (&record{kind: recordEntry, index: l.snapshot.index + 1 + uint64(i), entry: l.entries[i]}).append(b)
	}
	return b
}

// run writes what is put until the disk fails.
func (s *store) run(ctx context.Context) error {
	for {
		if err := s.put.Wait(ctx, s.durable.Value()+1); err != nil {
			return err
		}
		upTo, b, rewrite := s.put.Value(), s.pending, s.rewrite
		s.pending, s.rewrite = nil, false
		job := quorum.Disk(ctx, "raft log", func() error {
			if rewrite {
				return s.create(b)
			}
			b = append((&record{kind: recordBatch, syncedUpTo: s.size}).append(nil), b...)
			if _, err := s.file.WriteAt(b, int64(s.size)); err != nil {
				return err
			}
			s.size += uint64(len(b))
			return s.file.Sync()
		})
		// However long it takes: nobody but this task waits for the job alone.
		if err := quorum.Wait(ctx, job); err != nil {
			s.durable.Fail(err)
			return err
		}
		s.durable.Advance(upTo)
	}
}

func (s *store) name(number uint64) string {
	return filepath.Join(s.dir, logPrefix+strconv.FormatUint(number, 10))
}

// create writes a new file and drops the old one. In a job.
func (s *store) create(b []byte) error {
	tmp := s.name(s.number+1) + tmpSuffix
	f, err := s.files.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err = cmp.Or(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := s.files.Rename(tmp, s.name(s.number+1)); err != nil {
		return err
	}
	if err := s.files.SyncDir(s.dir); err != nil {
		return err
	}
	if s.file != nil {
		s.file.Close()
		if err := s.files.Remove(s.name(s.number)); err != nil {
			return err
		}
	}
	s.number, s.size = s.number+1, uint64(len(b))
	s.file, err = s.files.Open(s.name(s.number))
	return err
}

// load reads the newest file and replaces it by a clean one. In a job.
func (s *store) load(first []quorum.NodeID) (*log, error) {
	l := &log{snapshot: snapshot{voters: first}}
	err := cmp.Or(s.files.MkdirAll(s.dir), s.files.SyncDir(filepath.Dir(s.dir)))
	if err != nil {
		return nil, err
	}
	names, err := s.files.List(s.dir)
	if err != nil {
		return nil, err
	}
	var old []string
	for _, name := range names {
		if number, err := strconv.ParseUint(strings.TrimPrefix(name, logPrefix), 10, 64); err == nil && strings.HasPrefix(name, logPrefix) {
			s.number = max(s.number, number)
		}
		old = append(old, filepath.Join(s.dir, name))
	}
	if s.number > 0 {
		if err := s.read(l); err != nil {
			return nil, err
		}
	}
	if err := s.create(contents(l, s.hardTerm, s.hardVote)); err != nil {
		return nil, err
	}
	for _, name := range old {
		if err := s.files.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return l, nil
}

// read reads the file with the store's number.
func (s *store) read(l *log) error {
	f, err := s.files.OpenRead(s.name(s.number))
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil {
		return err
	}
	good, err := replay(b, l, func(term uint64, vote quorum.NodeID) { s.hardTerm, s.hardVote = term, vote })
	if err != nil {
		return fmt.Errorf("%w: %s at %d", err, s.name(s.number), good)
	}
	return nil
}

// replay applies the records of a file to an empty log and returns how many
// bytes are good. What comes behind them must be what a crash has left.
func replay(b []byte, l *log, state func(term uint64, vote quorum.NodeID)) (good int, err error) {
	for good < len(b) {
		r, n, ok := readRecord(b[good:])
		if !ok {
			break
		}
		switch {
		case (good == 0) != (r.kind == recordSnapshot):
			return good, ErrCorrupt // the snapshot comes first, and only there
		case r.kind == recordSnapshot:
			l.snapshot = r.snapshot
		case r.kind == recordState:
			state(r.term, r.vote)
		case r.kind == recordEntry:
			if r.index <= l.snapshot.index || r.index > l.last()+1 {
				return good, ErrCorrupt
			}
			l.truncate(r.index)
			l.entries = append(l.entries, r.entry)
		}
		good += n
	}
	if good == 0 {
		return 0, ErrCorrupt // a file gets its name when its beginning is synced
	}
	for i := good + 1; i < len(b); i++ {
		if r, _, ok := readRecord(b[i:]); ok && r.kind == recordBatch && r.syncedUpTo > uint64(good) {
			return good, ErrCorrupt
		}
	}
	return good, nil
}
