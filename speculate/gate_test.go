package speculate

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

func TestWaitReturnsAtTheFrontierAndNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Course
		var mu sync.Mutex
		released := map[Point]bool{}
		for at := Point(1); at <= 10; at++ {
			go func() {
				if err := c.Wait(t.Context(), at); err != nil {
					t.Errorf("Wait(%d): %v", at, err)
				}
				mu.Lock()
				released[at] = true
				mu.Unlock()
			}()
		}
		for _, frontier := range []Point{0, 3, 2, 7, 10} {
			c.Advance(frontier)
			synctest.Wait()
			mu.Lock()
			want := max(frontier, c.Frontier())
			for at := Point(1); at <= 10; at++ {
				if released[at] != (at <= want) {
					t.Errorf("frontier %d: released[%d] = %v", want, at, released[at])
				}
			}
			mu.Unlock()
		}
		if n := c.Waiting(); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}

func TestFailEndsWaitingNowAndLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Course
		boom := errors.New("boom")
		got := make(chan error, 3)
		go func() { got <- c.Wait(t.Context(), 5) }()
		c.Notify(6, func(err error) { got <- err })
		synctest.Wait()
		c.Advance(4)
		c.Fail(boom)
		c.Fail(errors.New("a later failure"))
		got <- c.Wait(t.Context(), 5)
		for range 3 {
			if err := <-got; !errors.Is(err, boom) {
				t.Errorf("got %v, want boom", err)
			}
		}
		if err := c.Wait(t.Context(), 4); err != nil {
			t.Errorf("what was certain before the failure: %v", err)
		}
		if s := c.State(5); s != Undecided {
			t.Errorf("after the failure 5 is %v", s)
		}
		c.Advance(5) // it turned out after all
		if err := c.Wait(t.Context(), 5); err != nil {
			t.Errorf("what is certain after the failure: %v", err)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var v Vector[string]
		var s Set[string]
		s.Add("a", 1)
		s.Add("b", 1)
		a, b := v.Course("a"), v.Course("b")
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan error)
		go func() { got <- a.Wait(ctx, 1) }()
		go func() { got <- v.Wait(ctx, &s) }()
		synctest.Wait()
		if a.Waiting() != 2 || b.Waiting() != 1 {
			t.Fatalf("%d and %d wait", a.Waiting(), b.Waiting())
		}
		cancel()
		for range 2 {
			if err := <-got; !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v", err)
			}
		}
		if a.Waiting() != 0 || b.Waiting() != 0 {
			t.Fatalf("%d and %d still wait", a.Waiting(), b.Waiting())
		}
		a.Advance(1)
		b.Advance(1)
		if err := v.Wait(t.Context(), &s); err != nil {
			t.Fatal(err)
		}
	})
}

// A set is certain with its last course, and doomed with the first that is.
func TestWaitForASet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var v Vector[string]
		var s Set[string]
		s.Add("a", 3)
		s.Add("b", 4)
		certain, doomed := s, Set[string]{}
		doomed.CopyFrom(&s)
		doomed.Add("c", 9)
		got := map[string]error{}
		v.Notify(&certain, func(err error) { got["certain"] = err })
		v.Notify(&doomed, func(err error) { got["doomed"] = err })
		v.Course("b").Advance(5)
		if len(got) != 0 {
			t.Fatalf("told with a undecided: %v", got)
		}
		if err := v.Course("c").End(8); err != nil {
			t.Fatal(err)
		}
		if err := got["doomed"]; !errors.Is(err, ErrDoomed) || len(got) != 1 {
			t.Fatalf("after c has ended: %v", got)
		}
		if n := v.Course("a").Waiting(); n != 1 {
			t.Errorf("%d wait for a; who was told should not", n)
		}
		v.Course("a").Advance(3)
		if err, ok := got["certain"]; !ok || err != nil {
			t.Errorf("in the end: %v", got)
		}
	})
}

// Who is told while it is being enlisted leaves what it is enlisted at later.
func TestClaimIsDoomedWhileItIsMade(t *testing.T) {
	var v Vector[string]
	v.New = func(key string) *Course {
		c := new(Course)
		if key == "a" {
			c.OnWait = func() {
				if err := c.End(0); err != nil {
					t.Error(err)
				}
			}
		}
		return c
	}
	var s Set[string]
	s.Add("a", 1)
	s.Add("b", 1)
	if err := v.Wait(t.Context(), &s); !errors.Is(err, ErrDoomed) {
		t.Errorf("got %v", err)
	}
	if n := v.Course("b").Waiting(); n != 0 {
		t.Errorf("%d still wait for b", n)
	}
}

// A function that is told may use the course, and others.
func TestToldFunctionsMayWaitAgain(t *testing.T) {
	var v Vector[int]
	var told []Point
	var next func(at Point) func(error)
	next = func(at Point) func(error) {
		return func(error) {
			told = append(told, at)
			if at < 5 {
				v.Course(int(at%2)).Notify(at+1, next(at+1))
			}
		}
	}
	v.Course(0).Notify(1, next(1))
	for at := range Point(7) {
		v.Course(0).Advance(at)
		v.Course(1).Advance(at)
	}
	if len(told) != 5 {
		t.Errorf("told %v", told)
	}
}

func TestOnWaitIsCalledForThoseWhoWait(t *testing.T) {
	n := 0
	c := Course{OnWait: func() { n++ }}
	c.Advance(1)
	c.Notify(1, func(error) {})
	if n != 0 {
		t.Error("called though nobody waits")
	}
	c.Notify(2, func(error) {})
	if n != 1 {
		t.Errorf("called %d times for one who waits", n)
	}
}

func TestWaitDoesNotAllocate(t *testing.T) {
	var v Vector[int]
	c := v.Course(1)
	c.Advance(10)
	var s, empty, copied Set[int]
	s.Add(1, 9)
	tell := func(error) {}
	for name, f := range map[string]func(){
		"certain":      func() { _ = c.Wait(t.Context(), 10) },
		"notify":       func() { c.Notify(10, tell) },
		"set":          func() { _ = v.Wait(t.Context(), &s) },
		"state":        func() { v.State(&s) },
		"empty":        func() { _ = v.Wait(t.Context(), &empty); empty.Add(1, 0); empty.Merge(&copied); v.Prune(&empty) },
		"memory again": func() { copied.CopyFrom(&s); copied.Merge(&s); v.Prune(&copied); copied.Clear() },
		"a wait":       func() { c.Notify(c.Frontier()+1, tell); c.Advance(c.Frontier() + 1) },
	} {
		f()
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
