package wal

import (
	"fmt"
	"runtime"

	"github.com/godwitdb/godwit/internal/hlc"
)

// gathering takes what the streams of a log have, for one round after the other.
type gathering struct {
	streams []*Stream
	clock   *hlc.Clock
	batches []Batch  // of the current round
	spares  [][]byte // by stream: the buffer to give for the one that is taken
	// What collect has so far:
	next   int           // the stream to take from next, 0 if it begins
	closed hlc.Timestamp // the least that one has closed
	bytes  int64         // of records
	// busyWorkers is how many streams had something for the last round.
	busyWorkers, processors int

	// gathered is called after each stream's gather: tests and the simulator append
	// there, which leaves a round open. nil otherwise.
	gathered func(i int)
}

func newGathering(streams []*Stream, clock *hlc.Clock) gathering {
	return gathering{
		streams: streams, clock: clock,
		batches: make([]Batch, 0, len(streams)), spares: make([][]byte, len(streams)),
		processors: runtime.GOMAXPROCS(0),
	}
}

// take takes the batches that are pending. It returns the least timestamp that a stream
// has closed, which before was since, and how many bytes of records there are.
func (g *gathering) take(since hlc.Timestamp) (watermark hlc.Timestamp, bytes int64) {
	g.collect(true)
	g.next, g.busyWorkers = 0, len(g.batches)
	if g.closed < since {
		panic(fmt.Sprintf("invariant violated: I5 closed: the watermark goes back from %d to %d", since, g.closed))
	}
	return g.closed, g.bytes
}

// collect takes the batches of one stream after the other. Unless it is to wait, it stops and
// returns false where a worker is in a long commit phase; the next call goes on there. A stream that
// was taken from before has closed less then, no more.
func (g *gathering) collect(wait bool) bool {
	if g.next == 0 {
		g.batches, g.closed, g.bytes = g.batches[:0], hlc.Max, 0
	}
	for ; g.next < len(g.streams); g.next++ {
		i := g.next
		b, ok := g.streams[i].gather(g.clock, g.spares[i], wait)
		if !ok {
			return false
		}
		g.spares[i] = nil
		g.closed = min(g.closed, b.Closed)
		g.bytes += int64(len(b.data))
		if b.Records > 0 {
			g.batches = append(g.batches, b)
		} else {
			g.spares[i] = b.data[:0]
		}
		if g.gathered != nil {
			g.gathered(i)
		}
	}
	return true
}

// crowded tells whether all processors may be at work on transactions.
func (g *gathering) crowded() bool { return g.busyWorkers >= g.processors }

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

// pending tells whether a stream has something, but for one that is locked: who unlocks it wakes
// the flusher if that has said before that it sleeps.
func (g *gathering) pending() bool {
	for _, s := range g.streams {
		if !s.TryLock() {
			continue
		}
		pending := len(s.buf) > 0
		s.word.Store(0)
		if pending {
			return true
		}
	}
	return false
}
