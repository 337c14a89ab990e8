package wal

import (
	"fmt"

	"github.com/godwitdb/godwit/internal/hlc"
)

// gathering takes what the streams of a log have, for one round after the other.
type gathering struct {
	streams []*Stream
	clock   *hlc.Clock
	batches []Batch  // of the current round
	spares  [][]byte // by stream: the buffer to give for the one that is taken

	// gathered is called after each stream's gather: tests and the simulator append
	// there, which leaves a round open. nil otherwise.
	gathered func(i int)
}

func newGathering(streams []*Stream, clock *hlc.Clock) gathering {
	return gathering{
		streams: streams, clock: clock,
		batches: make([]Batch, 0, len(streams)), spares: make([][]byte, len(streams)),
	}
}

// take takes the batches that are pending. It returns the least timestamp that a stream
// has closed, which before was since, and how many bytes of records there are.
func (g *gathering) take(since hlc.Timestamp) (watermark hlc.Timestamp, bytes int64) {
	watermark = hlc.Max
	g.batches = g.batches[:0]
	for i, s := range g.streams {
		b := s.gather(g.clock, g.spares[i])
		g.spares[i] = nil
		watermark = min(watermark, b.Closed)
		bytes += int64(len(b.data))
		if b.Records > 0 {
			g.batches = append(g.batches, b)
		} else {
			g.spares[i] = b.data[:0]
		}
		if g.gathered != nil {
			g.gathered(i)
		}
	}
	if watermark < since {
		panic(fmt.Sprintf("invariant violated: I5 closed: the watermark goes back from %d to %d", since, watermark))
	}
	return watermark, bytes
}

// recycle keeps the buffers of the batches, which are not needed any more.
func (g *gathering) recycle() {
	for i := range g.batches {
		b := &g.batches[i]
		if cap(b.data) <= bufferBytesKept {
			g.spares[b.Stream] = b.data[:0]
		}
		b.data = nil
	}
	g.batches = g.batches[:0]
}

// pending tells whether a stream has something.
func (g *gathering) pending() bool {
	for _, s := range g.streams {
		s.Lock()
		pending := len(s.buf) > 0
		s.word.Store(0)
		if pending {
			return true
		}
	}
	return false
}
