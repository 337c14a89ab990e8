package quorum

import (
	"context"
	"errors"
	"time"
)

// Value is an event that carries a value: won by Set, lost by Fail. It is how
// one task hands a result to others.
type Value[T any] struct {
	base
	v    T
	kind Kind
	from NodeID // of a reply
	name string
	drop func() // what Drop does
}

// NewValue returns a pending Value. name is for traces.
func NewValue[T any](ctx context.Context, name string) *Value[T] {
	return newValue[T](scopeOf(ctx).rt, KindValue, name)
}

func newValue[T any](r *Runtime, kind Kind, name string) *Value[T] {
	return &Value[T]{base: base{rt: r}, kind: kind, name: name}
}

// Set decides the Value; the first decision counts and returns true.
func (v *Value[T]) Set(x T) bool {
	if v.state != Pending {
		return false
	}
	v.v = x
	return v.win()
}

// Fail decides the Value against it; the first decision counts and returns true.
func (v *Value[T]) Fail(err error) bool { return v.lose(err) }

// Get returns what the Value holds: the zero value unless it is won.
func (v *Value[T]) Get() T { return v.v }

// Wait waits until the Value is decided and returns what it holds.
func (v *Value[T]) Wait(ctx context.Context) (T, error) {
	if err := Wait(ctx, v); err != nil {
		var zero T
		return zero, err
	}
	return v.v, nil
}

// WaitFor is Wait with a limit.
func (v *Value[T]) WaitFor(ctx context.Context, d time.Duration) (T, error) {
	if err := WaitFor(ctx, v, d); err != nil {
		var zero T
		return zero, err
	}
	return v.v, nil
}

// Drop tells that nobody wants the reply or result any more: what it still
// occupies is given back and the Value fails with ErrLost.
func (v *Value[T]) Drop() {
	if v.drop != nil && v.state == Pending {
		v.drop()
	}
	v.Fail(ErrLost)
}

func (v *Value[T]) describe(w *WaitInfo) {
	w.Kind, w.What, w.K, w.N, w.Peer = v.kind, v.name, 1, 1, v.from
}

// Timeout is an event that is won when its time has come.
type Timeout struct {
	base
	timer timer
	at    time.Duration
}

// After returns a Timeout that is won in d.
func After(ctx context.Context, d time.Duration) *Timeout {
	t := &Timeout{}
	t.rt = scopeOf(ctx).rt
	t.Reset(d)
	return t
}

// Reset makes the Timeout be won in d from now, even if it was won before.
func (t *Timeout) Reset(d time.Duration) {
	t.state = Pending
	t.at = t.rt.now + max(d, 0)
	t.rt.timers.set(&t.timer, t, t.at)
}

// Stop keeps the Timeout from being won, until Reset.
func (t *Timeout) Stop() { t.rt.timers.cancel(&t.timer) }

func (t *Timeout) expire() { t.win() }

func (t *Timeout) describe(w *WaitInfo) { w.Kind, w.K, w.N = KindTime, 1, 1 }

// Sleep waits for d to pass. It fails only if ctx ends.
func Sleep(ctx context.Context, d time.Duration) error {
	t := scopeOf(ctx).rt.mustCurrent()
	err := wait(ctx, &t.pause, max(d, 0))
	if errors.Is(err, ErrTimeout) {
		return nil
	}
	return err
}

// pause is the event of Sleep: it never happens.
type pause struct{}

func (*pause) outcome() Outcome     { return Pending }
func (*pause) Err() error           { return nil }
func (*pause) attach(*listener)     {}
func (*pause) detach(*listener)     {}
func (*pause) describe(w *WaitInfo) { w.Kind, w.K, w.N = KindTime, 1, 1 }

// describe makes a Task an Event.
func (t *Task) describe(w *WaitInfo) { w.Kind, w.What, w.K, w.N = KindTask, t.name, 1, 1 }

// Blocking starts a job beside the loop, where it may block on a disk, and
// returns the event of its end. kind and name are for traces: KindDisk, or
// KindJob for something else. The job must not touch what belongs to the loop;
// it has no way to be cancelled but what the caller gives it.
func Blocking[T any](ctx context.Context, kind Kind, name string, job func() (T, error)) *Value[T] {
	r := scopeOf(ctx).rt
	v := newValue[T](r, kind, name)
	if r.jobs >= jobsMax {
		r.stats.JobsFailed++
		v.Fail(ErrOverloaded)
		return v
	}
	r.jobs++
	r.stats.JobsNow++
	var result T
	var err error
	r.host.Go(func() { result, err = job() }, func() {
		r.jobs--
		r.stats.JobsNow--
		if err != nil {
			v.Fail(err)
		} else {
			v.Set(result)
		}
	})
	return v
}

// jobsMax bounds the jobs of a Runtime that have not ended. Beyond it Blocking
// fails at once.
const jobsMax = 1024

// Disk is Blocking for a write or sync of the node's own disk.
func Disk(ctx context.Context, name string, job func() error) *Value[struct{}] {
	return Blocking(ctx, KindDisk, name, func() (struct{}, error) { return struct{}{}, job() })
}
