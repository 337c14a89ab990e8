package sim

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// drawPairs draws the halves of pairs, whose requests share the luck of their half. Those
// of the second half take slower times as long, and their clients wait for them.
func drawPairs(rng *rand.Rand, pairs int, slower float64) (healthy, faulty []Speed) {
	half := func(factor float64) Speed {
		luck := math.Exp(0.1 * rng.NormFloat64())
		var latencies []time.Duration
		for range 400 {
			latencies = append(latencies, time.Duration(factor*luck*rng.ExpFloat64()*float64(time.Millisecond)))
		}
		return NewSpeed(latencies, time.Duration(factor*luck*float64(time.Second)))
	}
	for range pairs {
		healthy, faulty = append(healthy, half(1)), append(faulty, half(slower))
	}
	return healthy, faulty
}

// The intervals have the true factors in them in about 95 of 100 experiments.
func TestCompareCoversTheTruth(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const experiments, slower = 200, 1.25
	var throughputs, tails int
	for range experiments {
		healthy, faulty := drawPairs(rng, 24, slower)
		throughput, p99 := Compare(healthy, faulty)
		if throughput.Low <= 1/slower && 1/slower <= throughput.High {
			throughputs++
		}
		if p99.Low <= slower && slower <= p99.High {
			tails++
		}
	}
	for name, covered := range map[string]int{"throughput": throughputs, "p99": tails} {
		if share := float64(covered) / experiments; share < 0.9 || share > 0.99 {
			t.Errorf("%s: %.3f of the intervals have the truth", name, share)
		}
	}
}

func TestCompareVerdicts(t *testing.T) {
	same := func(pairs int, slower float64) (healthy, faulty []Speed) {
		for range pairs {
			healthy = append(healthy, NewSpeed([]time.Duration{time.Second}, time.Second))
			s := NewSpeed([]time.Duration{time.Duration(slower * float64(time.Second))}, time.Duration(slower*float64(time.Second)))
			faulty = append(faulty, s)
		}
		return healthy, faulty
	}
	for _, c := range []struct {
		name          string
		pairs         int
		slower        float64
		least3, most8 string
	}{
		{"none", 6, 1, "yes", "yes"},
		{"none, but too few pairs", 5, 1, "not shown", "not shown"},
		{"a tenth quicker", 6, 0.9, "yes", "yes"},
		{"a twentieth slower", 6, 1.05, "no", "yes"},
		{"a fifth slower", 6, 1.2, "no", "no"},
		{"no pairs", 0, 1, "not shown", "not shown"},
	} {
		throughput, p99 := Compare(same(c.pairs, c.slower))
		if got := throughput.AtLeast(0.97); got != c.least3 {
			t.Errorf("%s: throughput %v at least 0.97: %s", c.name, throughput, got)
		}
		if got := p99.AtMost(1.08); got != c.most8 {
			t.Errorf("%s: p99 %v at most 1.08: %s", c.name, p99, got)
		}
	}
	healthy, _ := same(6, 1)
	throughput, p99 := Compare(healthy, make([]Speed, 6))
	if throughput.AtLeast(0.97) != "no" || p99.AtMost(1.08) != "no" {
		t.Errorf("nobody had an answer: %v, %v", throughput, p99)
	}
}

// Halves of different sizes count by their requests, not each alike.
func TestCompareIsOfAllRequests(t *testing.T) {
	few, many := make([]time.Duration, 10), make([]time.Duration, 990)
	for i := range few {
		few[i] = time.Second
	}
	for i := range many {
		many[i] = time.Millisecond
	}
	halves := []Speed{NewSpeed(few, time.Second), NewSpeed(many, time.Second)}
	if s := Together(halves...); s.PerSecond != 500 || s.P99 != time.Second || s.P50 != time.Millisecond {
		t.Errorf("%v", s)
	}
	perSecond, p99 := newPool(halves).measure([]int{1, 2})
	if perSecond != 1990.0/3 || p99 != 0.001 {
		t.Errorf("%v per second, p99 %v", perSecond, p99)
	}
}

func TestChangeIsReadable(t *testing.T) {
	if got := (Change{0.95, 0.98, 1.02}).String(); got != "-2.0 % (-5.0, +2.0)" {
		t.Error(got)
	}
	if got := (Change{0, 0.99, math.Inf(1)}).String(); got != "-1.0 % (too few)" {
		t.Error(got)
	}
}
