package env

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

// Jobs run beside the loop and side by side, up to jobsMax, on goroutines that stay for the next ones; Stop ends those, when
// no job is left.
func TestJobs(t *testing.T) {
	l := NewLoop()
	ended := make(chan struct{})
	go func() {
		l.Run(func() time.Duration { return -1 })
		close(ended)
	}()
	for round := range 3 {
		const jobs = 2 * jobsMax
		began, goOn, done := make(chan struct{}, jobs), make(chan struct{}), make(chan struct{}, jobs)
		for range jobs {
			l.Go(func() { began <- struct{}{}; <-goOn }, func() { done <- struct{}{} })
		}
		for range jobsMax {
			<-began
		}
		l.mu.Lock()
		if l.mu.workers != jobsMax || l.mu.idle != 0 || len(l.mu.jobs) != jobsMax {
			t.Errorf("round %d: %d goroutines, %d of them idle, %d jobs wait", round, l.mu.workers, l.mu.idle, len(l.mu.jobs))
		}
		l.mu.Unlock()
		close(goOn)
		for range jobs {
			<-done
		}
	}
	last := false
	l.Go(func() {}, func() { last = true; l.Stop() })
	<-ended
	if !last || l.mu.workers != 0 {
		t.Errorf("done: %v; %d goroutines are left", last, l.mu.workers)
	}
}

// Who calls Here does what there is to do, unless somebody is on the loop already, who does it then. What is to be done later,
// and what is left after some turns, Run does.
func TestHere(t *testing.T) {
	l := NewLoop()
	var sleep time.Duration = -1 // of the loop
	polled := make(chan time.Duration, 1)
	var polls int
	ended := make(chan struct{})
	go func() {
		l.Run(func() time.Duration {
			polls++
			if sleep > 0 && l.Elapsed() >= sleep {
				sleep = -1
				polled <- l.Elapsed()
			}
			if sleep > 0 {
				return sleep - l.Elapsed()
			}
			return sleep
		})
		close(ended)
	}()
	// here calls f on the loop, until this goroutine has done it itself: Run may be there.
	here := func(f func()) {
		for mine := false; !mine; runtime.Gosched() {
			done := make(chan struct{})
			l.Here(func() { f(); close(done) })
			select {
			case <-done:
				mine = true
			default:
				<-done
			}
		}
	}
	var order []int
	before := 0
	here(func() {
		before, order = polls, nil
		l.Post(func() { order = append(order, 2) })
		l.Here(func() { order = append(order, 3) }) // as others do while somebody is on the loop
		order = append(order, 1)
	})
	if !slices.Equal(order, []int{1, 2, 3}) || polls < before+2 {
		t.Errorf("done in the order %v, with %d polls", order, polls-before)
	}
	l.Here(func() { sleep = l.Elapsed() + time.Millisecond })
	if woken := <-polled; woken < time.Millisecond {
		t.Errorf("polled after %s", woken)
	}
	many := make(chan struct{})
	n := 0
	var again func()
	again = func() {
		if n++; n == 3*hereTurns {
			close(many)
		} else {
			l.Post(again)
		}
	}
	l.Here(again)
	<-many // by Run
	// Who wants the loop while another is on it gets it.
	inside, goOn := make(chan struct{}), make(chan struct{})
	go l.Here(func() { close(inside); <-goOn })
	<-inside
	done := make(chan struct{})
	l.Here(func() { close(done) })
	close(goOn)
	<-done
	l.Here(l.Stop)
	<-ended
	l.Here(func() { t.Error("something runs after the end") })
}

// A job that follows on another one, as writes of a log do, is done by the goroutine that has done that.
func TestJobFollowsJob(t *testing.T) {
	l := NewLoop()
	l.poll, l.timer, l.mu.taken = func() time.Duration { return -1 }, time.NewTimer(time.Hour), false // nobody is there but who has news
	defer l.timer.Stop()
	goOn, ended := make(chan struct{}), make(chan struct{})
	left := 100
	var next func()
	next = func() {
		if left--; left > 0 {
			l.Go(func() { <-goOn }, next)
		} else {
			close(ended)
		}
	}
	l.Here(next)
	close(goOn) // the loop is left
	<-ended
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.workers != 1 {
		t.Errorf("%d goroutines did the jobs", l.mu.workers)
	}
	l.mu.stopped = true
	l.work.Broadcast()
}
