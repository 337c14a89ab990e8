package quorum

import (
	"context"
	"slices"
	"time"
)

// refusalsMax is how many waits in a row fail because their context has ended
// before the task that goes on waiting is unwound: enough for code that cleans
// up, and an end for a loop that does not look at errors.
const refusalsMax = 8

// scope is the context of this package: a node in the tree of what is cancelled
// together. It implements context.Context with virtual deadlines.
type scope struct {
	rt       *Runtime
	outer    context.Context // where values come from; never changed
	parent   *scope
	children *scope // first
	next     *scope // among the parent's children
	prev     *scope
	waiting  *Task // first of those that wait under it
	err      error // why it has ended
	deadline time.Duration
	bounded  bool // deadline counts
	timer    timer
	done     chan struct{} // made by the first Done
	task     *Task         // whose own scope it is
}

type scopeKey struct{}

// scopeOf returns the scope in a context.
func scopeOf(ctx context.Context) *scope {
	if s, ok := ctx.(*scope); ok {
		return s
	}
	s, ok := ctx.Value(scopeKey{}).(*scope)
	if !ok {
		panic("quorum: the context is not one of a task")
	}
	// A context between that and this one may have ended on its own.
	if err := ctx.Err(); err != nil && s.err == nil {
		ended := &scope{rt: s.rt, err: err}
		return ended
	}
	return s
}

// foreign is a wait under a context of package context that has an end of its
// own.
type foreign struct {
	task *Task
	ctx  context.Context
}

// watch makes a task that is about to wait under ctx hear of its end. A context of
// this package, and one that only adds values to it, needs no watch: its scope
// knows who waits.
func (r *Runtime) watch(ctx context.Context, s *scope, t *Task) (stop func()) {
	if ctx == context.Context(s) || ctx.Done() == s.Done() {
		return nil
	}
	r.foreign = append(r.foreign, foreign{t, ctx})
	release := func() bool { return true }
	if h, ok := r.host.(interface {
		Watch(ctx context.Context, f func()) (stop func() bool)
	}); ok {
		release = h.Watch(ctx, func() {}) // the loop looks by itself
	}
	return func() {
		release()
		i := slices.IndexFunc(r.foreign, func(f foreign) bool { return f.task == t })
		r.foreign = slices.Delete(r.foreign, i, i+1)
	}
}

// look wakes the tasks whose contexts have ended outside of this package.
func (r *Runtime) look() {
	for _, f := range r.foreign {
		if f.ctx.Err() != nil {
			f.task.wake(wokenByEnd)
		}
	}
}

// RuntimeOf returns the Runtime whose task was given the context.
func RuntimeOf(ctx context.Context) *Runtime { return scopeOf(ctx).rt }

// adopt makes s a child of parent, whose values are those of outer.
func (s *scope) adopt(outer context.Context, parent *scope) {
	s.outer = outer
	if parent.err != nil {
		s.err = parent.err
	}
	s.deadline, s.bounded = parent.deadline, parent.bounded
	s.parent = parent
	s.next = parent.children
	if s.next != nil {
		s.next.prev = s
	}
	parent.children = s
}

// leave takes s out of its parent.
func (s *scope) leave() {
	if s.parent == nil {
		return
	}
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		s.parent.children = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.next, s.prev, s.parent = nil, nil, nil
	s.rt.timers.cancel(&s.timer)
}

// end ends the scope and those below it, and wakes who waits under them.
func (s *scope) end(why error) {
	if s.err != nil {
		return
	}
	s.err = why
	s.rt.timers.cancel(&s.timer)
	if s.done != nil {
		close(s.done)
	}
	if s.task != nil && s.task.why == notWoken {
		s.task.wake(wokenByEnd) // it may wait under another's scope
	}
	for s.waiting != nil {
		s.waiting.wake(wokenByEnd)
	}
	// Children are linked newest first; end them in the order of their birth.
	last := s.children
	for last != nil && last.next != nil {
		last = last.next
	}
	for c := last; c != nil; {
		before := c.prev
		c.end(why)
		c = before
	}
}

// ended returns why a task cannot wait under s, if it cannot.
func (s *scope) ended(t *Task) error {
	if s.err != nil {
		return s.err
	}
	return t.scope.err
}

// refuse answers a wait that cannot be because of err.
func (t *Task) refuse(err error) error {
	if t.refusals++; t.refusals > refusalsMax {
		t.co.dying = true
		t.park()
	}
	return err
}

func (s *scope) expire() { s.end(context.DeadlineExceeded) }

// add notes that a task waits under the scope.
func (s *scope) add(t *Task) {
	t.under, t.nextIn, t.prevIn = s, s.waiting, nil
	if s.waiting != nil {
		s.waiting.prevIn = t
	}
	s.waiting = t
}

func (s *scope) remove(t *Task) {
	if t.prevIn != nil {
		t.prevIn.nextIn = t.nextIn
	} else {
		s.waiting = t.nextIn
	}
	if t.nextIn != nil {
		t.nextIn.prevIn = t.prevIn
	}
	t.under, t.nextIn, t.prevIn = nil, nil, nil
}

// Deadline implements context.Context, in the wall-clock time of the node.
func (s *scope) Deadline() (time.Time, bool) {
	if !s.bounded {
		return time.Time{}, false
	}
	return s.rt.host.Now().Add(s.deadline - s.rt.now), true
}

// Done implements context.Context. The channel is for jobs: a task does not
// receive from it, it waits for events.
func (s *scope) Done() <-chan struct{} {
	if s.done == nil {
		s.done = make(chan struct{})
		if s.err != nil {
			close(s.done)
		}
	}
	return s.done
}

// Err implements context.Context.
func (s *scope) Err() error { return s.err }

// Value implements context.Context.
func (s *scope) Value(key any) any {
	if key == (scopeKey{}) {
		return s
	}
	if s.outer != nil {
		return s.outer.Value(key)
	}
	return nil
}

// Remaining returns how long ctx lasts at most; ok is false if it has no
// deadline.
func Remaining(ctx context.Context) (d time.Duration, ok bool) {
	s := scopeOf(ctx)
	return max(0, s.deadline-s.rt.now), s.bounded
}

// WithCancel returns a context that ends with ctx or when cancel is called.
func WithCancel(ctx context.Context) (context.Context, context.CancelFunc) {
	parent := scopeOf(ctx)
	s := &scope{rt: parent.rt}
	s.adopt(ctx, parent)
	return s, func() {
		s.end(context.Canceled)
		s.leave()
	}
}

// WithTimeout returns a context that ends with ctx, when cancel is called, or
// after d with context.DeadlineExceeded.
func WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	c, cancel := WithCancel(ctx)
	c.(*scope).limit(d)
	return c, cancel
}

// limit gives the scope a deadline unless it has an earlier one.
func (s *scope) limit(d time.Duration) {
	if at := s.rt.now + d; s.err == nil && (!s.bounded || at < s.deadline) {
		s.deadline, s.bounded = at, true
		s.rt.timers.set(&s.timer, s, at)
	}
}
