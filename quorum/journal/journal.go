// Package journal keeps records on a node's disk, in order, for protocols that
// must not forget what they have promised. What is appended is written and
// synced in batches, by one task; a Watermark tells how far that has come, which
// is an event like any other: the own disk can be one voter among nodes.
//
// A journal is one file, named by a number that grows. A record is its length
// and a CRC-32C, four bytes each, and its bytes. Replace writes a new file and
// then drops the old one, so nothing is ever changed in place. Before the first
// Append after Open there has to be a Replace, so what a crash has left behind
// the last good record is gone for good.
//
// The file begins with a record of the journal's own that says how long the file
// was when it got its name, and each batch behind that with one that says where
// in the file it begins, which is how much of it was synced before. So what is
// unreadable below a batch was damaged, and not just never written; and a batch
// that lies anywhere else than it says was written to the wrong place. Damage to
// the last batch alone cannot be told from a crash, so that when nothing more
// comes for a while an empty batch follows, which says that the one before is
// complete.
package journal

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/quorum"
)

// ErrCorrupt: the file is damaged. What it promised is not known any more.
var ErrCorrupt = errors.New("journal: the file is damaged")

const (
	prefix         = "journal-"
	tmpSuffix      = ".tmp"
	headBytes      = 8
	recordBytesMax = 64 << 20

	// The first byte of a record. Those of the journal have two numbers: one that
	// was drawn for the file, so that no data looks like them, and what is said here.
	kindFile  = 1 // the length of the file when it got its name
	kindBatch = 2 // where in the file the batch begins
	kindData  = 3

	markBytes = headBytes + 1 + 16 // of a record of the journal

	// sealAfter is how long the last batch waits for another one.
	sealAfter = 200 * time.Millisecond
)

// table of the records' checksums.
var table = crc32.MakeTable(crc32.Castagnoli)

// Journal is an open journal. Its methods are for tasks of one Runtime.
type Journal struct {
	files   env.FS
	dir     string
	stale   []string // files that the next Replace removes
	file    env.File
	number  uint64 // of the file
	size    uint64
	salt    uint64 // the number drawn for the file
	draw    func() uint64
	pending []byte // put, and not being written
	rewrite bool   // pending is a new file
	sealed  bool   // the file says itself how long it is
	put     *quorum.Watermark
	durable *quorum.Watermark
}

// Open reads the records of the journal in a folder, which is made if it is not
// there.
func Open(ctx context.Context, files env.FS, dir string) (*Journal, [][]byte, error) {
	j := &Journal{files: files, dir: dir, draw: quorum.RuntimeOf(ctx).Host().Uint64,
		put: quorum.NewWatermark(ctx, "journal put", 0), durable: quorum.NewWatermark(ctx, "journal durable", 0)}
	j.durable.Behind(quorum.KindDisk, 1, 1)
	records, err := quorum.Blocking(ctx, quorum.KindDisk, "journal load", j.load).Wait(ctx)
	return j, records, err
}

// Put tells how often something was put.
func (j *Journal) Put() *quorum.Watermark { return j.put }

// Durable tells how much of what was put is on the disk. Its waiters lose when
// the disk fails.
func (j *Journal) Durable() *quorum.Watermark { return j.durable }

// Sync waits until all that has been put is on the disk.
func (j *Journal) Sync(ctx context.Context) error { return j.durable.Wait(ctx, j.put.Value()) }

// Append puts a record behind the others.
func (j *Journal) Append(m quorum.Message) {
	j.pending = appendRecord(j.pending, kindData, func(b []byte) []byte { return quorum.Encode(b, m) })
	j.put.Advance(j.put.Value() + 1)
}

// Replace puts records in place of all others.
func (j *Journal) Replace(records ...quorum.Message) {
	j.pending, j.rewrite = nil, true
	for _, m := range records {
		j.Append(m)
	}
}

func appendRecord(b []byte, kind byte, data func([]byte) []byte) []byte {
	at := len(b)
	b = data(append(b, 0, 0, 0, 0, 0, 0, 0, 0, kind))
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-headBytes))
	binary.LittleEndian.PutUint32(b[at+4:], crc32.Checksum(b[at+headBytes:], table))
	return b
}

// appendMark appends a record of the journal's own.
func appendMark(b []byte, kind byte, salt, at uint64) []byte {
	return appendRecord(b, kind, func(b []byte) []byte {
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, salt), at)
	})
}

// readRecord returns the record at the beginning of b, kind first, and its
// length in b.
func readRecord(b []byte) (record []byte, n int, ok bool) {
	if len(b) < headBytes {
		return nil, 0, false
	}
	size := binary.LittleEndian.Uint32(b)
	if size == 0 || size > recordBytesMax || int(size) > len(b)-headBytes {
		return nil, 0, false
	}
	n = headBytes + int(size)
	record = b[headBytes:n:n]
	if crc32.Checksum(record, table) != binary.LittleEndian.Uint32(b[4:]) {
		return nil, 0, false
	}
	return record, n, record[0] == kindData || record[0] <= kindBatch && n == markBytes
}

// readMark returns what a record of the journal says.
func readMark(record []byte) (salt, at uint64) {
	return binary.LittleEndian.Uint64(record[1:]), binary.LittleEndian.Uint64(record[9:])
}

