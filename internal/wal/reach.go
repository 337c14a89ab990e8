package wal

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"sync"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
)

// A segment says where the one before it ends. Nothing in the log says what comes
// behind: a lost newest segment would look as if it had never been there, and a last
// round that has rotted as if a crash had cut it off. So a file beside the log's
// folder has its reach: how far it is known to go.
//
// It has two slots, a block each, that are written in turn: a crash can tear the
// one that is being written, and the other one says a little less, but nothing wrong.

const (
	reachMagic uint64 = 0x4843525449574447 // "GDWITRCH"
	reachSlots int64  = 2

	reachVersion = 1
)

// Reach is how far a log is known to go.
type Reach struct {
	// Start is where it begins: what is at or below it is in a checkpoint.
	Start hlc.Timestamp
	// Segment is the newest segment that was begun, 0 if none was. Round and all
	// rounds before it are durable, 0 if there is none.
	Segment SegmentNumber
	Round   RoundNumber
}

// begins checks that a checkpoint, which file has, goes as far as where the log
// begins.
func (r *Reach) begins(checkpoint hlc.Timestamp, file string) error {
	if checkpoint >= r.Start {
		return nil
	}
	if checkpoint == 0 {
		return dberr.Corrupt(file, 0, "the checkpoint is missing; the log begins behind %d", r.Start)
	}
	return dberr.Corrupt(file, 0, "the checkpoint is at %d, the log begins behind %d", checkpoint, r.Start)
}

// reachSlot is a slot's content.
type reachSlot struct {
	Reach
	id       DatabaseID
	sequence uint64 // of the write; its slot is the remainder
}

func (s *reachSlot) offset() int64 { return int64(s.sequence%uint64(reachSlots)) * blockBytes }

// put encodes the slot into a block.
func (s *reachSlot) put(b []byte) {
	b = b[:blockBytes]
	clear(b)
	le := binary.LittleEndian
	copy(b[16:], s.id[:])
	le.PutUint64(b[32:], s.sequence)
	le.PutUint64(b[40:], uint64(s.Start))
	le.PutUint64(b[48:], uint64(s.Segment))
	le.PutUint64(b[56:], uint64(s.Round))
	sealBlock(b, reachMagic, reachVersion)
}

// decodeReachSlot reads the slot at an offset, or as much of it as there is.
func decodeReachSlot(file string, offset int64, b []byte) (reachSlot, error) {
	var s reachSlot
	if err := openBlock(file, offset, b, reachMagic, reachVersion, "log reach"); err != nil {
		return s, err
	}
	le := binary.LittleEndian
	copy(s.id[:], b[16:])
	s.sequence = le.Uint64(b[32:])
	s.Start = hlc.Timestamp(le.Uint64(b[40:]))
	s.Segment = SegmentNumber(le.Uint64(b[48:]))
	s.Round = RoundNumber(le.Uint64(b[56:]))
	if s.sequence == 0 || s.offset() != offset || s.Start > hlc.Max {
		return s, dberr.Corrupt(file, offset, "a log reach from %d, write %d", s.Start, s.sequence)
	}
	return s, nil
}

// CreateReach makes the file name, durable but for its name.
func CreateReach(fsys env.FS, name string, id DatabaseID, r Reach) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	err = f.Preallocate(reachSlots * blockBytes)
	if err == nil {
		s := reachSlot{Reach: r, id: id, sequence: 1}
		err = writeSlot(f, &s)
	}
	return errors.Join(err, f.Close())
}

func writeSlot(f env.File, s *reachSlot) error {
	b := make([]byte, blockBytes)
	s.put(b)
	if _, err := f.WriteAt(b, s.offset()); err != nil {
		return err
	}
	return f.Sync()
}

// readReach returns the newest slot of a file that is intact.
func readReach(f env.File, name string, id DatabaseID) (reachSlot, error) {
	var newest reachSlot
	var damage error
	b := make([]byte, blockBytes)
	for i := range reachSlots {
		n, err := f.ReadAt(b, i*blockBytes)
		if err != nil && !errors.Is(err, io.EOF) {
			return newest, err
		}
		s, err := decodeReachSlot(name, i*blockBytes, b[:n])
		switch {
		case err == nil && s.sequence > newest.sequence:
			newest = s
		case errors.Is(err, dberr.ErrNewerFormat):
			return newest, err
		case err != nil && damage == nil:
			damage = err
		}
	}
	switch {
	case newest.sequence == 0:
		return newest, damage
	case id != DatabaseID{} && newest.id != id:
		return newest, dberr.Corrupt(name, newest.offset(), "the file belongs to database %s, not to %s", newest.id, id)
	}
	return newest, nil
}

// loadReach reads the file name. The zero id stands for any database. Without a
// name nothing is known.
func loadReach(fsys env.FS, name string, id DatabaseID) (reachSlot, error) {
	if name == "" {
		return reachSlot{id: id}, nil
	}
	f, err := fsys.OpenRead(name)
	if errors.Is(err, fs.ErrNotExist) {
		return reachSlot{id: id}, dberr.Corrupt(name, 0, "the file is missing")
	}
	if err != nil {
		return reachSlot{id: id}, err
	}
	defer f.Close()
	return readReach(f, name, id)
}

// reachFile is the file of an open log.
type reachFile struct {
	file env.File
	mu   struct {
		sync.Mutex
		known reachSlot // the last one written
	}
}

// openReach opens the file name, which is intact.
func openReach(fsys env.FS, name string, id DatabaseID) (*reachFile, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	r := &reachFile{file: f}
	if r.mu.known, err = readReach(f, name, id); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

// raise makes durable that the log reaches as far as to, too. If that fails, the
// slot that it was to be in is the next one again, and the other one stays.
func (r *reachFile) raise(to Reach) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.mu.known
	next.Start = max(next.Start, to.Start)
	next.Segment = max(next.Segment, to.Segment)
	next.Round = max(next.Round, to.Round)
	if next.Reach == r.mu.known.Reach {
		return nil
	}
	next.sequence++
	if err := writeSlot(r.file, &next); err != nil {
		return err
	}
	r.mu.known = next
	return nil
}

func (r *reachFile) close() error { return r.file.Close() }
