package checkpoint

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/godwitdb/godwit/internal/dberr"
)

// unknownSize is the size of a stream that comes from an io.Reader.
const unknownSize = -1

// readStepBytes is how much memory is taken before the bytes that fill it were
// seen, where a stream's size is not known.
const readStepBytes = 1 << 20

// scanner finds the blocks of a stream in order. It trusts nothing: a length is
// believed when its checksum matches, is within the limits, and, if the stream's
// size is known, within the stream.
type scanner struct {
	file    string
	src     io.ReaderAt
	size    int64 // of the stream, or unknownSize
	header  Header
	framing framing
	tables  []Table
	// known is the set of tables, made when the directory has ended.
	known map[TableID]struct{}
	buf   [blockHeaderBytes]byte // next's, here because src makes it escape
}

// block is a block that a scanner has found.
type block struct {
	blockHeader
	offset int64 // of its header
}

// openScanner reads the stream's header.
func openScanner(file string, src io.ReaderAt, size int64) (*scanner, error) {
	s := &scanner{file: file, src: src, size: size}
	var b [headerBytes]byte
	if err := s.read(b[:], 0, 0, "header"); err != nil {
		return nil, err
	}
	h, err := decodeHeader(file, &b)
	if err != nil {
		return nil, err
	}
	s.header, s.framing = h, newFraming(&b)
	return s, nil
}

// next reads the header of the next block and passes over its body, which
// readBody brings. A source that cannot go back needs it read before the next
// call. No block can be found behind an error.
func (s *scanner) next() (block, error) {
	b := &s.buf
	offset := s.framing.offset
	if err := s.read(b[:], offset, offset, "block header"); err != nil {
		return block{}, err
	}
	h, err := s.framing.decode(s.file, b)
	if err != nil {
		return block{}, err
	}
	if s.size != unknownSize && h.kind != footerBlock &&
		int64(h.stored) > s.size-offset-blockHeaderBytes-footerBytes {
		return block{}, dberr.Corrupt(s.file, offset, "block of %d bytes leaves no room for the footer", h.stored)
	}
	if h.kind != tablesBlock && s.known == nil {
		if err := s.endTables(offset); err != nil {
			return block{}, err
		}
	}
	if h.kind != footerBlock {
		s.framing.advance(h, b[:])
	}
	return block{h, offset}, nil
}

// readBody reads and verifies the body of b into buf, which it returns, larger if
// it had to grow. Several goroutines may call it if the source allows that.
func (s *scanner) readBody(b block, buf []byte) ([]byte, error) {
	at, left := b.offset+blockHeaderBytes, int(b.stored)
	buf = buf[:0]
	for left > 0 {
		step := left
		if s.size == unknownSize && step > cap(buf)-len(buf) {
			step = min(left, max(cap(buf)-len(buf), readStepBytes, len(buf)))
		}
		done := len(buf)
		buf = grow(buf, step)
		if err := s.read(buf[done:], at, b.offset, "block"); err != nil {
			return buf, err
		}
		at += int64(step)
		left -= step
	}
	if crc32.Checksum(buf, castagnoli) != b.bodyCRC {
		return buf, dberr.Corrupt(s.file, b.offset, "checksum of the block does not match")
	}
	return buf, nil
}

// grow makes b longer by n bytes of any content. Blocks of the usual size find a
// buffer of exactly that size.
func grow(b []byte, n int) []byte {
	need := len(b) + n
	if need <= cap(b) {
		return b[:need]
	}
	bigger := make([]byte, need, max(need, BlockTargetBytes))
	copy(bigger, b)
	return bigger
}

// read fills b from offset at; unit is what b is part of, begin where it begins.
func (s *scanner) read(b []byte, at, begin int64, unit string) error {
	if s.size != unknownSize && at+int64(len(b)) > s.size {
		return dberr.Corrupt(s.file, begin, "ends after %d bytes, within a %s", s.size, unit)
	}
	n, err := s.src.ReadAt(b, at)
	switch {
	case n == len(b):
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return dberr.Corrupt(s.file, begin, "ends after %d bytes, within a %s", at+int64(n), unit)
	case err == nil:
		err = io.ErrNoProgress
	}
	return fmt.Errorf("read %s at offset %d: %w", s.file, at, err)
}

// addTables takes in a block of the table directory.
func (s *scanner) addTables(b block, body []byte) error {
	var e Entries
	e.reset(s.file, b.offset, b.entries, body)
	tables, err := decodeTables(s.tables, &e)
	if err != nil {
		return err
	}
	s.tables = tables
	return nil
}

// endTables is called when the table directory has ended, at offset.
func (s *scanner) endTables(offset int64) error {
	if err := validateTables(s.tables); err != nil {
		return dberr.Corrupt(s.file, offset, "table directory before this: %v", err)
	}
	s.known = make(map[TableID]struct{}, len(s.tables))
	for _, t := range s.tables {
		s.known[t.ID] = struct{}{}
	}
	return nil
}

// knows checks that the table of a block of entries is in the directory.
func (s *scanner) knows(b block) error {
	if _, ok := s.known[b.table]; !ok {
		return dberr.Corrupt(s.file, b.offset, "block of table %d, which is not in the directory", b.table)
	}
	return nil
}

// expect checks that the stream is of the kind and of the database that the
// caller wants. The zero DatabaseID stands for any.
func (s *scanner) expect(kind StreamKind, id DatabaseID) error {
	if s.header.Kind != kind {
		return dberr.Corrupt(s.file, 0, "stream is a %v, not a %v", s.header.Kind, kind)
	}
	return expectDatabase(s.file, s.header.Database, id)
}

// finish checks the footer and returns what the stream holds.
func (s *scanner) finish(b block, body []byte) (Summary, error) {
	if want := s.framing.footer(); string(body) != string(want[:]) {
		return Summary{}, dberr.Corrupt(s.file, b.offset, "footer does not match the blocks before it")
	}
	sum := s.framing.total
	sum.Bytes += footerBytes
	sum.Checksum = s.framing.chain
	if s.size != unknownSize && sum.Bytes != s.size {
		return Summary{}, dberr.Corrupt(s.file, sum.Bytes, "%d bytes follow the footer", s.size-sum.Bytes)
	}
	return sum, nil
}

// forwardReader is an io.ReaderAt that can only go on.
type forwardReader struct {
	r  io.Reader
	at int64
}

var errNotForward = errors.New("checkpoint: stream cannot go back")

// ReadAt reads the bytes that come next; off has to be where they are.
func (f *forwardReader) ReadAt(b []byte, off int64) (int, error) {
	if off != f.at {
		return 0, errNotForward
	}
	n, err := io.ReadFull(f.r, b)
	f.at += int64(n)
	return n, err
}
