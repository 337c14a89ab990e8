package wal

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit/internal/cpu"
	"github.com/godwitdb/godwit/internal/hlc"
)

const (
	// StreamsMax bounds the streams of one log.
	StreamsMax = 4096

	// bufferBytesMin is the smallest buffer of a stream.
	bufferBytesMin = 64 << 10
	// bufferBytesKept is the largest buffer that a stream keeps for the next
	// round: what a large transaction or a slow disk needed goes back to the
	// garbage collector.
	bufferBytesKept = 16 << 20
	// reportBytes is after how many bytes a stream adds them to the log's count,
	// which all streams share: seldom enough for it not to be contended.
	reportBytes = 64 << 10

	// Who waits for a commit phase of very many writes looks again and again, with breaks.
	napMin, napMax = 10 * time.Microsecond, time.Millisecond

	yieldInterval = 50 * time.Microsecond
	yieldEveryMax = 1 << 10
)

// StreamID is the number of a stream within its log.
type StreamID uint32

// Stream is one worker's part of the log. A worker holds its lock for its whole
// commit phase:
//
//	s.Lock()
//	... ts := clock.Next() ...
//	b := s.Reserve(n)
//	... encode ...
//	s.Appended(ts)
//	s.Unlock()
//
// That makes the closed timestamp simple: while the flusher holds the lock, no
// transaction of this stream is between taking its timestamp and appending, so
// every later one gets a timestamp above the clock's last (Invariant I5). A worker
// whose commit phase is long says until when it takes none (Linger): what others have appended need not wait for it.
//
// A Stream that no log was opened on yet works as a lock and collects records.
type Stream struct {
	_ [cpu.CacheLineBytes]byte
	// word is 1 while the stream is locked.
	word atomic.Uint32
	id   StreamID

	// lingers is one of the constants below. Who has the lock sets it to lingering and back, who gathers
	// from there to lingerGathered and back.
	lingers atomic.Uint32

	// Under the lock, or with lingerGathered:
	buf        []byte // the pending batch: complete records
	reserved   int    // bytes behind buf that Reserve has given out
	records    int    // in buf
	unreported int    // bytes in buf that the log does not count yet
	first      hlc.Timestamp
	last       hlc.Timestamp // of the newest record, in buf or before
	closed     hlc.Timestamp
	log        *group // nil until a log is opened
	untilYield int    // commit phases until yieldNow
	yieldEvery int
	yielded    time.Time // when that was last
	_          [cpu.CacheLineBytes]byte
}

const (
	lingerNone     uint32 = iota
	lingering             // the lock is held, and no timestamp is taken yet
	lingerGathered        // and somebody gathers
)

// Linger says that the commit phase which has begun will be long before it takes its timestamp: until
// EndLinger the stream can be gathered and closed all the same, so that what others have appended is released.
func (s *Stream) Linger() { s.lingers.Store(lingering) }

// EndLinger ends Linger. The timestamp is taken after it.
func (s *Stream) EndLinger() {
	for !s.lingers.CompareAndSwap(lingering, lingerNone) {
		cpu.Pause()
	}
}

// NewStreams returns the streams of a log that is opened later. Until then they
// serve as locks, for instance during recovery.
func NewStreams(n int) []*Stream {
	if n < 1 || n > StreamsMax {
		panic(fmt.Sprintf("wal: %d streams, allowed are 1 to %d", n, StreamsMax))
	}
	streams := make([]*Stream, n)
	for i := range streams {
		streams[i] = &Stream{id: StreamID(i)}
	}
	return streams
}

// ID returns the stream's number.
func (s *Stream) ID() StreamID { return s.id }

// TryLock takes the lock if it is free.
func (s *Stream) TryLock() bool { return s.word.Load() == 0 && s.word.CompareAndSwap(0, 1) }

// Lock takes the lock. A commit phase is short, so it spins first.
func (s *Stream) Lock() {
	if !s.word.CompareAndSwap(0, 1) {
		s.lockSlow()
	}
}

func (s *Stream) lockSlow() {
	const yields = 100
	if s.lockSoon(yields) {
		return
	}
	for nap := napMin; !s.TryLock(); nap = min(2*nap, napMax) {
		time.Sleep(nap) // a commit phase of very many writes
	}
}

// lockSoon takes the lock unless it is held for longer than commit phases usually take.
func (s *Stream) lockSoon(yields int) bool {
	const spins = 100
	for n := range spins + yields {
		switch {
		case s.TryLock():
			return true
		case n < spins:
			cpu.Pause()
		default:
			runtime.Gosched() // the holder may be waiting for this processor
		}
	}
	return false
}

// Unlock gives the lock back and wakes the flusher if it sleeps and something
// is pending.
func (s *Stream) Unlock() {
	if s.log == nil {
		s.word.Store(0)
		return
	}
	s.unlock(s.log)
}

// unlock is Unlock on an open log.
//
// The flusher says that it sleeps, then looks at every stream under its lock,
// then sleeps; we give the lock back, then look whether it sleeps. One of the
// two sees the other.
func (s *Stream) unlock(g *group) {
	pending, yield := len(s.buf) != 0, false
	if s.untilYield--; s.untilYield < 0 && g.clock != nil {
		yield = s.yieldNow(g)
	}
	s.word.Store(0)
	if pending && g.flusher.Load() == flusherIdle && g.held.Load() == 0 {
		g.wakeFlusher()
	}
	if yield {
		runtime.Gosched()
	}
}

