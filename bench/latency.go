package bench

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// latencyFloor and latencyCeiling are the range of a histogram in
	// nanoseconds; what lies outside counts as the nearest end.
	latencyFloor   = 16
	latencyCeiling = int64(1000 * time.Second)
	// latencyDigits is the histograms' precision: 2 significant digits, 1 %.
	latencyDigits = 2
)

// histogram counts latencies. Recording does not allocate.
type histogram struct{ h *hdrhistogram.Histogram }

func newHistogram() histogram {
	return histogram{hdrhistogram.New(latencyFloor, latencyCeiling, latencyDigits)}
}

func (h histogram) record(d time.Duration) {
	// The clamped value is always in range, so there is no error to handle.
	_ = h.h.RecordValue(max(latencyFloor, min(int64(d), latencyCeiling)))
}

func (h histogram) merge(from histogram) { h.h.Merge(from.h) }

func (h histogram) reset() { h.h.Reset() }

func (h histogram) latency() Latency {
	if h.h.TotalCount() == 0 {
		return Latency{}
	}
	return Latency{
		Mean: time.Duration(h.h.Mean()),
		P50:  time.Duration(h.h.ValueAtQuantile(50)),
		P99:  time.Duration(h.h.ValueAtQuantile(99)),
		P999: time.Duration(h.h.ValueAtQuantile(99.9)),
		Max:  time.Duration(h.h.Max()),
	}
}

// Latency sums up a distribution of durations, exact to 1 %. It is all zero if
// nothing was measured.
type Latency struct {
	Mean time.Duration `json:"mean_ns"`
	P50  time.Duration `json:"p50_ns"`
	P99  time.Duration `json:"p99_ns"`
	P999 time.Duration `json:"p999_ns"`
	Max  time.Duration `json:"max_ns"`
}

// String lists the percentiles.
func (l Latency) String() string {
	return fmt.Sprintf("p50 %s  p99 %s  p99.9 %s  max %s",
		FormatDuration(l.P50), FormatDuration(l.P99), FormatDuration(l.P999), FormatDuration(l.Max))
}

// FormatDuration renders d with three significant digits, in the unit that fits.
func FormatDuration(d time.Duration) string {
	v, unit := float64(d), "ns"
	for _, next := range []string{"µs", "ms", "s"} {
		if v < 999.5 {
			break
		}
		v, unit = v/1000, next
	}
	switch {
	case unit == "ns" || v >= 99.95:
		return fmt.Sprintf("%.0f%s", v, unit)
	case v >= 9.995:
		return fmt.Sprintf("%.1f%s", v, unit)
	default:
		return fmt.Sprintf("%.2f%s", v, unit)
	}
}
