package speculate

import "testing"

func BenchmarkWaitCertain(b *testing.B) {
	var c Course
	c.Advance(1)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_ = c.Wait(ctx, 1)
	}
}

func BenchmarkNotifyAdvance(b *testing.B) {
	var c Course
	tell := func(error) {}
	b.ReportAllocs()
	for at := Point(1); b.Loop(); at++ {
		c.Notify(at, tell)
		c.Advance(at)
	}
}

// A round of a log that lets out 64 who wait.
func BenchmarkNotify64Advance(b *testing.B) {
	var c Course
	tell := func(error) {}
	b.ReportAllocs()
	for at := Point(64); b.Loop(); at += 64 {
		for i := range Point(64) {
			c.Notify(at-i, tell)
		}
		c.Advance(at)
	}
}

func BenchmarkWaitAdvance(b *testing.B) {
	var c Course
	ctx := b.Context()
	go func() {
		for at := Point(1); ; at++ {
			if c.Wait(ctx, at) != nil {
				return
			}
		}
	}()
	b.ReportAllocs()
	for at := Point(1); b.Loop(); at++ {
		c.Advance(at)
	}
}

func BenchmarkUndoAdvance(b *testing.B) {
	var c Course
	run := func() {}
	b.ReportAllocs()
	for at := Point(1); b.Loop(); at++ {
		_ = c.Undo(at, run)
		c.Advance(at - min(at, 100))
	}
}

func BenchmarkSetState(b *testing.B) {
	var v Vector[int]
	var s Set[int]
	for key := range 3 {
		s.Add(key, 1)
		v.Course(key).Advance(1)
	}
	b.ReportAllocs()
	for b.Loop() {
		v.State(&s)
	}
}
