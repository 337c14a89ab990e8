package occ

import "unsafe"

const (
	scratchFirstBytes = 4 << 10
	scratchChunkBytes = 64 << 10
	// scratchKeepBytes is how much a finished transaction keeps for the next.
	scratchKeepBytes = 1 << 20
)

// scratch is the memory of one transaction's keys and values: buffers that are
// filled one after the other and used again by the next transaction. Memory that
// was handed out stays in place until reset.
type scratch struct {
	chunks [][]byte
	chunk  int // being filled
	used   int // bytes of it
}

// alloc returns n bytes, aligned to 8 and with capacity for n rounded up to 8.
func (s *scratch) alloc(n int) []byte {
	room := (n + 7) &^ 7
	if s.chunk < len(s.chunks) {
		if c := s.chunks[s.chunk]; s.used+room <= len(c) {
			b := c[s.used : s.used+n : s.used+room]
			s.used += room
			return b
		}
	}
	return s.grow(n, room)
}

func (s *scratch) grow(n, room int) []byte {
	for s.chunk+1 < len(s.chunks) {
		s.chunk++
		s.used = 0
		if room <= len(s.chunks[s.chunk]) {
			s.used = room
			return s.chunks[s.chunk][:n:room]
		}
	}
	size := scratchChunkBytes
	if len(s.chunks) == 0 {
		size = scratchFirstBytes
	}
	words := make([]uint64, max(size, room)/8)
	s.chunks = append(s.chunks, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8))
	s.chunk = len(s.chunks) - 1
	s.used = room
	return s.chunks[s.chunk][:n:room]
}

// copy returns a copy of b.
func (s *scratch) copy(b []byte) []byte {
	c := s.alloc(len(b))
	copy(c, b)
	return c
}

// undo takes back the last alloc, of n bytes.
func (s *scratch) undo(n int) { s.used -= (n + 7) &^ 7 }

// dropLast takes back an alloc of n bytes that was made when the scratch was as
// mark says, unless there was another one since.
func (s *scratch) dropLast(mark scratch, n int) {
	if s.chunk == mark.chunk && s.used == mark.used+(n+7)&^7 {
		s.used = mark.used
	}
}

func (s *scratch) reset() {
	kept := 0
	for i, c := range s.chunks {
		kept += len(c)
		if kept > scratchKeepBytes {
			clear(s.chunks[i:])
			s.chunks = s.chunks[:i]
			break
		}
	}
	s.chunk, s.used = 0, 0
}
