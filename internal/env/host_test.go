package env

import (
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
