package occ

import "github.com/godwitdb/godwit/internal/arena"

// undoSpace is where a worker puts the versions that only its changes know: one behind the other,
// in chunks. They go in the order in which they came, so none is looked at again to be freed, and what is
// written to next was freed last and is in the processor's cache.
type undoSpace struct {
	chunks []arena.Ref // in order
	used   int         // of the last one
	marked struct{ chunks, used int }
}

// undoChunkBytes is the size of a chunk. A version is smaller: it has no value that is longer than record.InlineMax.
const undoChunkBytes = 16 << 10

// alloc returns room for n bytes behind all others. The error wraps arena.ErrFull.
func (s *undoSpace) alloc(c *arena.Cache, n int) (arena.Ref, error) {
	if len(s.chunks) == 0 || s.used+n > undoChunkBytes {
		chunk, err := c.Alloc(undoChunkBytes)
		if err != nil {
			return 0, err
		}
		s.chunks, s.used = append(s.chunks, chunk), 0
	}
	version := s.chunks[len(s.chunks)-1] + arena.Ref(s.used)
	s.used += n
	return version, nil
}

// mark remembers what there is; rewind takes back what was allocated since.
func (s *undoSpace) mark() { s.marked.chunks, s.marked.used = len(s.chunks), s.used }

func (s *undoSpace) rewind(c *arena.Cache) {
	for n := len(s.chunks); n > s.marked.chunks; n-- {
		c.Free(s.chunks[n-1], undoChunkBytes)
		s.chunks = s.chunks[:n-1]
	}
	s.used = s.marked.used
}

// freeBefore frees the chunks before that of a version.
func (s *undoSpace) freeBefore(c *arena.Cache, version arena.Ref) {
	n := 0
	for version-s.chunks[n] >= undoChunkBytes { // of those that lie above it, too: a Ref has no sign
		c.Free(s.chunks[n], undoChunkBytes)
		n++
	}
	if n > 0 {
		s.chunks = append(s.chunks[:0], s.chunks[n:]...)
	}
}

// reuse frees all chunks but one, in which there is nothing any more.
func (s *undoSpace) reuse(c *arena.Cache) {
	for n := len(s.chunks); n > 1; n-- {
		c.Free(s.chunks[n-1], undoChunkBytes)
		s.chunks = s.chunks[:n-1]
	}
	s.used = 0
}

// free frees all chunks.
func (s *undoSpace) free(c *arena.Cache) {
	for _, chunk := range s.chunks {
		c.Free(chunk, undoChunkBytes)
	}
	s.chunks, s.used = s.chunks[:0], 0
}
