package metric_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/metric"
)

// Against sorting: a percentile is never too small, and at most an eighth and one unit too large.
func TestPercentiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var h metric.Histogram
		var all []time.Duration
		top := time.Duration(1) << (1 + r.IntN(40))
		for range 1 + r.IntN(1000) {
			d := time.Duration(r.Int64N(int64(top)))
			all = append(all, d)
			h.Record(r.Int64(), d, 1)
		}
		slices.Sort(all)
		for _, share := range []float64{0, 0.5, 0.9, 0.99, 0.999, 1} {
			want := all[max(int(share*float64(len(all))+0.5), 1)-1]
			got := h.Counts().Percentile(share)
			if got < want || got > want+want/8+128 {
				t.Fatalf("%v of %d below %v: got %v, want %v", share, len(all), top, got, want)
			}
		}
	}
}

func TestHistogramBounds(t *testing.T) {
	var h metric.Histogram
	before := h.Counts()
	if before.Percentile(0.5) != 0 {
		t.Error("an empty histogram has a median")
	}
	h.Record(-1, -time.Second, 2)
	h.Record(1<<62, 1<<62, 3)
	since := h.Counts().Since(before)
	if got := since.Total(); got != 5 {
		t.Errorf("%d, want 5", got)
	}
	if got := since.Percentile(1); got < 20*time.Minute {
		t.Errorf("the longest is %v", got)
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	var h metric.Histogram
	if n := testing.AllocsPerRun(100, func() { h.Record(3, time.Millisecond, 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Two keys in three of ten thousand are found among many, with about their rates.
func TestHotKeys(t *testing.T) {
	var h metric.HotKeys
	r := rand.New(rand.NewPCG(1, 2))
	now := time.Unix(1, 0)
	h.Top(now, 1)
	for range 60 {
		for range 1000 {
			key := fmt.Sprintf("cold-%d", r.IntN(10_000))
			switch r.IntN(6) {
			case 0, 1, 2:
				key = "hot"
			case 3:
				key = "warm"
			}
			h.Record(0, []byte(key), 1)
		}
		now = now.Add(time.Second)
		h.Top(now, 1)
	}
	top := h.Top(now, 2)
	if len(top) != 2 || top[0].Key != "hot" || top[1].Key != "warm" {
		t.Fatalf("top is %v", top)
	}
	for i, want := range []float64{500, 1000. / 6} {
		if got := top[i].PerSecond; got < want*0.8 || got > want*1.3 {
			t.Errorf("%s: %v a second, want about %v", top[i].Key, got, want)
		}
	}
	if top := h.Top(now.Add(time.Hour), 10); len(top) != 0 {
		t.Errorf("after an hour there is still %v", top)
	}
}
