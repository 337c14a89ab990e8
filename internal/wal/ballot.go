package wal

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
)

// A member of a replica group that forgets what it has promised can elect two leaders of
// one epoch. So the file of its ballot has two slots, a block each, as the reach has; but
// both have the newest ballot when Put returns: where the reach may say a little less, a
// ballot may not. A crash tears one slot at most and the other one has the last ballot that
// Put has returned for; so it is if one of them rots.

const (
	ballotMagic   uint64 = 0x544c425449574447 // "GDWITBLT"
	ballotSlots   int64  = 2
	ballotVersion uint32 = 2 // 1 had no FolderID
)

// FolderID tells the folders of members apart: it is drawn when one is made. A member's
// promises are in its folder, and what it has acknowledged; who has its name and another
// folder is somebody else.
type FolderID [16]byte

// String returns the id as 32 hexadecimal digits.
func (id FolderID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText returns String.
func (id FolderID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText returns.
func (id *FolderID) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(id) {
		return fmt.Errorf("wal: %q is no folder's id", text)
	}
	_, err := hex.Decode(id[:], text)
	return err
}

// Ballot is what a member has promised: to take part in no earlier epoch, and to vote for
// nobody else in this one.
type Ballot struct {
	Epoch Epoch
	Vote  uint32 // 0 if it has not voted
	// Ahead: the member acknowledges rounds before they are on its disk, which may lose them in a
	// crash. It does not before it has put a ballot that says so.
	Ahead bool
	// Lost: the member may have acknowledged rounds that it has lost for good, and does
	// not have again yet.
	Lost bool
}

// ballotSlot is a slot's content.
type ballotSlot struct {
	Ballot
	id       DatabaseID
	folder   FolderID
	sequence uint64 // of the write
}

func (s *ballotSlot) put(b []byte, slot int64) {
	b = b[:blockBytes]
	clear(b)
	le := binary.LittleEndian
	copy(b[16:], s.id[:])
	le.PutUint64(b[32:], s.sequence)
	le.PutUint64(b[40:], uint64(s.Epoch))
	le.PutUint32(b[48:], s.Vote)
	le.PutUint32(b[52:], uint32(slot))
	copy(b[56:], s.folder[:])
	if s.Lost {
		b[73] = 1
	}
	if s.Ahead {
		b[74] = 1
	}
	sealBlock(b, ballotMagic, ballotVersion)
}

// decodeBallotSlot reads a slot, or as much of it as there is.
func decodeBallotSlot(file string, slot int64, b []byte) (ballotSlot, error) {
	var s ballotSlot
	if err := openBlock(file, slot*blockBytes, b, ballotMagic, ballotVersion, "ballot"); err != nil {
		return s, err
	}
	le := binary.LittleEndian
	if v := le.Uint32(b[8:]); v < ballotVersion {
		return s, fmt.Errorf("%w: %s has ballot format %d, this is %d; the replica has to join again, with an empty folder", dberr.ErrOlderFormat, file, v, ballotVersion)
	}
	copy(s.id[:], b[16:])
	s.sequence = le.Uint64(b[32:])
	s.Epoch = Epoch(le.Uint64(b[40:]))
	s.Vote = le.Uint32(b[48:])
	copy(s.folder[:], b[56:])
	s.Lost, s.Ahead = b[73] == 1, b[74] == 1
	if got := le.Uint32(b[52:]); s.sequence == 0 || int64(got) != slot || s.folder == (FolderID{}) {
		return s, dberr.Corrupt(file, slot*blockBytes, "a ballot of slot %d, write %d, folder %v", got, s.sequence, s.folder)
	}
	return s, nil
}

// BallotFile keeps a Ballot on the disk. Its methods are called one at a time.
type BallotFile struct {
	file    env.File
	known   ballotSlot
	failure error
}

// CreateBallot makes the file name with a ballot and a new folder's id, durable but for
// its name.
func CreateBallot(fsys env.FS, name string, id DatabaseID, b Ballot, rand env.Rand) error {
	s := ballotSlot{Ballot: b, id: id, sequence: 1}
	binary.LittleEndian.PutUint64(s.folder[:], rand.Uint64())
	binary.LittleEndian.PutUint64(s.folder[8:], max(1, rand.Uint64()))
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	err = f.Preallocate(ballotSlots * blockBytes)
	if err == nil {
		err = writeBallot(f, &s)
	}
	return errors.Join(err, f.Close())
}

// writeBallot makes a ballot durable in one slot after the other.
func writeBallot(f env.File, s *ballotSlot) error {
	b := make([]byte, blockBytes)
	for slot := range ballotSlots {
		s.put(b, slot)
		if _, err := f.WriteAt(b, slot*blockBytes); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// OpenBallot opens the file name and returns the ballot in it. What one slot lacks is
// written anew.
func OpenBallot(fsys env.FS, name string, id DatabaseID) (*BallotFile, Ballot, error) {
	// What a killed process has written must be durable before it is believed.
	if err := settleFile(fsys, name); err != nil {
		return nil, Ballot{}, err
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, Ballot{}, err
	}
	known, same, err := readBallot(f, name, id)
	if err == nil && !same {
		err = writeBallot(f, &known)
	}
	if err != nil {
		return nil, Ballot{}, errors.Join(err, f.Close())
	}
	return &BallotFile{file: f, known: known}, known.Ballot, nil
}

// readBallot returns the newer slot that is intact, and whether both have the same.
func readBallot(f env.File, name string, id DatabaseID) (newest ballotSlot, same bool, err error) {
	var damage error
	same = true
	b := make([]byte, blockBytes)
	for slot := range ballotSlots {
		n, err := f.ReadAt(b, slot*blockBytes)
		if err != nil && !errors.Is(err, io.EOF) {
			return newest, false, err
		}
		s, err := decodeBallotSlot(name, slot, b[:n])
		switch {
		case errors.Is(err, dberr.ErrNewerFormat), errors.Is(err, dberr.ErrOlderFormat):
			return newest, false, err
		case err != nil:
			damage, same = err, false
			continue
		case s.id != id:
			return newest, false, dberr.Corrupt(name, slot*blockBytes, "the file belongs to database %s, not to %s", s.id, id)
		}
		same = same && (slot == 0 || s == newest)
		if s.sequence > newest.sequence {
			newest = s
		}
	}
	if newest.sequence == 0 {
		return newest, false, damage
	}
	return newest, same, nil
}

// Put makes a ballot durable. It must not go back on what was promised. After a failure
// it is not known which ballot a restart will find, and there are no more.
func (f *BallotFile) Put(b Ballot) error {
	old := f.known.Ballot
	switch {
	case f.failure != nil:
		return f.failure
	case b.Epoch < old.Epoch || b.Epoch == old.Epoch && old.Vote != 0 && b.Vote != old.Vote:
		return fmt.Errorf("wal: a ballot for %d in epoch %d after one for %d in epoch %d", b.Vote, b.Epoch, old.Vote, old.Epoch)
	}
	next := f.known
	next.Ballot, next.sequence = b, next.sequence+1
	if err := writeBallot(f.file, &next); err != nil {
		f.failure = fmt.Errorf("%w: the ballot: %w", dberr.ErrLogFailed, err)
		return f.failure
	}
	f.known = next
	return nil
}

// Folder returns the id of the folder that the file is of.
func (f *BallotFile) Folder() FolderID { return f.known.folder }

// Close closes the file.
func (f *BallotFile) Close() error { return f.file.Close() }

// CheckBallot verifies a member's ballot and returns it. It reads alone. One slot that is
// damaged is a problem: the next one would take the promises of the member with it.
func CheckBallot(fsys env.FS, name string, id DatabaseID) (b Ballot, problem error, err error) {
	f, err := fsys.OpenRead(name)
	if errors.Is(err, fs.ErrNotExist) {
		return b, dberr.Corrupt(name, 0, "the file is missing"), nil
	}
	if err != nil {
		return b, nil, err
	}
	defer f.Close()
	newest, same, err := readBallot(f, name, id)
	switch {
	case errors.Is(err, dberr.ErrCorrupt), errors.Is(err, dberr.ErrNewerFormat), errors.Is(err, dberr.ErrOlderFormat):
		return b, err, nil
	case err != nil:
		return b, nil, err
	case !same:
		problem = dberr.Corrupt(name, 0, "its two copies are not the same; it is mended when the replica is opened")
	}
	return newest.Ballot, problem, nil
}
