// Package fifo is a queue for garbage that waits for its time: entries come in
// millions and go in the same order. It grows and shrinks in chunks, so that
// nothing is ever copied, and keeps one chunk for the next entries.
package fifo

// chunkLen is how many entries a chunk has.
const chunkLen = 1024

// Queue is a queue of E. The zero Queue is empty and ready to use. It serves one
// goroutine at a time.
type Queue[E any] struct {
	// chunks are in order; all but the first and the last are full.
	chunks []*[chunkLen]E
	spare  *[chunkLen]E
	head   int // of the first chunk
	tail   int // of the last chunk
}

// Len returns how many entries the queue has.
func (q *Queue[E]) Len() int {
	if len(q.chunks) == 0 {
		return 0
	}
	return (len(q.chunks)-1)*chunkLen + q.tail - q.head
}

// Push adds an entry at the end.
func (q *Queue[E]) Push(e E) {
	if len(q.chunks) == 0 || q.tail == chunkLen {
		if q.spare == nil {
			q.spare = new([chunkLen]E)
		}
		q.chunks = append(q.chunks, q.spare)
		q.spare, q.tail = nil, 0
	}
	q.chunks[len(q.chunks)-1][q.tail] = e
	q.tail++
}

// Front returns the first entry, which must exist. The pointer is good until the
// next Push or Pop.
func (q *Queue[E]) Front() *E { return q.At(0) }

// At returns the ith entry from the front.
func (q *Queue[E]) At(i int) *E {
	i += q.head
	return &q.chunks[i/chunkLen][i%chunkLen]
}

// Pop removes and returns the first entry, which must exist.
func (q *Queue[E]) Pop() E {
	e := q.chunks[0][q.head]
	q.head++
	switch {
	case len(q.chunks) == 1 && q.head == q.tail:
		q.head, q.tail = 0, 0 // empty: use the chunk again
	case q.head == chunkLen:
		q.spare = q.chunks[0]
		n := copy(q.chunks, q.chunks[1:])
		q.chunks[n] = nil
		q.chunks = q.chunks[:n]
		q.head = 0
	}
	return e
}
