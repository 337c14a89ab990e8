package plot_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/plot"
)

func result(name string, rate uint64) *bench.Result {
	r := &bench.Result{Schema: bench.ResultSchema, Engine: name, Workload: "tpcc", Sessions: 2, ExecutedPerSecond: float64(rate), ReleasedPerSecond: float64(rate)}
	l := bench.Latency{P50: 20 * time.Microsecond, P99: 90 * time.Microsecond, P999: 4 * time.Millisecond, Max: time.Second}
	r.ExecutedLatency, r.ReleasedLatency = l, l
	for n := range 12 {
		i := bench.Interval{EndSeconds: float64(n + 1), Seconds: 1, Measured: n > 3, Executed: rate + uint64(n%5)*rate/50, Released: rate, Aborts: 300}
		if n > 0 { // the first interval released nothing: there is no latency
			i.ExecutedLatency, i.ReleasedLatency = l, bench.Latency{P50: 500 * time.Microsecond, P99: 3 * time.Millisecond}
		}
		r.Intervals = append(r.Intervals, i)
	}
	return r
}

// texts returns what an SVG file says, and fails if it is not XML.
func texts(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	d := xml.NewDecoder(bytes.NewReader(content))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if text, ok := token.(xml.CharData); ok {
			if said := bytes.TrimSpace(text); len(said) > 0 {
				b.Write(append(said, '\n'))
			}
		}
	}
}

// colors counts the different colors of a PNG file.
func colors(t *testing.T, name string) int {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	image, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[any]bool{}
	for y := range image.Bounds().Dy() {
		for x := range image.Bounds().Dx() {
			seen[image.At(x, y)] = true
		}
	}
	return len(seen)
}

func TestTimeline(t *testing.T) {
	base := filepath.Join(t.TempDir(), "run")
	if err := plot.Timeline(result("godwit", 60_000), base+".svg"); err != nil {
		t.Fatal(err)
	}
	said := texts(t, base+".svg")
	for _, want := range []string{"tpcc on godwit, 2 sessions", "transactions per second", "latency, microseconds", "released p99", "end of warm-up", "60000"} {
		if !strings.Contains(said, want) {
			t.Errorf("the chart does not say %q:\n%s", want, said)
		}
	}
	if n := colors(t, base+".png"); n < 6 {
		t.Errorf("the picture has %d colors", n)
	}
}

func TestTimelineOfNothing(t *testing.T) {
	base := filepath.Join(t.TempDir(), "run")
	r := result("godwit", 0)
	r.Intervals = r.Intervals[:1]
	if err := plot.Timeline(r, base); err != nil {
		t.Fatal(err)
	}
}

func TestCompare(t *testing.T) {
	base := filepath.Join(t.TempDir(), "all.png")
	results := []*bench.Result{result("godwit", 60_000), result("badger", 1_000)}
	if err := plot.Compare(results, []string{"godwit hash", "badger"}, base); err != nil {
		t.Fatal(err)
	}
	said := texts(t, strings.TrimSuffix(base, ".png")+".svg")
	for _, want := range []string{"godwit hash", "badger", "released latency, microseconds", "p99.9"} {
		if !strings.Contains(said, want) {
			t.Errorf("the chart does not say %q:\n%s", want, said)
		}
	}
	if n := colors(t, base); n < 6 {
		t.Errorf("the picture has %d colors", n)
	}
	if plot.Compare(results, []string{"one"}, base) == nil || plot.Compare(nil, nil, base) == nil {
		t.Error("names that do not fit are accepted")
	}
}

func TestRatios(t *testing.T) {
	base := filepath.Join(t.TempDir(), "ratios")
	ratios := []plot.Ratio{{Name: "set-50", Median: 1.1, Low: 0.9, High: 1.4, Bar: 1}, {Name: "etcd-50", Median: 12, Low: 8, High: 15, Bar: 10}, {Name: "other", Median: 2, Low: 2, High: 2}}
	if err := plot.Ratios("how many times", ratios, base); err != nil {
		t.Fatal(err)
	}
	said := texts(t, base+".svg")
	for _, want := range []string{"how many times", "set-50", "etcd-50", "bar", "median and range"} {
		if !strings.Contains(said, want) {
			t.Errorf("the chart does not say %q:\n%s", want, said)
		}
	}
	if n := colors(t, base+".png"); n < 6 {
		t.Errorf("the picture has %d colors", n)
	}
	if plot.Ratios("", nil, base) == nil || plot.Ratios("", []plot.Ratio{{Name: "none"}}, base) == nil {
		t.Error("ratios that cannot be drawn are accepted")
	}
}
