package env

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// jobsMax bounds the goroutines that one Loop has for jobs. More jobs than that
// wait their turn; disks gain nothing from more.
const jobsMax = 16

// Loop is the Host of the real world: one goroutine that calls a poll function
// whenever something was posted or a time has come.
type Loop struct {
	start time.Time
	wake  chan struct{} // holds a token while posts is not empty or stop is set

	mu struct {
		sync.Mutex
		posts   []func()
		jobs    []job
		workers int
		idle    int // of these; who wakes one takes it off
		stopped bool
	}
	work    sync.Cond // there is a job, or none will come
	spare   []func()  // of the loop: the posts slice that is not in use
	working sync.WaitGroup
}

type job struct{ run, done func() }

// NewLoop returns a Host whose loop does not run yet.
func NewLoop() *Loop {
	l := &Loop{start: time.Now(), wake: make(chan struct{}, 1)}
	l.work.L = &l.mu
	return l
}

// Elapsed implements Host.
func (l *Loop) Elapsed() time.Duration { return time.Since(l.start) }

// Now implements Host.
func (l *Loop) Now() time.Time { return time.Now() }

// Uint64 implements Host.
func (l *Loop) Uint64() uint64 { return rand.Uint64() }

// Pick implements Host: first come, first served.
func (l *Loop) Pick(int) int { return 0 }

// Post implements Host. After Stop it does nothing.
func (l *Loop) Post(f func()) {
	l.mu.Lock()
	first := len(l.mu.posts) == 0
	if !l.mu.stopped {
		l.mu.posts = append(l.mu.posts, f)
	}
	l.mu.Unlock()
	if first {
		l.signal()
	}
}

func (l *Loop) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Go implements Host.
func (l *Loop) Go(run, done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.jobs = append(l.mu.jobs, job{run, done})
	switch {
	case l.mu.idle > 0:
		l.mu.idle--
		l.work.Signal()
	case l.mu.workers < jobsMax:
		l.mu.workers++
		l.working.Add(1)
		go l.runJobs()
	}
}

// runJobs runs jobs until the loop is stopped and there are none. It stays for those to come: a
// new goroutine for each would begin with a small stack, which is copied to grow.
func (l *Loop) runJobs() {
	defer l.working.Done()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for len(l.mu.jobs) == 0 {
			if l.mu.stopped {
				l.mu.workers--
				return
			}
			l.mu.idle++
			l.work.Wait()
		}
		j := l.mu.jobs[0]
		l.mu.jobs = slices.Delete(l.mu.jobs, 0, 1)
		l.mu.Unlock()
		j.run()
		l.Post(j.done)
		l.mu.Lock()
	}
}

// Run runs what is posted and calls poll after it, until Stop. poll returns how
// long it can be left alone: 0 for not at all, less than 0 for until the next
// post. Run returns when the jobs have ended too.
func (l *Loop) Run(poll func() time.Duration) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		stopped := l.drain()
		sleep := poll()
		if stopped {
			l.working.Wait()
			return
		}
		switch {
		case sleep < 0:
			<-l.wake
		case sleep > 0:
			timer.Reset(sleep)
			select {
			case <-l.wake:
			case <-timer.C:
			}
		}
	}
}

// drain runs what has been posted and tells whether the loop is to stop.
func (l *Loop) drain() (stopped bool) {
	l.mu.Lock()
	posts := l.mu.posts
	l.mu.posts = l.spare
	stopped = l.mu.stopped
	l.mu.Unlock()
	for _, f := range posts {
		f()
	}
	clear(posts)
	l.spare = posts[:0]
	return stopped
}

// Watch posts f when ctx has ended. stop ends the watch.
func (l *Loop) Watch(ctx context.Context, f func()) (stop func() bool) {
	return context.AfterFunc(ctx, func() { l.Post(f) })
}

// Stop makes Run return, after what is posted already.
func (l *Loop) Stop() {
	l.mu.Lock()
	l.mu.stopped, l.mu.idle = true, 0
	l.mu.Unlock()
	l.work.Broadcast()
	l.signal()
}
