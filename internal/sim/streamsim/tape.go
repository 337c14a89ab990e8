package streamsim

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"path/filepath"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// tape keeps rounds in one file: records of (length, CRC of all up to there, round).
type tape struct {
	file env.File
	ends []int64 // of the records of the rounds
	sums []uint32
}

type record struct{ r wal.Round }

func (m *record) Fields(c *quorum.Coder) {
	c.Uint((*uint64)(&m.r.Number))
	c.Uint((*uint64)(&m.r.Epoch))
	kind := uint64(m.r.Kind)
	c.Uint(&kind)
	m.r.Kind = wal.RoundKind(kind)
	c.Uint((*uint64)(&m.r.Watermark))
	c.Uint((*uint64)(&m.r.Last))
	c.Bytes(&m.r.Payload)
}

func openOrCreate(f env.FS, name string) (env.File, error) {
	if err := f.MkdirAll(filepath.Dir(name)); err != nil {
		return nil, err
	}
	file, err := f.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = f.Create(name)
	}
	if err != nil {
		return nil, err
	}
	return file, errors.Join(f.SyncDir(filepath.Dir(name)), f.SyncDir("."))
}

func openTape(f env.FS, name string) (*tape, []wal.Round, error) {
	file, err := openOrCreate(f, name)
	if err != nil {
		return nil, nil, err
	}
	t := &tape{file: file}
	size, err := file.Size()
	if err != nil {
		return nil, nil, err
	}
	b := make([]byte, size)
	if _, err := file.ReadAt(b, 0); err != nil {
		return nil, nil, err
	}
	var rounds []wal.Round
	at, sum := 0, uint32(0)
	for at+8 <= len(b) {
		n := int(binary.LittleEndian.Uint32(b[at:]))
		if n > len(b)-at-8 || crc32.Update(sum, crc32.IEEETable, b[at+8:at+8+n]) != binary.LittleEndian.Uint32(b[at+4:]) {
			break
		}
		sum = binary.LittleEndian.Uint32(b[at+4:])
		var m record
		if quorum.Decode(b[at+8:at+8+n], &m) != nil || int(m.r.Number) != len(rounds)+1 {
			break
		}
		at += 8 + n
		rounds = append(rounds, m.r)
		t.ends, t.sums = append(t.ends, int64(at)), append(t.sums, sum)
	}
	return t, rounds, errors.Join(file.Truncate(int64(at)), file.Sync())
}

func (t *tape) end(n int) int64 {
	if n == 0 {
		return 0
	}
	return t.ends[n-1]
}

func (t *tape) Append(rounds []wal.Round) error {
	keep := int(rounds[0].Number) - 1
	at := t.end(keep)
	t.ends, t.sums = t.ends[:keep], t.sums[:keep]
	sum := uint32(0)
	if keep > 0 {
		sum = t.sums[keep-1]
	}
	var b []byte
	var ends []int64
	var sums []uint32
	for i := range rounds {
		body := quorum.Encode(nil, &record{rounds[i]})
		b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
		sum = crc32.Update(sum, crc32.IEEETable, body)
		b = binary.LittleEndian.AppendUint32(b, sum)
		b = append(b, body...)
		ends, sums = append(ends, at+int64(len(b))), append(sums, sum)
	}
	// What is behind must not come back.
	if err := t.file.Truncate(at); err != nil {
		return err
	}
	if _, err := t.file.WriteAt(b, at); err != nil {
		return err
	}
	t.ends, t.sums = append(t.ends, ends...), append(t.sums, sums...)
	return nil
}

func (t *tape) Sync() error { return t.file.Sync() }

func (t *tape) Read(from wal.RoundNumber, bytesMax int) ([]wal.Round, error) {
	var rounds []wal.Round
	for n := int(from) - 1; n < len(t.ends) && (len(rounds) == 0 || t.end(n+1)-t.end(int(from)-1) < int64(bytesMax)); n++ {
		b := make([]byte, t.end(n+1)-t.end(n))
		if _, err := t.file.ReadAt(b, t.end(n)); err != nil {
			return nil, err
		}
		var m record
		if quorum.Decode(b[8:], &m) != nil {
			break
		}
		rounds = append(rounds, m.r)
	}
	return rounds, nil
}

func (t *tape) Discard(wal.RoundNumber) error { return nil }
func (t *tape) Reset(wal.Base) error          { return errors.ErrUnsupported }

// ballot keeps a Ballot in a file of two slots.
type ballot struct {
	file env.File
	seq  uint64
}

type slot struct {
	seq, epoch, vote uint64
}

func openBallot(f env.FS, name string) (*ballot, wal.Ballot, error) {
	file, err := openOrCreate(f, name)
	if err != nil {
		return nil, wal.Ballot{}, err
	}
	b, result := &ballot{file: file}, wal.Ballot{}
	size, err := file.Size()
	if err != nil {
		return nil, result, err
	}
	data := make([]byte, 1024)
	if _, err := file.ReadAt(data[:min(size, 1024)], 0); err != nil {
		return nil, result, err
	}
	for i := range 2 {
		s := data[i*512:]
		le := binary.LittleEndian
		if le.Uint32(s) != crc32.ChecksumIEEE(s[4:32]) || le.Uint64(s[8:]) <= b.seq {
			continue
		}
		b.seq = le.Uint64(s[8:])
		result = wal.Ballot{Epoch: wal.Epoch(le.Uint64(s[16:])), Vote: uint32(le.Uint64(s[24:]))}
	}
	return b, result, nil
}

func (b *ballot) Save(x wal.Ballot) error {
	b.seq++
	s := make([]byte, 512)
	le := binary.LittleEndian
	le.PutUint64(s[8:], b.seq)
	le.PutUint64(s[16:], uint64(x.Epoch))
	le.PutUint64(s[24:], uint64(x.Vote))
	le.PutUint32(s, crc32.ChecksumIEEE(s[4:32]))
	if _, err := b.file.WriteAt(s, int64(b.seq%2)*512); err != nil {
		return err
	}
	return b.file.Sync()
}
