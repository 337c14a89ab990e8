package hlc

import (
	"sync"
	"testing"
	"time"
)

func TestNextIsUniqueAndGrowsAcrossGoroutines(t *testing.T) {
	var c Clock
	c.Observe(FromTime(time.Now()))
	const goroutines, each = 4, 10000
	got := make([][]Timestamp, goroutines)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for range each {
				got[g] = append(got[g], c.Next())
			}
		})
	}
	wg.Wait()
	seen := map[Timestamp]bool{}
	for _, ts := range got {
		for i, x := range ts {
			if i > 0 && ts[i-1] >= x {
				t.Fatalf("%d after %d in one goroutine", x, ts[i-1])
			}
			if seen[x] {
				t.Fatalf("%d given out twice", x)
			}
			seen[x] = true
		}
	}
}

func TestObserveNeverGoesBack(t *testing.T) {
	var c Clock
	c.Observe(100)
	c.Observe(7)
	if got := c.Next(); got != 101 {
		t.Fatalf("Next after Observe(100), Observe(7) = %d, want 101", got)
	}
}

func TestTimeRoundTrip(t *testing.T) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 123e6, time.UTC)
	if got := FromTime(at).Time(); !got.Equal(at) {
		t.Fatalf("%v became %v", at, got)
	}
	if FromTime(time.Unix(0, 0)) != 0 {
		t.Fatal("a time before the origin must give 0")
	}
	if FromTime(time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)) > Max {
		t.Fatal("2090 does not fit")
	}
}
