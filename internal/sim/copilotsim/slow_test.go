package copilotsim

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum"
)

// Three nodes, each slow in each way: a slow third costs next to nothing, and a slow
// pilot, whose log another takes over, little: 15 ms or so, which are a part of the
// 200 that a run takes, and more than one request in a hundred. The bar of the third is
// tight, so that its figures are medians of some seeds.
func TestSlowNode(t *testing.T) {
	if testing.Short() {
		t.Skip("simulated times are the same in the long form")
	}
	bars := []struct {
		name       string
		loss, rise float64 // of throughput, of p99
	}{{"pilot", 0.08, 1.5}, {"other pilot", 0.08, 1.5}, {"third", 0.03, 0.08}}
	d, faults := 200*time.Millisecond, sim.SlowFaults()
	if slowdown > 1 {
		faults = faults[3:4]
	}
	seeds := uint64(seedsOfMedian)
	if slowdown > 1 {
		seeds = 1
	}
	healthy, err := medianSlow(seeds, sim.SlowFault{}, 0, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%-11s %-10s %v", "none", "healthy", healthy)
	for node, bar := range bars {
		of := seeds
		if bar.name != "third" {
			of = min(seeds, 3) // one alone is now and then beyond the bar by a draw
		}
		for _, f := range faults {
			slow, err := medianSlow(of, f, node, d)
			if err != nil {
				t.Errorf("%s of the %s: %v", f.Name, bar.name, err)
				continue
			}
			loss := 1 - slow.PerSecond/healthy.PerSecond
			rise := float64(slow.P99)/float64(healthy.P99) - 1
			t.Logf("%-11s %-10s %v: throughput %+.1f %%, p99 %+.1f %%", bar.name, f.Name, slow, -100*loss, 100*rise)
			if loss > bar.loss || rise > bar.rise {
				t.Errorf("%s of the %s: too much", f.Name, bar.name)
			}
		}
	}
}

// The waits of a run with faults show no slowness that propagates.
func TestNoFalseAlarm(t *testing.T) {
	faults := sim.SlowFaults()
	if testing.Short() {
		faults = faults[:2]
	}
	for i, f := range faults {
		rec := quorum.NewRecorder()
		if _, err := MeasureSlow(2, f, i%3, 50*time.Millisecond, rec); err != nil {
			t.Fatal(err)
		}
		if len(rec.Waits()) < 20 {
			t.Errorf("%s: only %d kinds of waits were seen", f.Name, len(rec.Waits()))
		}
		for _, s := range quorum.FailSlow(rec.Waits(), Excuses()...) {
			t.Errorf("%s: %v", f.Name, s)
		}
	}
}

// seedsOfMedian is of how many runs a figure is the median.
const seedsOfMedian = 5

// medianSlow is MeasureSlow, figure by figure the median of some seeds.
func medianSlow(seeds uint64, f sim.SlowFault, node int, d time.Duration) (sim.Speed, error) {
	var runs []sim.Speed
	for seed := range seeds {
		s, err := MeasureSlow(seed+1, f, node, d, nil)
		if err != nil {
			return s, err
		}
		runs = append(runs, s)
	}
	by := func(f func(a, b sim.Speed) int) sim.Speed { slices.SortFunc(runs, f); return runs[len(runs)/2] }
	return sim.Speed{
		PerSecond: by(func(a, b sim.Speed) int { return cmp.Compare(a.PerSecond, b.PerSecond) }).PerSecond,
		P50:       by(func(a, b sim.Speed) int { return cmp.Compare(a.P50, b.P50) }).P50,
		P99:       by(func(a, b sim.Speed) int { return cmp.Compare(a.P99, b.P99) }).P99,
	}, nil
}
