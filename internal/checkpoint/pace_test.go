package checkpoint

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

// stepClock is a clock whose timers fire at once, and move it.
type stepClock struct{ now time.Time }

func (c *stepClock) Now() time.Time { return c.now }

func (c *stepClock) NewTimer(d time.Duration) env.Timer {
	c.now = c.now.Add(d)
	fired := make(chan time.Time, 1)
	fired <- c.now
	return stepTimer(fired)
}

type stepTimer chan time.Time

func (t stepTimer) C() <-chan time.Time { return t }
func (stepTimer) Reset(time.Duration)   {}
func (stepTimer) Stop()                 {}

// Work that is paced takes a tenth of the time while transactions run, and all of it
// while none does.
func TestPace(t *testing.T) {
	for _, test := range []struct {
		perBlock uint64
		want     time.Duration
	}{{0, 100 * time.Millisecond}, {1, 100 * time.Millisecond}, {100, time.Second}} {
		clock, done := &stepClock{}, uint64(0)
		p := NewPacer(clock, func() uint64 { return done })
		for range 100 {
			clock.now = clock.now.Add(time.Millisecond)
			done += test.perBlock
			if err := p.Pause(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		if took := clock.now.Sub(time.Time{}); took != test.want {
			t.Errorf("%d transactions in a millisecond: 100 ms of work took %v, want %v", test.perBlock, took, test.want)
		}
	}
}

// Who gives up does not wait.
func TestPaceEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	done := uint64(0)
	clock := &stalledClock{stepClock: stepClock{now: time.Unix(1, 0)}}
	p := NewPacer(clock, func() uint64 { done += 1000; return done })
	clock.now = clock.now.Add(time.Millisecond)
	if err := p.Pause(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Pause returned %v", err)
	}
	clock.now = clock.now.Add(time.Millisecond)
	stop := make(chan struct{})
	close(stop)
	if err := p.Pause(t.Context(), stop); err != nil {
		t.Errorf("Pause returned %v", err)
	}
}

// stalledClock's timers do not fire.
type stalledClock struct{ stepClock }

func (c *stalledClock) NewTimer(time.Duration) env.Timer { return stepTimer(nil) }
