package env

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// jobsMax bounds the goroutines that one Loop has for jobs. More jobs than that
// wait their turn; disks gain nothing from more.
const jobsMax = 16

// hereTurns is how often who calls Here runs what has been posted meanwhile, before Run goes on.
const hereTurns = 4

// Loop is the Host of the real world: a poll function that is called whenever
// something was posted or a time has come. One goroutine at a time is on the loop: that of Run, or one that
// calls Here.
type Loop struct {
	start time.Time
	wake  chan struct{} // holds a token when Run is to go on the loop

	mu struct {
		sync.Mutex
		posts   []func()
		jobs    []job
		workers int
		idle    int  // of these; who wakes one takes it off
		free    int  // of these, have done a job and look for the next one when they have left the loop
		taken   bool // somebody is on the loop
		wanted  bool // and Run would be
		stopped bool
	}
	work    sync.Cond // there is a job, or none will come
	working sync.WaitGroup

	// Of who is on the loop:
	poll  func() time.Duration
	spare []func() // the posts slice that is not in use
	timer *time.Timer
	alarm time.Duration // when timer wakes Run, or has done so
}

type job struct{ run, done func() }

// NewLoop returns a Host whose loop does not run yet.
func NewLoop() *Loop {
	l := &Loop{start: time.Now(), wake: make(chan struct{}, 1)}
	l.work.L, l.mu.taken = &l.mu, true // until Run
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
	first := l.post(f) && !l.mu.taken // else who is on the loop sees it, or Run is awake
	l.mu.Unlock()
	if first {
		l.signal()
	}
}

// Here implements Host. To have Run woken, on another thread at the worst, costs more than most of what is posted.
func (l *Loop) Here(f func()) {
	l.mu.Lock()
	l.post(f)
	if l.mu.taken {
		l.mu.Unlock()
		return
	}
	l.mu.taken = true
	l.mu.Unlock()
	l.turns(hereTurns)
}

// post tells whether f is the first that waits. The lock is held.
func (l *Loop) post(f func()) bool {
	if !l.mu.stopped {
		l.mu.posts = append(l.mu.posts, f)
	}
	return len(l.mu.posts) == 1
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
	case len(l.mu.jobs) <= l.mu.free:
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
		l.mu.Lock()
		l.mu.free++
		l.mu.Unlock()
		l.Here(j.done)
		l.mu.Lock()
		l.mu.free--
	}
}

// Run runs what is posted and calls poll after it, until Stop. poll returns how
// long it can be left alone: 0 for not at all, less than 0 for until the next
// post. Run returns when the jobs have ended too.
func (l *Loop) Run(poll func() time.Duration) {
	l.poll, l.timer = poll, time.NewTimer(time.Hour)
	l.alarm = l.Elapsed() + time.Hour
	defer l.timer.Stop()
	for on := true; !on || !l.turns(math.MaxInt); on = l.enter() {
		select {
		case <-l.wake:
		case <-l.timer.C:
		}
	}
	l.working.Wait()
}

// enter has Run go on the loop, or be woken again when nobody is there any more.
func (l *Loop) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.wanted = l.mu.taken
	if l.mu.wanted {
		return false
	}
	l.mu.taken = true
	return true
}

// turns runs what has been posted and polls, again while there is more to do, so many times at most, and then leaves the loop.
// It returns whether that is to stop; whoever is not Run leaves that to it.
func (l *Loop) turns(most int) (stopped bool) {
	for n := 1; ; n++ {
		stopped = l.drain()
		sleep := l.poll()
		if stopped && most == math.MaxInt {
			return true
		}
		if l.leave(sleep, stopped || n == most) {
			return stopped
		}
	}
}

// leave leaves the loop, unless there is more to do, which, if it must, it leaves to Run.
func (l *Loop) leave(sleep time.Duration, must bool) bool {
	l.mu.Lock()
	more := sleep == 0 || len(l.mu.posts) > 0
	if more && !must {
		l.mu.Unlock()
		return false
	}
	if now := l.Elapsed(); sleep > 0 && (l.alarm <= now || now+sleep < l.alarm) {
		l.alarm = now + sleep
		l.timer.Reset(sleep)
	}
	wake := more || must || l.mu.wanted
	l.mu.taken, l.mu.wanted = false, false
	l.mu.Unlock()
	if wake {
		l.signal()
	}
	return true
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
