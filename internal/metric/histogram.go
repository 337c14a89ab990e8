package metric

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// stripes is in how many places a Histogram counts, so that cores do not fight for one.
	stripes = 8
	// octaveBits: each power of two is divided into 1<<octaveBits buckets, so a percentile is at most an eighth too large.
	octaveBits = 3
	octave     = 1 << octaveBits
	// unitBits: times are counted in units of 1<<unitBits nanoseconds.
	unitBits = 7
	// longestBits: what takes longer than 2^longestBits units, half an hour, counts as that.
	longestBits = 34
	// Buckets is how many buckets a Histogram has.
	Buckets = (longestBits - octaveBits + 1) * octave
)

// Histogram counts durations, in memory of a fixed size. The zero Histogram is empty. Its methods may be called from
// any number of goroutines.
type Histogram struct {
	stripes [stripes]struct {
		counts [Buckets]atomic.Uint64
	}
}

// Record counts n things that took a time. Callers that have different numbers disturb each other less.
func (h *Histogram) Record(caller int64, took time.Duration, n uint64) {
	h.stripes[uint64(caller)%stripes].counts[bucket(took)].Add(n) //nolint:gosec // any of them will do
}

// bucket returns where a time is counted.
func bucket(took time.Duration) int {
	units := uint64(max(took, 0)) >> unitBits //nolint:gosec // not negative
	if units < octave {
		return int(units) //nolint:gosec // small
	}
	power := bits.Len64(units)
	if power > longestBits {
		return Buckets - 1
	}
	shift := power - octaveBits - 1
	return (shift+1)*octave + int(units>>shift) - octave //nolint:gosec // below Buckets
}

// above returns the time that everything in a bucket is below.
func above(bucket int) time.Duration {
	if bucket < octave {
		return time.Duration(bucket+1) << unitBits
	}
	shift := bucket/octave - 1
	return time.Duration(octave+bucket%octave+1) << (shift + unitBits)
}

// Counts are what a Histogram has counted up to a moment.
type Counts [Buckets]uint64

// Counts returns what was counted so far.
func (h *Histogram) Counts() *Counts {
	var c Counts
	for i := range h.stripes {
		for b := range c {
			c[b] += h.stripes[i].counts[b].Load()
		}
	}
	return &c
}

// Since returns what was counted since an earlier moment.
func (c *Counts) Since(before *Counts) *Counts {
	since := *c
	for b := range since {
		since[b] -= before[b]
	}
	return &since
}

// Total returns how many things were counted.
func (c *Counts) Total() (n uint64) {
	for _, k := range c {
		n += k
	}
	return n
}

// Below returns how many things took less than a time, exactly if that is a power of two of nanoseconds of at least a
// microsecond, or so.
func (c *Counts) Below(d time.Duration) (n uint64) {
	for b := range c[:bucket(d)] {
		n += c[b]
	}
	return n
}

// Percentile returns the time that a share of the things, from 0 to 1, did not exceed, at most an eighth too large; 0 if
// there are none.
func (c *Counts) Percentile(share float64) time.Duration {
	total := c.Total()
	if total == 0 {
		return 0
	}
	want := max(uint64(share*float64(total)+0.5), 1)
	var seen uint64
	for b, n := range c {
		if seen += n; seen >= want {
			return above(b)
		}
	}
	return above(Buckets - 1)
}
