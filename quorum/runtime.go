package quorum

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

// What stands for the world outside, for those who bring their own.
type (
	// NodeID names a node of a cluster. Zero is no node.
	NodeID = env.NodeID
	// Host is the clock, the randomness and the event loop under a Runtime.
	Host = env.Host
)

// The errors of waits. Match them with errors.Is.
var (
	// ErrTimeout: WaitFor's time has run out. What was waited for may still come.
	ErrTimeout = errors.New("quorum: timed out")
	// ErrLost: what was waited for cannot happen any more.
	ErrLost = errors.New("quorum: lost")
	// ErrClosed: the runtime, the endpoint or the queue is closed.
	ErrClosed = errors.New("quorum: closed")
	// ErrOverloaded: a bound is reached; nothing was done. Back off.
	ErrOverloaded = errors.New("quorum: overloaded")
)

// roundMax bounds the tasks that run before the loop looks at the world again.
const roundMax = 1024

// idleMax bounds the coroutines that are kept for reuse.
const idleMax = 1024

// Runtime runs the tasks of one node, one at a time. Nothing in it may be used
// from outside of its tasks, Post and Run excepted.
type Runtime struct {
	id     NodeID
	host   Host
	now    time.Duration // of the current round
	timers timerHeap
	ready  ring
	idle   []*coroutine
	// current is the task that runs, nil between two.
	current *Task
	root    scope
	taskSeq uint64
	// flushes are what is called at the end of each round: outboxes that have
	// something to send. flushed is the other round's list, for reuse.
	flushes, flushed []flusher
	foreign          []foreign // waits that look has to look after
	tracer           Tracer
	info             WaitInfo // what the tracer is shown
	stats            Stats
	jobs             int
	rare             rareHost
	closed           chan struct{} // closed by Shutdown when all has ended
}

// Stats counts what has happened in a Runtime. Fields that end in Now are
// levels, the others only grow.
type Stats struct {
	TasksNow   int    // tasks that have not ended
	Tasks      uint64 // tasks that were started
	Switches   uint64 // times that a task was resumed
	Unwound    uint64 // tasks that went on waiting after their end was told and were unwound
	JobsNow    int    // jobs that have not ended
	JobsFailed uint64 // jobs refused because too many were waiting
}

// NewRuntime returns a Runtime for one node. The host has to call Poll after
// everything that it runs on its loop, and when the time that Poll returned has
// passed.
func NewRuntime(id NodeID, host Host) *Runtime {
	r := &Runtime{id: id, host: host, now: host.Elapsed(), closed: make(chan struct{})}
	r.root.rt = r
	r.rare, _ = host.(rareHost)
	return r
}

// rareHost is a host that forces on what hardly ever happens by itself.
type rareHost interface{ Rare(name string) bool }

// Rare tells whether a rarely taken branch is to be taken now, though nothing
// demands it: a bound is hit early, a batch is small, a connection breaks. Whatever
// it leads to has to be right at any time. A simulator may say so; for everybody
// else it is the test of a pointer.
func (r *Runtime) Rare(name string) bool { return r.rare != nil && r.rare.Rare(name) }

// Start runs a new Runtime on a goroutine of its own, in the real world. stop
// cancels its tasks, waits until they have ended, and ends the goroutine.
func Start(id NodeID) (r *Runtime, stop func()) {
	loop := env.NewLoop()
	r = NewRuntime(id, loop)
	done := make(chan struct{})
	go func() {
		defer close(done)
		loop.Run(r.Poll)
	}()
	return r, sync.OnceFunc(func() {
		loop.Post(func() { r.Shutdown(loop.Stop) })
		<-done
	})
}

// Node returns the node's name.
func (r *Runtime) Node() NodeID { return r.id }

// Host returns what the Runtime stands on.
func (r *Runtime) Host() Host { return r.host }

// Elapsed returns the time that timers go by: it stands still while a task
// runs and never goes back.
func (r *Runtime) Elapsed() time.Duration { return r.now }

// Stats returns the counts as of now.
func (r *Runtime) Stats() Stats { return r.stats }

// Post makes f run on the loop. It may be called from any goroutine; all else
// of this package may be used in f, except that it must not wait.
func (r *Runtime) Post(f func()) { r.host.Post(f) }

// Here is Post for who can do the loop's work in the meantime, with f and what else there is: he holds nothing that any of
// that may wait for.
func (r *Runtime) Here(f func()) { r.host.Here(f) }

