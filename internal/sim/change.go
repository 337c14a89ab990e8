package sim

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Change is by which factor something differs between the halves of pairs, of all pairs
// together, and an interval that has the true factor in it with a chance of about 95 %.
type Change struct{ Low, Factor, High float64 }

const (
	// resamples is how many sets of pairs an interval comes from.
	resamples = 1000
	// missed is the chance that the true factor is below, or above, the interval.
	missed = 0.025
	// pairsLeast is how many pairs show anything: with fewer the interval has no ends.
	pairsLeast = 6
)

// Compare returns what pairs show, whose halves are at the same places in healthy and
// faulty: the change of throughput and of the 99th percentile of all requests together. A
// percentile of one short half says little, and one of many of them together does. What
// chance does to that shows in sets of as many pairs that are drawn of these (bootstrap):
// a pair is drawn as a whole, since its requests are not independent of each other.
func Compare(healthy, faulty []Speed) (throughput, p99 Change) {
	h, f := newPool(healthy), newPool(faulty)
	times := make([]int, len(healthy)) // that each pair is drawn
	for i := range times {
		times[i] = 1
	}
	measure := func() (throughput, p99 float64) {
		perSecond, tail := h.measure(times)
		slowPerSecond, slowTail := f.measure(times)
		if slowPerSecond == 0 {
			return 0, math.Inf(1) // nobody had an answer
		}
		return slowPerSecond / perSecond, slowTail / tail
	}
	throughput, p99 = Change{0, math.NaN(), math.Inf(1)}, Change{0, math.NaN(), math.Inf(1)}
	if len(times) == 0 {
		return throughput, p99
	}
	throughput.Factor, p99.Factor = measure()
	if len(times) < pairsLeast {
		return throughput, p99
	}
	rng := rand.New(rand.NewPCG(1, uint64(len(times)))) // the same pairs show the same
	var ratios, tails []float64
	for range resamples {
		clear(times)
		for range times {
			times[rng.IntN(len(times))]++
		}
		r, t := measure()
		ratios, tails = append(ratios, r), append(tails, t)
	}
	throughput.Low, throughput.High = interval(ratios)
	p99.Low, p99.High = interval(tails)
	return throughput, p99
}

// interval returns what most of the values are between. It sorts them.
func interval(values []float64) (low, high float64) {
	slices.Sort(values)
	skip := int(missed * float64(len(values)))
	return values[skip], values[len(values)-1-skip]
}

// pool is one half of all pairs.
type pool struct {
	halves []Speed
	slow   []request // those that took longest come first
}

// request is how long one took, and in which half it was.
type request struct {
	took time.Duration
	half int
}

func newPool(halves []Speed) *pool {
	p := &pool{halves: halves}
	for i, s := range halves {
		for _, l := range s.latencies {
			p.slow = append(p.slow, request{l, i})
		}
	}
	slices.SortFunc(p.slow, func(a, b request) int { return cmp.Compare(b.took, a.took) })
	return p
}

// measure returns the requests per second of all halves together, each as often as times
// says, and the 99th percentile in seconds.
func (p *pool) measure(times []int) (perSecond, p99 float64) {
	n, took := 0, 0.0
	for i, s := range p.halves {
		n += times[i] * len(s.latencies)
		took += float64(times[i]) * s.took.Seconds()
	}
	rest := n - n*99/100
	for _, r := range p.slow {
		if rest -= times[r.half]; rest <= 0 {
			return float64(n) / took, r.took.Seconds()
		}
	}
	return 0, 0
}

// AtLeast says whether the change is no less than a factor: yes, no, or not shown.
func (c Change) AtLeast(factor float64) string { return verdict(c.Low >= factor, c.High < factor) }

// AtMost says whether the change is no more than a factor.
func (c Change) AtMost(factor float64) string { return verdict(c.High <= factor, c.Low > factor) }

func verdict(yes, no bool) string {
	switch {
	case yes:
		return "yes"
	case no:
		return "no"
	}
	return "not shown"
}

// String gives the change in per cent.
func (c Change) String() string {
	per := func(f float64) float64 { return 100 * (f - 1) }
	if c.Low == 0 && math.IsInf(c.High, 1) {
		return fmt.Sprintf("%+.1f %% (too few)", per(c.Factor))
	}
	return fmt.Sprintf("%+.1f %% (%+.1f, %+.1f)", per(c.Factor), per(c.Low), per(c.High))
}
