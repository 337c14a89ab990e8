package bench_test

import (
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/bench"
)

func sample(name string, rate float64) *bench.Result {
	return &bench.Result{
		Engine: name, Workload: "tpcc", Sessions: 2, Seconds: 10, Executed: uint64(rate * 10), ExecutedPerSecond: rate, ReleasedPerSecond: rate / 2,
		Rollbacks: 45, Aborts: uint64(rate / 10), BlockedFraction: 0.25,
		ReleasedLatency: bench.Latency{P50: 1500 * time.Microsecond, P99: 2 * time.Millisecond, P999: time.Second, Max: time.Second},
		Kinds:           []bench.KindResult{{Name: "new-order", Executed: 4500, Rollbacks: 45}},
		WorkloadStats:   map[string]float64{"deliveries": 4000, "deliveries_incomplete": 12},
	}
}

func TestWriteSummary(t *testing.T) {
	var b strings.Builder
	if err := sample("godwit", 1_234_567).WriteSummary(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"tpcc on godwit, 2 sessions, 10.0 s", "executed 1,234,567/s, released 617,284/s", "aborted attempts 1.00 %",
		"waited for releases 25.0 %", "released after  p50 1.50ms  p99 2.00ms  p99.9 1.00s", "memory unknown resident",
		"new-order         450       1.00 %", "\n  with the warm-up  deliveries 4,000  deliveries incomplete 12\n\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestWriteComparison(t *testing.T) {
	var b strings.Builder
	results := []*bench.Result{sample("godwit", 1_000), sample("other", 250), sample("none", 0)}
	if err := bench.WriteComparison(&b, results, []string{"one", "two", "three"}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	for i, want := range []string{"ratio", "1.00x", "0.25x", "0.00x"} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d has no %q: %s", i, want, lines[i])
		}
	}
	if !strings.Contains(lines[2], "two") || !strings.Contains(lines[2], "1.50ms") {
		t.Errorf("line of the second result: %s", lines[2])
	}
}
