package sim

import (
	"fmt"
	"slices"
	"time"
)

// Speed is what the clients of a cluster got in a time.
type Speed struct {
	PerSecond float64
	P50, P99  time.Duration
	Max       time.Duration

	latencies []time.Duration // sorted
	took      time.Duration
}

// NewSpeed returns the speed of so many requests in a time d. It sorts latencies, which
// are its own from now on.
func NewSpeed(latencies []time.Duration, d time.Duration) Speed {
	s := Speed{latencies: latencies, took: d}
	if n := len(latencies); n > 0 {
		slices.Sort(latencies)
		s.PerSecond, s.P50, s.P99, s.Max = float64(n)/d.Seconds(), latencies[n/2], latencies[n*99/100], latencies[n-1]
	}
	return s
}

// Together returns the speed in several times.
func Together(speeds ...Speed) Speed {
	var all []time.Duration
	var took time.Duration
	for _, s := range speeds {
		all, took = append(all, s.latencies...), took+s.took
	}
	return NewSpeed(all, took)
}

func (s Speed) String() string {
	return fmt.Sprintf("%.0f/s, p50 %v, p99 %v", s.PerSecond, s.P50.Round(time.Microsecond), s.P99.Round(time.Microsecond))
}
