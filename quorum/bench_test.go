package quorum

import (
	"context"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// benchTask runs f as a task on a host whose time stands still. between is
// called between two rounds of the loop, where replies come in.
func benchTask(b *testing.B, r *Runtime, between func(), f func(ctx context.Context)) {
	b.Helper()
	b.ReportAllocs()
	task := r.Go("bench", func(ctx context.Context) error { f(ctx); return nil })
	for !task.Decided() {
		r.Poll()
		between()
	}
	r.Kill()
}

// quorumWait waits for a majority of three votes that come one after the other
// while the task is parked: the set of votes, the rule, parking, the votes,
// waking.
func quorumWait(b *testing.B, tracer Tracer) {
	r := NewRuntime(1, &testHost{})
	r.Trace(tracer)
	voters := []NodeID{1, 2, 3}
	var v *Votes[int]
	votes := func() {
		if v != nil {
			v.Add(1, 1, nil)
			v.Add(2, 1, nil)
			v.Add(3, 1, nil)
		}
	}
	benchTask(b, r, votes, func(ctx context.Context) {
		b.ResetTimer()
		for range b.N {
			v = NewVotes[int](ctx, "v", voters)
			if err := v.Majority(nil).Wait(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkQuorumWait(b *testing.B)       { quorumWait(b, nil) }
func BenchmarkQuorumWaitTraced(b *testing.B) { quorumWait(b, NewRecorder()) }

func BenchmarkSpawnAndWait(b *testing.B) {
	r := NewRuntime(1, &testHost{})
	benchTask(b, r, func() {}, func(ctx context.Context) {
		f := func(ctx context.Context) error { return Yield(ctx) }
		b.ResetTimer()
		for range b.N {
			if err := Go(ctx, "spawned", f).Wait(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSwitch(b *testing.B) {
	r := NewRuntime(1, &testHost{})
	benchTask(b, r, func() {}, func(ctx context.Context) {
		b.ResetTimer()
		for range b.N {
			if err := Yield(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkTimerSetCancel100k(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	var h timerHeap
	timers := make([]timer, 100_000)
	for i := range timers {
		h.set(&timers[i], nil, time.Duration(rng.Int64N(int64(time.Minute))))
	}
	// The deadlines are drawn beforehand: they are not what is measured.
	at := make([]time.Duration, 1<<16)
	for i := range at {
		at[i] = time.Duration(rng.Int64N(int64(time.Minute)))
	}
	var t timer
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		h.set(&t, nil, at[i&(len(at)-1)])
		h.cancel(&t)
	}
}

// A wait allocates nothing of its own, a set of votes is one allocation.
func TestQuorumWaitAllocatesOnce(t *testing.T) {
	r := NewRuntime(1, &testHost{})
	voters := []NodeID{1, 2, 3}
	var v *Votes[int]
	allocs := -1.0
	r.Go("test", func(ctx context.Context) error {
		Go(ctx, "voter", func(ctx context.Context) error {
			for {
				if v != nil {
					v.Add(2, 1, nil)
				}
				if err := Yield(ctx); err != nil {
					return err
				}
			}
		})
		allocs = testing.AllocsPerRun(1000, func() {
			v = NewVotes[int](ctx, "v", voters)
			rule := v.Majority(nil)
			v.Add(1, 1, nil)
			if err := rule.Wait(ctx); err != nil {
				t.Error(err)
			}
		})
		return nil
	})
	for r.Stats().TasksNow > 0 {
		r.Poll()
	}
	r.Kill()
	if allocs > 1 {
		t.Errorf("%v allocations", allocs)
	}
}

// A parked task is small: its coroutine's stack above all.
func TestParkedTaskIsSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("looks at the whole process's memory")
	}
	r := NewRuntime(1, &testHost{})
	const tasks = 20_000
	park := func() {
		for range tasks {
			r.Go("parked", func(ctx context.Context) error { return Sleep(ctx, time.Hour) })
		}
		for r.ready.n > 0 {
			r.Poll()
		}
	}
	inUse := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	// Go sizes new stacks by the average of those that it has seen in use. Let
	// it see those of tasks, not only those of a test.
	park()
	inUse()
	before := inUse()
	park()
	each := (inUse() - before) / tasks
	r.Kill()
	if each > parkedBytesMax {
		t.Errorf("%d bytes for a parked task", each)
	}
	t.Logf("bar: one parked task | %d bytes | at most %d", each, parkedBytesMax)
}