// yieldNow tells whether the worker should let other goroutines run for a
// moment, and decides after how many commit phases to ask again.
//
// A flusher that comes back from the disk needs a processor. If as many workers
// as there are processors run transactions without ever blocking, it gets one
// when the scheduler preempts a worker, which takes 10 ms: the time of many
// syncs. So workers yield every yieldInterval, as long as the flusher is at work,
// end its breaks, and look whether the disk is done: the scheduler would, too, only when
// it has nothing else to do. While a processor is left for the flusher and nobody waits for the
// disk they do neither: a yield takes 10 µs, for it wakes a thread, and that may take the worker
// over to another processor with nothing in its cache.
func (s *Stream) yieldNow(g *group) bool {
	now := g.clock.Now()
	switch passed := now.Sub(s.yielded); {
	case passed > 2*yieldInterval:
		s.yieldEvery = max(1, s.yieldEvery/2)
	case passed < yieldInterval:
		s.yieldEvery = min(yieldEveryMax, 2*s.yieldEvery+1)
	}
	s.yielded, s.untilYield = now, s.yieldEvery
	if !g.yielding.Load() {
		return false
	}
	switch g.flusher.Load() {
	case flusherBusy:
		return true
	case flusherSyncing:
		if g.syncDone() {
			g.wakeFlusher()
			return true
		}
	case flusherPaced:
		if now.UnixNano() >= g.breakEnds.Load() {
			g.wakeFlusher()
			return true
		}
	}
	return false
}

// HasRoom tells whether the log has room for a record of less than AdmitBytes. The
// stream is locked; so no more are let through at once than there are streams.
func (s *Stream) HasRoom() bool { return s.log == nil || s.log.gate.Load() == 0 }

// Reserve returns n bytes at the end of the pending batch for one record. The
// stream is locked. They are the caller's until Appended, and are not part of
// the batch without it.
func (s *Stream) Reserve(n int) []byte {
	at := len(s.buf)
	if n > cap(s.buf)-at {
		s.grow(n)
	}
	s.reserved = n
	return s.buf[at : at+n : at+n]
}

// grow makes room for n more bytes.
func (s *Stream) grow(n int) {
	if n > TxBytesMax {
		panic(fmt.Sprintf("wal: a record of %d bytes, allowed are %d", n, TxBytesMax))
	}
	buf := make([]byte, len(s.buf), max(bufferBytesMin, 2*cap(s.buf), len(s.buf)+n))
	copy(buf, s.buf)
	s.buf = buf
}

// Appended says that the reserved bytes are a complete record with this
// timestamp, which was taken while the stream was locked.
func (s *Stream) Appended(ts hlc.Timestamp) {
	if ts <= s.last || ts <= s.closed {
		s.panicClosed(ts)
	}
	if s.records == 0 {
		s.first = ts
	}
	s.records++
	s.last = ts
	s.buf = s.buf[:len(s.buf)+s.reserved]
	if s.unreported += s.reserved; s.unreported >= reportBytes && s.log != nil {
		s.log.add(s.unreported)
		s.unreported = 0
	}
	s.reserved = 0
}

func (s *Stream) panicClosed(ts hlc.Timestamp) {
	panic(fmt.Sprintf("invariant violated: I5 closed: stream %d: record at %d, but it has closed %d and its last record is at %d",
		s.id, ts, s.closed, s.last))
}

// Pending returns the batch that the next round will take. The stream is
// locked; the batch is valid until it is unlocked.
func (s *Stream) Pending() Batch {
	return Batch{Stream: s.id, Closed: s.closed, First: s.first, Last: s.lastPending(), Records: s.records, data: s.buf, to: hlc.Max}
}

func (s *Stream) lastPending() hlc.Timestamp {
	if s.records == 0 {
		return 0
	}
	return s.last
}

// gather takes the pending batch and closes the stream at the clock's last
// timestamp. The stream goes on with the buffer spare, which may be nil. Unless it is to wait, it returns false
// if a worker is in a long commit phase and may have taken its timestamp.
func (s *Stream) gather(clock *hlc.Clock, spare []byte, wait bool) (b Batch, ok bool) {
	const yields = 10
	for nap := napMin; ; nap = min(2*nap, napMax) {
		switch {
		case s.lingers.CompareAndSwap(lingering, lingerGathered):
			b = s.takePending(clock, spare)
			s.lingers.Store(lingering)
			return b, true
		case s.lockSoon(yields):
			b = s.takePending(clock, spare)
			s.word.Store(0)
			return b, true
		case !wait:
			return Batch{}, false
		}
		time.Sleep(nap)
	}
}

func (s *Stream) takePending(clock *hlc.Clock, spare []byte) Batch {
	s.closed = clock.Last()
	b := s.Pending()
	s.buf, s.records, s.first = spare[:0], 0, 0
	if s.unreported > 0 {
		s.log.add(s.unreported)
		s.unreported = 0
	}
	return b
}
