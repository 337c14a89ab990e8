package shape

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Link says how bytes get from one node to another, one way.
type Link struct {
	// Delay is how long everything takes; up to Jitter comes on top, evenly
	// distributed, without changing the order within a connection.
	Delay, Jitter time.Duration
	// BytesPerSecond is shared by all connections. 0 is no limit.
	BytesPerSecond float64
	// Cut lets nothing arrive, of what is under way either, until it is lifted.
	// Connections stand, as they do when a cable is pulled.
	Cut bool
}

// line is a link at work. Times are those since the Shaper's start.
type line struct {
	mu struct {
		sync.Mutex
		link    Link
		free    time.Duration // when what has been sent is on the wire
		changed chan struct{} // closed when the link is changed
	}
}

func newLine() *line {
	l := &line{}
	l.mu.changed = make(chan struct{})
	return l
}

func (l *line) set(link Link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.link = link
	close(l.mu.changed)
	l.mu.changed = make(chan struct{})
}

// cut tells whether nothing arrives, and what is closed when that may have changed.
func (l *line) cut() (bool, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.link.Cut, l.mu.changed
}

// arrival returns when so many bytes arrive that are sent now, in a connection in
// which the last ones arrive at a time. random is between 0 and 1.
func (l *line) arrival(now, last time.Duration, bytes int, random float64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := now
	if rate := l.mu.link.BytesPerSecond; rate > 0 {
		l.mu.free = max(l.mu.free, now) + time.Duration(float64(bytes)/rate*float64(time.Second))
		at = l.mu.free
	} else {
		l.mu.free = 0
	}
	return max(last, at+l.mu.link.Delay+time.Duration(random*float64(l.mu.link.Jitter)))
}

// chunk is what was read at one time.
type chunk struct {
	data []byte
	at   time.Duration // when it arrives
}

// flight is what is under way in a connection, one way.
type flight struct {
	mu struct {
		sync.Mutex
		chunks []chunk
		spare  [][]byte
		bytes  int
		last   time.Duration // when the last one arrives
		ended  bool          // nothing comes any more
		broken bool          // nothing arrives any more
	}
	change *sync.Cond
}

const (
	// WindowBytes bounds what is in flight in a connection, one way.
	WindowBytes = 16 << 20
	chunkBytes  = 64 << 10
	// spareMax bounds the buffers that are kept for reuse.
	spareMax = 16
)

func newFlight() *flight {
	f := &flight{}
	f.change = sync.NewCond(&f.mu)
	return f
}

// buffer waits until there is room and returns a buffer; false if it is all over.
func (f *flight) buffer() ([]byte, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.mu.bytes+chunkBytes > WindowBytes && !f.mu.broken {
		f.change.Wait()
	}
	if f.mu.broken {
		return nil, false
	}
	if n := len(f.mu.spare); n > 0 {
		b := f.mu.spare[n-1]
		f.mu.spare = f.mu.spare[:n-1]
		return b, true
	}
	return make([]byte, chunkBytes), true
}

// put sends the beginning of a buffer on its way.
func (f *flight) put(b []byte, n int, l *line, now time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.last = l.arrival(now, f.mu.last, n, rand.Float64())
	f.mu.chunks = append(f.mu.chunks, chunk{b[:n], f.mu.last})
	f.mu.bytes += n
	f.change.Broadcast()
}

// take waits for the next chunk, whose time may not have come; false if there is none
// any more.
func (f *flight) take() (chunk, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.mu.chunks) == 0 && !f.mu.ended && !f.mu.broken {
		f.change.Wait()
	}
	if f.mu.broken || len(f.mu.chunks) == 0 {
		return chunk{}, false
	}
	return f.mu.chunks[0], true
}

// arrived takes the first chunk out.
func (f *flight) arrived() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.broken {
		return
	}
	c := f.mu.chunks[0]
	f.mu.chunks = f.mu.chunks[1:]
	f.mu.bytes -= len(c.data)
	if len(f.mu.spare) < spareMax {
		f.mu.spare = append(f.mu.spare, c.data[:cap(c.data)])
	}
	f.change.Broadcast()
}

// end says that nothing comes any more.
func (f *flight) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.ended = true
	f.change.Broadcast()
}

// crash says that nothing arrives any more.
func (f *flight) crash() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.broken = true
	f.mu.chunks = nil
	f.change.Broadcast()
}
