package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// programs skips a test where a program is missing.
func programs(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(err)
		}
	}
}

// TestServersAreMeasured makes one comparison of each kind with the real servers, for a moment.
func TestServersAreMeasured(t *testing.T) {
	programs(t, "redis-server", "redis-benchmark", "etcd")
	s, err := parse([]string{
		"-only", "synced-50,replicated-memory,etcd-50,idle", "-rounds", "1", "-size", "0.01", "-duration", "200ms", "-warmup", "50ms", "-idle", "100ms",
		"-dir", t.TempDir(), "-json", filepath.Join(t.TempDir(), "results.json"), "-plot", filepath.Join(t.TempDir(), "plot.svg"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(s.json)
	if err != nil {
		t.Fatal(err)
	}
	var r results
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Outcomes) != 3 || len(r.Idle) != 4 {
		t.Fatalf("%d comparisons and %d idle servers", len(r.Outcomes), len(r.Idle))
	}
	for _, o := range r.Outcomes {
		if o.Ratio.Median <= 0 || o.Rounds[0].Rival.Latency.P99 <= 0 {
			t.Errorf("%s: %+v", o.Name, o)
		}
	}
	if _, err := os.Stat(s.plot); err != nil {
		t.Error(err)
	}
}

func TestParseBenchmark(t *testing.T) {
	const head = `"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"` + "\n"
	m, err := parseBenchmark("WARNING: something\n" + head + `"SET","31864.05","1.366","0.136","1.103","2.655","4.615","17.439"` + "\n")
	if err != nil {
		t.Fatal(err)
	}
	if m.PerSecond != 31864.05 || m.Latency.P50 != 1103*time.Microsecond || m.Latency.P99 != 4615*time.Microsecond {
		t.Errorf("%+v", m)
	}
	for _, out := range []string{"", head, head + `"SET","x","1","1","1","1","1","1"` + "\n", "Error from server: NOAUTH\n"} {
		if _, err := parseBenchmark(out); err == nil {
			t.Errorf("%q is accepted", out)
		}
	}
}

func TestSpread(t *testing.T) {
	if got := spreadOf([]float64{3, 1, 2, 10}); got != (spread{Median: 2.5, Low: 1, High: 10}) {
		t.Error(got)
	}
}

// forgetful is a client of a system that acknowledges a write and does not make it.
type forgetful struct {
	values map[string]string
	puts   int
	lost   int // which one
}

func (f *forgetful) put(_ context.Context, key, value string) error {
	if f.puts++; f.puts != f.lost {
		f.values[key] = value
	}
	return nil
}

func (f *forgetful) read(_ context.Context, keys []string) ([]string, error) {
	var values []string
	for _, k := range keys {
		values = append(values, f.values[k])
	}
	return values, nil
}

func (f *forgetful) close() {}

// TestLostWritesAreFound: a load fails if a value that was acknowledged is not there.
func TestLostWritesAreFound(t *testing.T) {
	for _, lost := range []int{0, 250} {
		f := &forgetful{values: map[string]string{}, lost: lost}
		w := writer{client: f, number: 7}
		for range 300 {
			if err := f.put(t.Context(), w.key(w.written), w.value(w.written)); err != nil {
				t.Fatal(err)
			}
			w.written++
		}
		err := w.check(t.Context())
		if (err != nil) != (lost > 0) {
			t.Errorf("%d lost: %v", lost, err)
		}
		if err != nil && !strings.Contains(err.Error(), "client:00007:049") {
			t.Error(err)
		}
	}
}
