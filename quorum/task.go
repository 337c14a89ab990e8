package quorum

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"runtime"
	"time"
)

// Task is a coroutine of a Runtime. Its function runs until it waits; nothing
// else of the node runs meanwhile. As an Event it is won when the function has
// returned nil, and lost with the error that it returned.
type Task struct {
	base
	scope scope
	name  string
	id    uint64
	fn    func(context.Context) error
	co    *coroutine
	err   error
	done  bool

	// While it waits:
	on       Event
	pause    pause    // the event of Sleep
	listener listener // on the event
	timer    timer    // of WaitFor
	under    *scope   // whose end wakes it
	nextIn   *Task    // among those that wait under it
	prevIn   *Task
	why      reason

	immediate int // waits in a row that were over at once
	refusals  int // waits in a row that could not be
	locks     int // that it holds
}

// reason tells why a task was woken.
type reason uint8

const (
	notWoken reason = iota
	wokenByEvent
	wokenByTimer
	wokenByEnd // of the scope
)

// immediateMax is how many waits in a row a task may find over at once before
// it lets the others run.
const immediateMax = 256

// Go starts a task. It is cancelled when ctx ends and when the task that starts
// it does. name is for traces: tasks that do the same should share it.
func Go(ctx context.Context, name string, f func(ctx context.Context) error) *Task {
	s := scopeOf(ctx)
	return s.rt.spawn(ctx, s, name, f)
}

func (r *Runtime) spawn(outer context.Context, parent *scope, name string, f func(context.Context) error) *Task {
	r.taskSeq++
	t := &Task{name: name, id: r.taskSeq, fn: f}
	t.base.rt = r
	t.scope.rt = r
	t.scope.adopt(outer, parent)
	t.listener.target = t
	t.why = wokenByEvent
	t.scope.task = t
	r.stats.Tasks++
	r.stats.TasksNow++
	if n := len(r.idle); n > 0 {
		t.co = r.idle[n-1]
		r.idle[n-1] = nil
		r.idle = r.idle[:n-1]
	} else {
		t.co = newCoroutine()
	}
	t.co.task = t
	r.ready.put(t)
	return t
}

// Name returns what the task was named at its start.
func (t *Task) Name() string { return t.name }

// Cancel ends the task's context: its waits fail from now on. It can be called
// any number of times, after the end of the task too.
func (t *Task) Cancel() { t.scope.end(context.Canceled) }

// Wait waits until the task has ended and returns its error.
func (t *Task) Wait(ctx context.Context) error { return Wait(ctx, t) }

// onDone makes f run when the task has ended.
func (t *Task) onDone(f func()) {
	if t.done {
		f()
		return
	}
	l := &listener{target: callback(f)}
	t.attach(l)
}

// errUnwound is the error of a task that had to be unwound.
var errUnwound = fmt.Errorf("%w: the task was unwound", ErrClosed)

// coroutine is what a task runs on. It outlives the task if the task returned.
type coroutine struct {
	task  *Task
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	// dying: the task is resumed for the last time, on a goroutine that may end
	// with it.
	dying bool
}

func newCoroutine() *coroutine {
	c := &coroutine{}
	c.next, c.stop = iter.Pull(c.loop)
	return c
}

func (c *coroutine) loop(yield func(struct{}) bool) {
	c.yield = yield
	for {
		c.task.run()
		if !yield(struct{}{}) {
			return // thrown out of the pool
		}
	}
}

// run is the task's body. Deferred, because the task may also be unwound.
func (t *Task) run() {
	defer t.finish()
	if t.scope.err != nil {
		t.err = t.scope.err // cancelled before it began
		return
	}
	t.err = errUnwound // unless it returns
	t.err = t.fn(&t.scope)
}

func (t *Task) finish() {
	r := t.base.rt
	t.done = true
	t.fn = nil
	t.scope.end(context.Canceled) // its children end with it
	t.scope.leave()
	r.stats.TasksNow--
	if t.err != nil {
		t.lose(t.err)
	} else {
		t.win()
	}
}

