package sim

import (
	"fmt"
	"math"
	"slices"
)

// Change is by which factor something differs between the halves of pairs: the
// median, and an interval that has the median of all such pairs in it with a
// chance of 95 %, however they are distributed.
type Change struct{ Low, Median, High float64 }

// missed is the chance that the median is below, or above, the interval.
const missed = 0.025

// NewChange returns the change that ratios of independent pairs show. Fewer than
// six show nothing: the interval has no ends. It sorts ratios.
func NewChange(ratios []float64) Change {
	slices.Sort(ratios)
	n := len(ratios)
	if n == 0 {
		return Change{0, math.NaN(), math.Inf(1)}
	}
	c := Change{0, (ratios[(n-1)/2] + ratios[n/2]) / 2, math.Inf(1)}
	// Each ratio is below the median with a chance of a half. So the chance that
	// no more than k are is that of no more than k heads of n coins.
	tail, heads := 0.0, math.Pow(0.5, float64(n))
	for k := range n / 2 {
		if tail += heads; tail > missed {
			break
		}
		c.Low, c.High = ratios[k], ratios[n-1-k]
		heads *= float64(n-k) / float64(k+1)
	}
	return c
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
		return fmt.Sprintf("%+.1f %% (too few)", per(c.Median))
	}
	return fmt.Sprintf("%+.1f %% (%+.1f, %+.1f)", per(c.Median), per(c.Low), per(c.High))
}
