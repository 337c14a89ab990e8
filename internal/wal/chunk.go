package wal

import (
	"sync"
	"sync/atomic"
)

const (
	// chunkBytes is how much of a segment is read at once, more only if a round
	// is larger; scanBytes likewise where only headers are wanted: what is between
	// those of small rounds costs less than another read.
	chunkBytes = 1 << 20
	scanBytes  = 64 << 10
	// chunksBytesMax bounds what is held in memory of chunks that are being
	// worked on. A single larger one is let through alone.
	chunksBytesMax = 32 << 20
)

// chunk is a piece of a segment in memory. It is shared by the reader and the
// jobs on its batches; the last one to let go gives it back.
type chunk struct {
	buf  []byte
	at   int64 // where buf begins in the file
	refs atomic.Int32
	pool *chunkPool
}

// covers tells whether the chunk holds n bytes from offset.
func (c *chunk) covers(offset, n int64) bool {
	return c != nil && offset >= c.at && offset+n <= c.at+int64(len(c.buf))
}

func (c *chunk) hold() { c.refs.Add(1) }

func (c *chunk) letGo() {
	if c.refs.Add(-1) == 0 {
		c.pool.put(c)
	}
}

// chunkPool hands out chunks within the bound.
type chunkPool struct {
	mu   sync.Mutex
	room sync.Cond
	used int64
	size int64    // of a chunk, at least
	idle []*chunk // of that size
}

func newChunkPool(size int64) *chunkPool {
	p := &chunkPool{size: size}
	p.room.L = &p.mu
	return p
}

// get returns a chunk of n bytes, held once. It waits until there is room; the
// caller holds no chunk, so that there will be.
func (p *chunkPool) get(n int64) *chunk {
	size := max(n, p.size)
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.used > 0 && p.used+size > chunksBytesMax {
		p.room.Wait()
	}
	p.used += size
	var c *chunk
	if last := len(p.idle) - 1; last >= 0 && size == p.size {
		c, p.idle = p.idle[last], p.idle[:last]
	} else {
		c = &chunk{buf: make([]byte, size), pool: p}
	}
	c.buf = c.buf[:n]
	c.refs.Store(1)
	return c
}

func (p *chunkPool) put(c *chunk) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used -= int64(cap(c.buf))
	if int64(cap(c.buf)) == p.size {
		p.idle = append(p.idle, c)
	}
	p.room.Broadcast()
}
