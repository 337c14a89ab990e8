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
}

// NewSpeed returns the speed of so many requests in a time d. It sorts latencies.
func NewSpeed(latencies []time.Duration, d time.Duration) Speed {
	n := len(latencies)
	if n == 0 {
		return Speed{}
	}
	slices.Sort(latencies)
	return Speed{float64(n) / d.Seconds(), latencies[n/2], latencies[n*99/100], latencies[n-1]}
}

func (s Speed) String() string {
	return fmt.Sprintf("%.0f/s, p50 %v, p99 %v", s.PerSecond, s.P50.Round(time.Microsecond), s.P99.Round(time.Microsecond))
}
