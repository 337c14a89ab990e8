package copilotsim

import (
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum"
)

// Three nodes, each slow in each way: a slow third costs next to nothing, and a slow
// pilot, whose log another takes over, little. How the pilots' turns fall moves the
// p99 by a quarter, also without a fault.
func TestSlowNode(t *testing.T) {
	bars := []struct {
		name       string
		loss, rise float64 // of throughput, of p99
	}{{"pilot", 0.05, 0.40}, {"other pilot", 0.05, 0.40}, {"third", 0.03, 0.30}}
	d, faults := time.Second, sim.SlowFaults()
	if testing.Short() || slowdown > 1 {
		d, faults = 300*time.Millisecond, faults[3:4]
	}
	healthy, err := MeasureSlow(1, sim.SlowFault{}, 0, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%-11s %-10s %v", "none", "healthy", healthy)
	for node, bar := range bars {
		for _, f := range faults {
			slow, err := MeasureSlow(1, f, node, d, nil)
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
	for i, f := range sim.SlowFaults() {
		rec := quorum.NewRecorder()
		if _, err := MeasureSlow(2, f, i%3, 100*time.Millisecond/slowdown, rec); err != nil {
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