// resume runs a task until it waits or ends.
func (r *Runtime) resume(t *Task) {
	c := t.co
	r.stats.Switches++
	r.current = t
	c.next()
	r.current = nil
	switch {
	case c.dying:
		r.unwind(t)
	case t.done:
		c.task, t.co = nil, nil
		if len(r.idle) < idleMax && r.root.err == nil {
			r.idle = append(r.idle, c)
		} else {
			c.stop()
		}
	}
}

// unwind resumes a task that has to end. Its deferred functions run and cannot
// prevent it, which is what runtime.Goexit is for; but Goexit takes with it the
// goroutine that has resumed the coroutine, so that has to be another one.
func (r *Runtime) unwind(t *Task) {
	r.stats.Unwound++
	r.current = t
	over := make(chan any)
	go func() {
		defer func() { over <- recover() }()
		t.co.next()
	}()
	failure := <-over
	t.co.stop() // it may have ended before it began, and be in the pool's loop
	r.current = nil
	t.co = nil
	if failure != nil {
		panic(failure)
	}
}

// park lets others run until the task is woken.
func (t *Task) park() {
	t.co.yield(struct{}{})
	if t.co.dying {
		runtime.Goexit()
	}
}

// wake makes a waiting task ready.
func (t *Task) wake(why reason) {
	if t.why != notWoken {
		return
	}
	t.why = why
	if t.on != nil {
		t.on.detach(&t.listener)
		t.on = nil
	}
	r := t.base.rt
	r.timers.cancel(&t.timer)
	if t.under != nil {
		t.under.remove(t)
	}
	r.ready.put(t)
}

// expire is the end of WaitFor's time.
func (t *Task) expire() { t.wake(wokenByTimer) }

// notify is the event's call.
func (t *Task) notify() { t.wake(wokenByEvent) }

// Wait waits until the event is decided. It returns nil if it is won, why not
// if it is lost, and the context's error if that ends first.
func Wait(ctx context.Context, e Event) error { return wait(ctx, e, -1) }

// WaitFor is Wait with a limit: it returns ErrTimeout when d has passed. The
// event is not touched by that and can be waited for again.
func WaitFor(ctx context.Context, e Event, d time.Duration) error {
	return wait(ctx, e, max(d, 0))
}

// Yield lets the other tasks run that can.
func Yield(ctx context.Context) error {
	s := scopeOf(ctx)
	t := s.rt.mustCurrent()
	if err := s.ended(t); err != nil {
		return t.refuse(err)
	}
	t.refusals = 0
	s.rt.ready.put(t)
	t.park()
	return s.ended(t)
}

func (r *Runtime) mustCurrent() *Task {
	t := r.current
	if t == nil {
		panic("quorum: a wait outside of a task")
	}
	if t.co.dying {
		runtime.Goexit() // a deferred function waits
	}
	return t
}

func wait(ctx context.Context, e Event, limit time.Duration) error {
	s := scopeOf(ctx)
	r := s.rt
	t := r.mustCurrent()
	if err := s.ended(t); err != nil {
		return t.refuse(err)
	}
	t.refusals = 0
	if o := e.outcome(); o != Pending {
		if t.immediate++; t.immediate > immediateMax {
			t.immediate = 0
			r.ready.put(t)
			t.park()
		}
		if r.tracer != nil {
			r.traceImmediate(t, s, e, limit)
		}
		if o == Lost {
			return e.Err()
		}
		return nil
	}
	t.immediate = 0
	if unwatch := r.watch(ctx, s, t); unwatch != nil {
		defer unwatch()
	}
	until := r.now + limit
	for {
		t.why = notWoken
		if limit >= 0 {
			r.timers.set(&t.timer, t, until)
		}
		s.add(t)
		t.on = e
		e.attach(&t.listener)
		if r.tracer != nil {
			r.traceBegin(t, s, e, limit)
		}
		t.park()
		if r.tracer != nil {
			r.traceEnd(t)
		}
		// Whatever woke it, a decision that has been made by now counts.
		switch e.outcome() {
		case Won:
			return nil
		case Lost:
			return e.Err()
		}
		if t.why == wokenByTimer {
			return ErrTimeout
		}
		if err := cmp.Or(s.ended(t), ctx.Err()); err != nil {
			return err
		}
		// The event was there and is not any more: a Timeout was reset before
		// the task's turn came, or another task was quicker.
		if _, ok := e.(*waiters); ok {
			return nil // who waits for these looks again
		}
	}
}
