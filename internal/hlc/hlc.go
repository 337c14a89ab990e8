// Package hlc is the clock that gives transactions their timestamps: a hybrid
// logical clock in one word, shared by all workers of a shard.
//
// A timestamp is 61 bits: milliseconds since 2024 in the upper 41, a counter in
// the lower 20. Next adds one to the word, so timestamps are unique within a
// shard and a timestamp taken later in real time is larger, on any core. The
// transaction protocol rests on the second property: a transaction takes its
// timestamp between locking and validation, and that orders it after every
// transaction whose conflicting work it could see, anti-dependencies included
// (Invariant I4). A per-worker counter would not do: it orders only what
// touches the same record's version.
//
// A counter that overflows its 20 bits carries into the milliseconds: the clock
// then runs ahead of the wall, which is harmless, and never repeats. A wall
// clock that jumps back leaves the word where it is.
package hlc

import (
	"sync/atomic"
	"time"
)

const (
	// CounterBits is the width of the logical part.
	CounterBits = 20
	// Bits is the width of a timestamp: record words use the other three bits
	// for their flags.
	Bits = 61
	// Max is the largest timestamp.
	Max Timestamp = 1<<Bits - 1
)

// Timestamp is a transaction's place in the serial order.
type Timestamp uint64

// origin is 2024-01-01T00:00:00Z in Unix milliseconds.
const origin = 1704067200000

// FromTime returns the first timestamp of t's millisecond, 0 for times before
// 2024.
func FromTime(t time.Time) Timestamp {
	ms := t.UnixMilli() - origin
	if ms < 0 {
		return 0
	}
	return Timestamp(ms) << CounterBits
}

// Time returns the wall-clock time of ts, to the millisecond.
func (ts Timestamp) Time() time.Time {
	return time.UnixMilli(int64(ts>>CounterBits) + origin)
}

// Clock is a shard's hybrid logical clock. The zero Clock is ready to use and
// stands at 0; Observe sets it on.
type Clock struct {
	_ [64]byte
	// word is the last timestamp given out or observed. Every worker adds to
	// it; the heartbeat raises it to the wall clock.
	word atomic.Uint64
	_    [56]byte
}

// Next returns a timestamp above every one returned or observed before.
func (c *Clock) Next() Timestamp { return Timestamp(c.word.Add(1)) }

// Last returns the largest timestamp that was returned or observed. Every later
// Next is above it.
func (c *Clock) Last() Timestamp { return Timestamp(c.word.Load()) }

// Observe raises the clock to at least ts.
func (c *Clock) Observe(ts Timestamp) {
	for {
		w := c.word.Load()
		if w >= uint64(ts) || c.word.CompareAndSwap(w, uint64(ts)) {
			return
		}
	}
}
