package wal

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Stats are counts since the log was opened, and what it holds now.
type Stats struct {
	Rounds       uint64 // written, empty ones too
	Bytes        uint64 // written, with headers and padding
	Syncs        uint64 // of rounds
	SyncLast     time.Duration
	SyncLatency  Histogram
	PendingBytes int64 // appended and not yet written, to 64 KiB per stream
	Segments     int
	SegmentBytes int64 // size of their files, spares not included
}

// Stats returns the counts.
func (l *Log) Stats() Stats {
	s := l.stats.read()
	s.PendingBytes = l.pendingBytes.Load()
	s.Segments, s.SegmentBytes = l.files.sizes()
	return s
}

// SyncTook returns how long the last sync took.
func (l *Log) SyncTook() time.Duration { return time.Duration(l.stats.syncLast.Load()) }

// counters are written by who writes the log and read by Stats.
type counters struct {
	rounds, bytes atomic.Uint64
	syncLast      atomic.Int64
	syncLatency   [histogramBuckets]atomic.Uint64
}

func (c *counters) read() Stats {
	s := Stats{Rounds: c.rounds.Load(), Bytes: c.bytes.Load(), SyncLast: time.Duration(c.syncLast.Load())}
	for i := range s.SyncLatency.Counts {
		s.SyncLatency.Counts[i] = c.syncLatency[i].Load()
		s.Syncs += s.SyncLatency.Counts[i]
	}
	return s
}

func (c *counters) synced(d time.Duration) {
	c.syncLast.Store(int64(d))
	c.syncLatency[bucketOf(d)].Add(1)
}

// A bucket per eighth of a power of two of microseconds: quantiles are exact to
// 12 %, up to more than an hour.
const (
	bucketBits       = 3
	histogramBuckets = 30 << bucketBits
)

// Histogram counts durations by size.
type Histogram struct {
	Counts [histogramBuckets]uint64
}

func bucketOf(d time.Duration) int {
	us := uint64(max(0, d.Microseconds()))
	if us < 1<<bucketBits {
		return int(us)
	}
	shift := bits.Len64(us) - 1 - bucketBits
	return min(histogramBuckets-1, shift<<bucketBits+int(us>>shift))
}

// bucketEnd returns the duration up to which bucket i reaches.
func bucketEnd(i int) time.Duration {
	if i < 2<<bucketBits {
		return time.Duration(i+1) * time.Microsecond
	}
	shift := i>>bucketBits - 1
	return time.Duration((i&(1<<bucketBits-1)+1<<bucketBits)+1) << shift * time.Microsecond
}

// Quantile returns a duration that the share q of all does not exceed, 0 without
// any.
func (h *Histogram) Quantile(q float64) time.Duration {
	var total uint64
	for _, n := range h.Counts {
		total += n
	}
	if total == 0 {
		return 0
	}
	rank := uint64(q * float64(total))
	var seen uint64
	for i, n := range h.Counts {
		if seen += n; seen > rank || seen == total {
			return bucketEnd(i)
		}
	}
	return 0
}
