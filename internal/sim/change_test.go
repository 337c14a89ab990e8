package sim

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The interval has the true median in it in about 95 of 100 experiments, never much
// fewer, whatever the ratios are like.
func TestChangeCoversTheMedian(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const experiments = 4000
	for name, draw := range map[string]func() float64{
		"symmetric":  func() float64 { return math.Exp(0.08 * rng.NormFloat64()) },
		"long tails": func() float64 { return math.Exp(0.08 * rng.NormFloat64() / math.Sqrt(rng.ExpFloat64())) },
		"skewed":     func() float64 { return rng.ExpFloat64() / math.Ln2 },
	} {
		for _, pairs := range []int{6, 9, 48} {
			covered := 0
			for range experiments {
				ratios := make([]float64, pairs)
				for i := range ratios {
					ratios[i] = draw()
				}
				if c := NewChange(ratios); c.Low <= 1 && 1 <= c.High {
					covered++
				}
			}
			if share := float64(covered) / experiments; share < 0.94 || share > 0.985 {
				t.Errorf("%s, %d pairs: %.3f of the intervals have the median", name, pairs, share)
			}
		}
	}
}

func TestChangeVerdicts(t *testing.T) {
	same := func(n int, ratio float64) (r []float64) {
		for i := range n {
			r = append(r, ratio+0.001*float64(i%3))
		}
		return r
	}
	for _, c := range []struct {
		ratios        []float64
		least3, most8 string
		name          string
	}{
		{same(6, 1), "yes", "yes", "none"},
		{same(5, 1), "not shown", "not shown", "none, but too few pairs"},
		{same(12, 0.9), "no", "yes", "a tenth less"},
		{same(12, 1.2), "yes", "no", "a fifth more"},
		{append(same(6, 0.9), same(6, 1.2)...), "not shown", "not shown", "anything"},
		{nil, "not shown", "not shown", "no pairs"},
		{make([]float64, 6), "no", "yes", "nothing is left"},
		{[]float64{math.Inf(1), math.Inf(1), math.Inf(1), math.Inf(1), math.Inf(1), math.Inf(1)}, "yes", "no", "without an end"},
	} {
		change := NewChange(c.ratios)
		if got := change.AtLeast(0.97); got != c.least3 {
			t.Errorf("%s: %v at least 0.97: %s", c.name, change, got)
		}
		if got := change.AtMost(1.08); got != c.most8 {
			t.Errorf("%s: %v at most 1.08: %s", c.name, change, got)
		}
	}
}

func TestChangeIsReadable(t *testing.T) {
	six := []float64{0.95, 0.96, 0.97, 0.99, 1.01, 1.02}
	if got := NewChange(six).String(); got != "-2.0 % (-5.0, +2.0)" {
		t.Error(got)
	}
	if got := NewChange(six[1:]).String(); got != "-1.0 % (too few)" {
		t.Error(got)
	}
}
