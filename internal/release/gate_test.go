package release

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/godwitdb/godwit/internal/hlc"
)

func TestWaitReturnsAtTheFrontierAndNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Gate
		var mu sync.Mutex
		released := map[hlc.Timestamp]bool{}
		for ts := hlc.Timestamp(1); ts <= 10; ts++ {
			go func() {
				if err := g.Wait(t.Context(), ts); err != nil {
					t.Errorf("Wait(%d): %v", ts, err)
				}
				mu.Lock()
				released[ts] = true
				mu.Unlock()
			}()
		}
		for _, frontier := range []hlc.Timestamp{0, 3, 2, 7, 10} {
			g.Advance(frontier)
			synctest.Wait()
			mu.Lock()
			want := max(frontier, g.Frontier())
			for ts := hlc.Timestamp(1); ts <= 10; ts++ {
				if released[ts] != (ts <= want) {
					t.Errorf("frontier %d: released[%d] = %v", want, ts, released[ts])
				}
			}
			mu.Unlock()
		}
		if n := g.Waiting(); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}

func TestFailEndsWaitingNowAndLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Gate
		boom := errors.New("boom")
		got := make(chan error, 3)
		go func() { got <- g.Wait(t.Context(), 5) }()
		g.Notify(6, func(err error) { got <- err })
		synctest.Wait()
		g.Advance(4)
		g.Fail(boom)
		g.Fail(errors.New("a later failure"))
		got <- g.Wait(t.Context(), 5)
		for range 3 {
			if err := <-got; !errors.Is(err, boom) {
				t.Errorf("got %v, want boom", err)
			}
		}
		if err := g.Wait(t.Context(), 4); err != nil {
			t.Errorf("what was released before the failure: %v", err)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Gate
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan error)
		go func() { got <- g.Wait(ctx, 1) }()
		synctest.Wait()
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		if n := g.Waiting(); n != 0 {
			t.Fatalf("%d still wait", n)
		}
		g.Advance(1)
		if err := g.Wait(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWaitStress(t *testing.T) {
	var g Gate
	var wg sync.WaitGroup
	const waiters, steps = 8, 2000
	for range waiters {
		wg.Go(func() {
			for ts := hlc.Timestamp(1); ts <= steps; ts++ {
				if err := g.Wait(t.Context(), ts); err != nil || g.Frontier() < ts {
					t.Errorf("Wait(%d): %v, frontier %d", ts, err, g.Frontier())
					return
				}
			}
		})
	}
	for ts := hlc.Timestamp(1); ts <= steps; ts++ {
		g.Advance(ts)
	}
	wg.Wait()
}
