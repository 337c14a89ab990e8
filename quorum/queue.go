package quorum

import (
	"context"
	"errors"
)

// Queue hands values from tasks to tasks, first in, first out.
type Queue[T any] struct {
	rt     *Runtime
	name   string
	max    int
	items  []T
	head   int
	more   waiters // for an item
	room   waiters // for room
	closed bool
}

// waiters is the event that a queue or a lock changes: it is told again and
// again, and is never decided.
type waiters struct {
	base
	ready func() bool
	info  func(*WaitInfo)
}

func (w *waiters) outcome() Outcome {
	if w.ready() {
		return Won
	}
	return Pending
}

func (w *waiters) describe(i *WaitInfo) { w.info(i) }

// one tells the one who waits longest.
func (w *waiters) one() {
	if l := w.first; l != nil {
		w.detach(l)
		l.target.notify()
	}
}

// NewQueue returns a Queue of at most bound values. name is for traces. A bound
// of 0 is none, which the fail-slow checker reports.
func NewQueue[T any](ctx context.Context, name string, bound int) *Queue[T] {
	q := &Queue[T]{rt: scopeOf(ctx).rt, name: name, max: bound}
	info := func(w *WaitInfo) { w.Kind, w.What, w.K, w.N, w.Max = KindQueue, name, 1, 1, bound }
	q.more = waiters{base{rt: q.rt}, func() bool { return q.Len() > 0 || q.closed }, info}
	q.room = waiters{base{rt: q.rt}, func() bool { return q.max == 0 || q.Len() < q.max || q.closed }, info}
	return q
}

// Len returns how many values are in the Queue.
func (q *Queue[T]) Len() int { return len(q.items) - q.head }

// TryPut puts a value in if there is room: ErrOverloaded says there is not.
func (q *Queue[T]) TryPut(x T) error {
	if q.closed {
		return ErrClosed
	}
	if q.max > 0 && q.Len() >= q.max {
		return ErrOverloaded
	}
	if q.max == 0 && q.rt.tracer != nil {
		q.rt.traceUnbounded(&q.more)
	}
	if q.head > 0 && len(q.items) == cap(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, x)
	q.more.one()
	return nil
}

// Put puts a value in, when there is room.
func (q *Queue[T]) Put(ctx context.Context, x T) error {
	for {
		if err := q.TryPut(x); !errors.Is(err, ErrOverloaded) {
			return err
		}
		if err := Wait(ctx, &q.room); err != nil {
			return err
		}
	}
}

// Get takes the oldest value out, when there is one. ErrClosed says that there
// will be none.
func (q *Queue[T]) Get(ctx context.Context) (T, error) {
	for {
		if x, ok := q.TryGet(); ok {
			return x, nil
		}
		var zero T
		if q.closed {
			return zero, ErrClosed
		}
		if err := Wait(ctx, &q.more); err != nil {
			return zero, err
		}
	}
}

// TryGet takes the oldest value out if there is one.
func (q *Queue[T]) TryGet() (x T, ok bool) {
	if q.Len() == 0 {
		return x, false
	}
	var zero T
	x = q.items[q.head]
	q.items[q.head] = zero
	if q.head++; q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	q.room.one()
	return x, true
}

// Close ends the Queue: nothing goes in any more, what is in can be taken out.
func (q *Queue[T]) Close() {
	q.closed = true
	q.more.tell()
	q.room.tell()
}

// Lock is held by one task at a time, across waits. Between two waits nothing
// else runs and no lock is needed. A task that waits for others while it holds
// one makes all who want it wait too: the fail-slow checker reports it.
type Lock struct {
	held *Task
	free waiters
}

// NewLock returns a Lock. name is for traces.
func NewLock(ctx context.Context, name string) *Lock {
	l := &Lock{}
	l.free = waiters{base{rt: scopeOf(ctx).rt}, func() bool { return l.held == nil },
		func(w *WaitInfo) { w.Kind, w.What, w.K, w.N = KindLock, name, 1, 1 }}
	return l
}

// Lock takes the lock, when it is free.
func (l *Lock) Lock(ctx context.Context) error {
	t := l.free.rt.mustCurrent()
	for l.held != nil {
		if err := Wait(ctx, &l.free); err != nil {
			return err
		}
	}
	l.held = t
	t.locks++
	return nil
}

// Unlock gives the lock back.
func (l *Lock) Unlock() {
	l.held.locks--
	l.held = nil
	l.free.one()
}
