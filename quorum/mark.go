package quorum

import (
	"cmp"
	"context"
	"slices"
)

// Watermark is a number that only grows, and tasks wait for it to get somewhere.
type Watermark struct {
	rt      *Runtime
	name    string
	value   uint64
	waiting []*Reached // by what they wait for
	kind    Kind
	k, n    int
}

// NewWatermark returns a Watermark at a value. name is for traces.
func NewWatermark(ctx context.Context, name string, value uint64) *Watermark {
	return &Watermark{rt: scopeOf(ctx).rt, name: name, value: value, kind: KindValue, k: 1, n: 1}
}

// Behind tells, for traces, what is behind the Watermark's progress: KindDisk
// for the own disk, KindQuorum for k of n nodes.
func (w *Watermark) Behind(kind Kind, k, n int) { w.kind, w.k, w.n = kind, k, n }

// Value returns where the Watermark is.
func (w *Watermark) Value() uint64 { return w.value }

// Advance moves the Watermark up to a value and returns whether it has moved.
func (w *Watermark) Advance(to uint64) bool {
	if to <= w.value {
		return false
	}
	w.value = to
	done := 0
	for done < len(w.waiting) && w.waiting[done].at <= to {
		done++
	}
	if done > 0 {
		reached := slices.Clone(w.waiting[:done])
		w.waiting = slices.Delete(w.waiting, 0, done)
		for _, r := range reached {
			r.listening = 0
			r.state = Won
			r.tell()
		}
	}
	return true
}

// Fail makes all who wait lose, with err. Who comes later can wait again.
func (w *Watermark) Fail(err error) {
	lost := w.waiting
	w.waiting = nil
	for _, r := range lost {
		r.listening = 0
		r.lose(err)
	}
}

// Wait waits until the Watermark is at or above a value.
func (w *Watermark) Wait(ctx context.Context, value uint64) error {
	if w.value >= value && w.rt.tracer == nil && scopeOf(ctx).err == nil {
		return nil
	}
	return Wait(ctx, w.Reached(value))
}

// Reached returns the event that the Watermark is at or above a value.
func (w *Watermark) Reached(value uint64) *Reached {
	return &Reached{base: base{rt: w.rt}, mark: w, at: value}
}

// Reached is an event of a Watermark. Like a Group, it costs the Watermark
// something only while somebody waits for it.
type Reached struct {
	base
	mark      *Watermark
	at        uint64
	listening int
}

func (r *Reached) outcome() Outcome {
	if r.state == Pending && r.mark.value >= r.at {
		r.state = Won
	}
	return r.state
}

func (r *Reached) find() (int, bool) {
	i, _ := slices.BinarySearchFunc(r.mark.waiting, r.at, func(x *Reached, at uint64) int { return cmp.Compare(x.at, at) })
	for ; i < len(r.mark.waiting) && r.mark.waiting[i].at == r.at; i++ {
		if r.mark.waiting[i] == r {
			return i, true
		}
	}
	return i, false
}

func (r *Reached) attach(l *listener) {
	r.base.attach(l)
	if r.listening++; r.listening == 1 {
		i, _ := r.find()
		r.mark.waiting = slices.Insert(r.mark.waiting, i, r)
	}
}

func (r *Reached) detach(l *listener) {
	if l.on != &r.base {
		return
	}
	r.base.detach(l)
	if r.listening--; r.listening == 0 {
		if i, ok := r.find(); ok {
			r.mark.waiting = slices.Delete(r.mark.waiting, i, i+1)
		}
	}
}

func (r *Reached) describe(w *WaitInfo) {
	w.Kind, w.What, w.K, w.N = r.mark.kind, r.mark.name, r.mark.k, r.mark.n
}
