package quorum

import (
	"context"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// benchTask runs f as a task on a host whose time stands still.
func benchTask(b *testing.B, r *Runtime, f func(ctx context.Context)) {
	b.Helper()
	b.ReportAllocs()
	task := r.Go("bench", func(ctx context.Context) error { f(ctx); return nil })
	for !task.Decided() {
		r.Poll()
	}
	r.Kill()
}

// quorumWait makes three votes, two of which come while a task waits.
func quorumWait(ctx context.Context, b *testing.B) {
	voters := []NodeID{1, 2, 3}
	queue := NewQueue[*Votes[int]](ctx, "votes", 1)
	Go(ctx, "voter", func(ctx context.Context) error {
		for {
			v, err := queue.Get(ctx)
			if err != nil {
				return err
			}
			v.Add(2, 1, nil)
			v.Add(3, 1, nil)
		}
	})
	b.ResetTimer()
	for range b.N {
		v := NewVotes[int](ctx, "v", voters)
		rule := v.Majority(nil)
		v.Add(1, 1, nil)
		queue.TryPut(v)
		if err := rule.Wait(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkQuorumWait(b *testing.B) {
	r := NewRuntime(1, &testHost{})
	benchTask(b, r, func(ctx context.Context) { quorumWait(ctx, b) })
}

func BenchmarkQuorumWaitTraced(b *testing.B) {
	r := NewRuntime(1, &testHost{})
	r.Trace(NewRecorder())
	benchTask(b, r, func(ctx context.Context) { quorumWait(ctx, b) })
}

func BenchmarkSpawnAndWait(b *testing.B) {
	r := NewRuntime(1, &testHost{})
	benchTask(b, r, func(ctx context.Context) {
		f := func(ctx context.Context) error { return Yield(ctx) }
		b.ResetTimer()
		for range b.N {
			Go(ctx, "spawned", f).Wait(ctx)
		}
	})
}

func BenchmarkSwitch(b *testing.B) {
	r := NewRuntime(1, &testHost{})
	benchTask(b, r, func(ctx context.Context) {
		b.ResetTimer()
		for range b.N {
			Yield(ctx)
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
	inUse := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	before := inUse()
	for range tasks {
		r.Go("parked", func(ctx context.Context) error { return Sleep(ctx, time.Hour) })
	}
	for r.ready.n > 0 {
		r.Poll()
	}
	each := (inUse() - before) / tasks
	r.Kill()
	if each > 4096 {
		t.Errorf("%d bytes for a parked task", each)
	}
	t.Logf("%d bytes for a parked task", each)
}