// flusher has something to do at the end of a round.
type flusher interface{ flush() }

// flushFunc is a function that is called at the end of a round.
type flushFunc func()

func (f flushFunc) flush() { f() }

// Poll runs all tasks that can run and returns how long it need not be called
// unless something happens: 0 for not at all, less than 0 for ever. It is for
// hosts.
func (r *Runtime) Poll() time.Duration {
	r.now = r.host.Elapsed()
	for t := r.timers.pop(r.now); t != nil; t = r.timers.pop(r.now) {
		t.expire()
	}
	r.look()
	for n := 0; n < roundMax && r.ready.n > 0; n++ {
		r.resume(r.ready.take(r.host.Pick(r.ready.n)))
		if r.ready.n == 0 && len(r.foreign) > 0 {
			r.look()
		}
	}
	// A flush may register the next one.
	flushes := r.flushes
	r.flushes = r.flushed[:0]
	for i, f := range flushes {
		f.flush()
		flushes[i] = nil
	}
	r.flushed = flushes
	if r.ready.n > 0 || len(r.flushes) > 0 {
		return 0
	}
	at, ok := r.timers.next()
	if !ok {
		return -1
	}
	return max(0, at-r.now)
}

// Go starts a task that ends with the Runtime. On the loop only.
func (r *Runtime) Go(name string, f func(ctx context.Context) error) *Task {
	return r.spawn(context.Background(), &r.root, name, f)
}

// Run starts a task from outside of the loop and waits until it has ended. The
// end of ctx cancels the task.
func (r *Runtime) Run(ctx context.Context, name string, f func(ctx context.Context) error) error {
	done := make(chan error, 1)
	started := make(chan *Task, 1)
	r.Post(func() {
		t := r.Go(name, f)
		started <- t
		t.onDone(func() { done <- t.err })
	})
	select {
	case err := <-done:
		return err
	case <-r.closed:
		return r.over(done)
	case <-ctx.Done():
	}
	r.Post(func() { (<-started).Cancel() })
	select {
	case err := <-done:
		return err
	case <-r.closed:
		return r.over(done)
	}
}

// over returns the error of a task of a Runtime that is closed.
func (r *Runtime) over(done chan error) error {
	select {
	case err := <-done:
		return err
	default:
		return ErrClosed // it was never started
	}
}

// Shutdown cancels all tasks and calls done when the last has ended. On the
// loop only.
func (r *Runtime) Shutdown(done func()) {
	r.root.end(ErrClosed)
	r.dropIdle()
	var wait flushFunc
	wait = func() {
		if r.stats.TasksNow > 0 || r.stats.JobsNow > 0 {
			r.flushes = append(r.flushes, wait)
			return
		}
		close(r.closed)
		done()
	}
	wait()
}

// Kill ends all tasks at once, where they are: their deferred functions run,
// nothing else does. It is how a simulator crashes a node.
func (r *Runtime) Kill() {
	r.root.end(ErrClosed)
	for r.stats.TasksNow > 0 {
		t := r.ready.take(0)
		if t == nil {
			panic(fmt.Sprintf("quorum: %d tasks are neither ready nor waiting", r.stats.TasksNow))
		}
		t.co.dying = true
		r.unwind(t)
	}
	r.dropIdle()
}

// dropIdle ends the coroutines that are kept for reuse. Each has a goroutine, which
// nothing else would end.
func (r *Runtime) dropIdle() {
	for _, c := range r.idle {
		c.stop()
	}
	r.idle = nil
}

// ring is a queue of tasks.
type ring struct {
	buf     []*Task // a power of two
	head, n int
}

func (q *ring) put(t *Task) {
	if q.n == len(q.buf) {
		grown := make([]*Task, max(16, 2*q.n))
		for i := range q.n {
			grown[i] = q.buf[(q.head+i)&(len(q.buf)-1)]
		}
		q.buf, q.head = grown, 0
	}
	q.buf[(q.head+q.n)&(len(q.buf)-1)] = t
	q.n++
}

// take removes the ith task; the one at the head takes its place.
func (q *ring) take(i int) *Task {
	if q.n == 0 {
		return nil
	}
	mask := len(q.buf) - 1
	at := (q.head + i) & mask
	t := q.buf[at]
	q.buf[at] = q.buf[q.head]
	q.buf[q.head] = nil
	q.head = (q.head + 1) & mask
	q.n--
	return t
}