// Run writes what is put until ctx ends or the disk fails. One task runs it.
func (j *Journal) Run(ctx context.Context) error {
	rt := quorum.RuntimeOf(ctx)
	for {
		idle := sealAfter
		if rt.Rare("journal: seal at once") {
			idle = 0
		}
		more := j.put.Reached(j.durable.Value() + 1)
		if j.file == nil || j.sealed {
			if err := quorum.Wait(ctx, more); err != nil {
				return err
			}
		} else if err := quorum.WaitFor(ctx, more, idle); err != nil && !errors.Is(err, quorum.ErrTimeout) {
			return err
		}
		if rt.Rare("journal: the batch waits for more") {
			if err := quorum.Sleep(ctx, 5*time.Millisecond); err != nil {
				return err
			}
		}
		upTo, b, rewrite := j.put.Value(), j.pending, j.rewrite
		if rewrite {
			j.salt = j.draw()
		}
		j.pending, j.rewrite, j.sealed = nil, false, len(j.pending) == 0 || j.rewrite
		job := quorum.Disk(ctx, "journal write", func() error {
			if rewrite {
				return j.create(b)
			}
			b = append(appendMark(nil, kindBatch, j.salt, j.size), b...)
			if _, err := j.file.WriteAt(b, int64(j.size)); err != nil {
				return err
			}
			j.size += uint64(len(b))
			return j.file.Sync()
		})
		// However long it takes: nobody but this task waits for the job alone.
		if err := quorum.Wait(ctx, job); err != nil {
			j.durable.Fail(err)
			return err
		}
		j.durable.Advance(upTo)
	}
}

func (j *Journal) name(number uint64) string {
	return filepath.Join(j.dir, prefix+strconv.FormatUint(number, 10))
}

// create writes a new file and drops the old ones. In a job.
func (j *Journal) create(b []byte) error {
	b = append(appendMark(nil, kindFile, j.salt, markBytes+uint64(len(b))), b...)
	next := j.name(j.number + 1)
	f, err := j.files.Create(next + tmpSuffix)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err = cmp.Or(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := j.files.Rename(next+tmpSuffix, next); err != nil {
		return err
	}
	if err := j.files.SyncDir(j.dir); err != nil {
		return err
	}
	if j.file != nil {
		if err := j.file.Close(); err != nil {
			return err
		}
	}
	for _, name := range j.stale {
		if err := j.files.Remove(name); err != nil {
			return err
		}
	}
	j.number, j.size, j.stale = j.number+1, uint64(len(b)), []string{next}
	j.file, err = j.files.Open(next)
	return err
}

// load reads the newest file. In a job.
func (j *Journal) load() ([][]byte, error) {
	// The folder's name has to be on the disk before what is in it counts.
	if err := cmp.Or(j.files.MkdirAll(j.dir), j.files.SyncDir(filepath.Dir(j.dir))); err != nil {
		return nil, err
	}
	names, err := j.files.List(j.dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if number, ok := numberOf(name); ok { // a .tmp has none: it is written over
			j.number = max(j.number, number)
			j.stale = append(j.stale, filepath.Join(j.dir, name))
		}
	}
	if j.number == 0 {
		return nil, nil
	}
	f, err := j.files.OpenRead(j.name(j.number))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil {
		return nil, err
	}
	records, good, _, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %s at %d", err, j.name(j.number), good)
	}
	return records, nil
}

// numberOf returns the number in a file's name.
func numberOf(name string) (uint64, bool) {
	number, ok := strings.CutPrefix(filepath.Base(name), prefix)
	n, err := strconv.ParseUint(number, 10, 64)
	return n, ok && err == nil
}

// parse returns the records of a file, how many of its bytes are good, and how
// many of these had to be there, whatever a crash took. What comes behind the good
// ones must be what a crash can leave.
func parse(b []byte) (records [][]byte, good, certain int, err error) {
	first, n, ok := readRecord(b)
	if !ok || first[0] != kindFile {
		return nil, 0, 0, ErrCorrupt // a file gets its name when its beginning is synced
	}
	salt, length := readMark(first)
	good, certain = n, int(min(length, uint64(len(b)+1)))
	for good < len(b) {
		r, n, ok := readRecord(b[good:])
		if !ok {
			break
		}
		if r[0] == kindData {
			records = append(records, r[1:])
		} else if s, at := readMark(r); r[0] != kindBatch || s != salt || at != uint64(good) {
			return nil, good, 0, ErrCorrupt // it was written for another place
		} else {
			certain = good
		}
		good += n
	}
	for i := good + 1; i < len(b); i++ {
		if r, _, ok := readRecord(b[i:]); ok && r[0] == kindBatch {
			if s, _ := readMark(r); s == salt {
				return nil, good, 0, ErrCorrupt // what is below was synced, or it was written for another place
			}
		}
	}
	if good < certain {
		return nil, good, 0, ErrCorrupt
	}
	return records, good, certain, nil
}

// Newest returns which of the names is that of the file that Open reads, if there
// is one.
func Newest(names []string) (newest string, ok bool) {
	var highest uint64
	for _, name := range names {
		if n, isJournal := numberOf(name); isJournal && (!ok || n > highest) {
			newest, highest, ok = name, n, true
		}
	}
	return newest, ok
}

// Covered returns how many bytes of a journal's file have to be there, whatever a
// crash takes: Open finds damage to any of them. It is 0 for a file that is
// damaged already. It is for those who damage files to see what happens.
func Covered(file []byte) int {
	_, _, certain, _ := parse(file)
	return certain
}
