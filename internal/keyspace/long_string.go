package keyspace

import (
	"encoding/binary"
	"fmt"
)

const (
	// wholeBytesMax is the longest string that is one record with its key.
	wholeBytesMax = 16 << 10
	// chunkBytes is how long the chunks of a longer one are, but for the last. It is the format's.
	chunkBytes = 8 << 10
)

// longString is a string in chunks of the same length, but for the last, which may be shorter: what is written or read of it costs as much
// as the chunks that it is in, whatever else there is.
//
//	number -> chunk
type longString struct {
	tx     *Tx
	id     uint64
	length int
}

// longStringBytes is the length of a longString's body.
const longStringBytes = 16

func (t *Tx) parseLongString(body []byte) (s longString, err error) {
	if len(body) != longStringBytes {
		return s, fmt.Errorf("%w: a long string of %d bytes", ErrCorrupt, len(body))
	}
	length := binary.BigEndian.Uint64(body[8:])
	if length > ValueBytesMax {
		return s, fmt.Errorf("%w: a string has %d bytes", ErrCorrupt, length)
	}
	return longString{tx: t, id: objectID(body), length: int(length)}, nil //nolint:gosec // at most ValueBytesMax
}

func (s *longString) appendTo(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, s.id), uint64(s.length)) //nolint:gosec // not negative
}

// size implements object: how many chunks there are.
func (s *longString) size() int { return chunksOf(s.length, s.tx.Space.chunkBytes) }

func chunksOf(length, chunk int) int { return (length + chunk - 1) / chunk }

func (s *longString) chunkName(dst []byte, i int) []byte {
	return appendNumberName(dst, s.id, tagChunk, uint64(i)) //nolint:gosec // not negative
}

func (s *longString) put(i int, chunk []byte) error {
	t := s.tx
	t.name = s.chunkName(t.name[:0], i)
	return t.put(t.Space.elements, t.name, chunk)
}

// each visits the bytes from ≤ i < to.
func (s *longString) each(from, to int, visit func(part []byte) bool) error {
	if from == to {
		return nil
	}
	size := s.tx.Space.chunkBytes
	first := from / size
	var wrong error
	name := func(dst []byte, i int) []byte { return s.chunkName(dst, first+i) }
	err := s.tx.eachElement(chunksOf(to, size)-first, name, func(i int, chunk []byte) bool {
		begins := (first + i) * size
		if len(chunk) != min(size, s.length-begins) {
			wrong = fmt.Errorf("%w: chunk %d of a string of %d bytes has %d", ErrCorrupt, first+i, s.length, len(chunk))
			return false
		}
		return visit(chunk[max(from-begins, 0):min(to-begins, size)])
	})
	if wrong != nil {
		return wrong
	}
	return err
}

// set writes part from a place on, with zeros before it where the string was shorter.
func (s *longString) set(at int, part []byte) error {
	size, end := s.tx.Space.chunkBytes, at+len(part)
	length := max(s.length, end)
	chunk := make([]byte, 0, size)
	for i := min(at, s.length) / size; i*size < end; i++ {
		begins, ends := i*size, min((i+1)*size, length)
		chunk = chunk[:ends-begins]
		clear(chunk)
		if begins < s.length && (at > begins || end < ends) { // not all of it is new
			had := chunk[:0]
			if err := s.each(begins, min(ends, s.length), func(old []byte) bool { had = append(had, old...); return true }); err != nil {
				return err
			}
		}
		if ends > at {
			copy(chunk[max(at-begins, 0):], part[max(begins-at, 0):])
		}
		if err := s.put(i, chunk); err != nil {
			return err
		}
	}
	s.length = length
	return nil
}

// discard implements object: the last chunks go first.
func (s *longString) discard(limit int) (n int, err error) {
	t := s.tx
	for ; n < limit && s.length > 0; n++ {
		last := s.size() - 1
		t.name = s.chunkName(t.name[:0], last)
		if err := t.in.Delete(t.Space.elements, t.name); err != nil {
			return n, err
		}
		s.length = last * t.Space.chunkBytes
	}
	return n, nil
}

// split puts the string of a key into chunks.
func (k *Key) split() (err error) {
	s := longString{tx: k.tx}
	if s.id, err = k.tx.Space.id(); err != nil {
		return err
	}
	if err := s.set(0, k.body); err != nil {
		return err
	}
	k.kind, k.body = longStringType, s.appendTo(nil)
	return nil
}

// Chunks returns in how many records beside its own a string is.
func (k *Key) Chunks() (int, error) {
	if k.kind != longStringType {
		return 0, nil
	}
	s, err := k.tx.parseLongString(k.body)
	return s.size(), err
}
