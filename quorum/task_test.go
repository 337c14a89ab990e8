package quorum

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestDeadlinesAreVirtual(t *testing.T) {
	play(t, func(ctx context.Context) {
		r := RuntimeOf(ctx)
		outer, cancel := WithTimeout(ctx, 10*time.Minute)
		defer cancel()
		inner, cancelInner := WithTimeout(outer, 20*time.Minute) // the outer one counts
		defer cancelInner()
		if d, ok := Remaining(inner); d != 10*time.Minute || !ok {
			t.Error(d, ok)
		}
		if at, ok := inner.Deadline(); !ok || at.Sub(r.Host().Now()) != 10*time.Minute {
			t.Error(at, ok)
		}
		wantErr(t, NewValue[int](ctx, "never").waitErr(inner), context.DeadlineExceeded)
		if r.Elapsed() != 10*time.Minute {
			t.Error(r.Elapsed())
		}
		wantErr(t, inner.Err(), context.DeadlineExceeded)
		<-inner.Done()
		wantErr(t, Sleep(ctx, time.Second), nil) // the task itself lives on
		if _, ok := ctx.Deadline(); ok {
			t.Error("a deadline from nowhere")
		}
	})
}

func (v *Value[T]) waitErr(ctx context.Context) error { return Wait(ctx, v) }

func TestContextsOfThePackageContext(t *testing.T) {
	type key struct{}
	play(t, func(ctx context.Context) {
		with := context.WithValue(ctx, key{}, "x")
		inner, cancel := WithTimeout(with, time.Second)
		defer cancel()
		if inner.Value(key{}) != "x" {
			t.Error("the value is lost")
		}
		wantErr(t, Sleep(inner, time.Minute), context.DeadlineExceeded)
		ended, end := context.WithCancel(with)
		end()
		wantErr(t, Sleep(ended, time.Second), context.Canceled)
		// One that ends during the wait.
		later, end := context.WithCancel(with)
		Go(ctx, "ends it", func(ctx context.Context) error {
			defer end()
			return Sleep(ctx, time.Second)
		})
		before := RuntimeOf(ctx).Elapsed()
		wantErr(t, Sleep(later, time.Minute), context.Canceled)
		if d := RuntimeOf(ctx).Elapsed() - before; d != time.Second {
			t.Error(d)
		}
		if n := len(RuntimeOf(ctx).foreign); n != 0 {
			t.Errorf("%d contexts are still watched", n)
		}
	})
}

func TestChildrenEndWithTheirParent(t *testing.T) {
	play(t, func(ctx context.Context) {
		var log []string
		forever := func(name string) func(context.Context) error {
			return func(ctx context.Context) error {
				err := Sleep(ctx, 24*time.Hour)
				log = append(log, fmt.Sprint(name, " ", err))
				return err
			}
		}
		var child *Task
		parent := Go(ctx, "parent", func(ctx context.Context) error {
			child = Go(ctx, "child", func(ctx context.Context) error {
				Go(ctx, "grandchild", forever("grandchild"))
				return forever("child")(ctx)
			})
			return Sleep(ctx, time.Minute)
		})
		wantErr(t, parent.Wait(ctx), nil)
		wantErr(t, child.Wait(ctx), context.Canceled)
		wantErr(t, Yield(ctx), nil)
		wantErr(t, Yield(ctx), nil)
		if len(log) != 2 {
			t.Error(log)
		}
		other := Go(ctx, "other", forever("other"))
		wantErr(t, Yield(ctx), nil)
		other.Cancel()
		other.Cancel()
		wantErr(t, other.Wait(ctx), context.Canceled)
		never := Go(ctx, "never", func(context.Context) error { t.Error("it began"); return nil })
		never.Cancel()
		wantErr(t, never.Wait(ctx), context.Canceled)
	})
}

// Tasks that do not look at the errors of their waits end all the same, with
// their deferred functions, whatever they do.
func TestCancellationAlwaysUnwinds(t *testing.T) {
	before := runtime.NumGoroutine()
	tries, deferred := 0, 0
	stubborn := map[string]func(ctx context.Context){
		"a loop": func(ctx context.Context) {
			for {
				_ = Sleep(ctx, time.Second)
				tries++
			}
		},
		"a loop that recovers": func(ctx context.Context) {
			for {
				func() {
					defer func() { _ = recover() }()
					_ = Sleep(ctx, time.Second)
					tries++
				}()
			}
		},
		"a deferred function that waits": func(ctx context.Context) {
			defer func() {
				for {
					_ = Sleep(ctx, time.Second)
				}
			}()
			for {
				_ = Sleep(ctx, time.Minute)
				_ = Yield(ctx)
			}
		},
		"a wait under a context of another task": func(ctx context.Context) {
			outer := ctx.Value(scopeKey{}).(*scope).parent
			for {
				_ = Sleep(outer, time.Hour)
			}
		},
	}
	for name, f := range stubborn {
		play(t, func(ctx context.Context) {
			task := Go(ctx, name, func(ctx context.Context) error {
				defer func() { deferred++ }()
				f(ctx)
				return nil
			})
			wantErr(t, Sleep(ctx, time.Second), nil)
			task.Cancel()
			wantErr(t, task.Wait(ctx), ErrClosed)
			if RuntimeOf(ctx).Elapsed() != time.Second {
				t.Errorf("%s: it took until %v", name, RuntimeOf(ctx).Elapsed())
			}
			if n := RuntimeOf(ctx).Stats().Unwound; n != 1 {
				t.Errorf("%s: %d unwound", name, n)
			}
		})
	}
	if deferred != len(stubborn) {
		t.Errorf("%d of %d deferred functions ran", deferred, len(stubborn))
	}
	if tries > 3*refusalsMax+3 {
		t.Errorf("%d tries", tries)
	}
	// The coroutines are gone, not parked. Goroutines take a moment to exit.
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// A task under a timeout that has run out ends too if it spins.
func TestExpiredTimeoutDoesNotSpin(t *testing.T) {
	play(t, func(ctx context.Context) {
		spinner := Go(ctx, "spinner", func(ctx context.Context) error {
			short, cancel := WithTimeout(ctx, time.Second)
			defer cancel()
			for {
				_ = Sleep(short, time.Minute)
			}
		})
		wantErr(t, spinner.Wait(ctx), ErrClosed)
	})
}

func TestKillEndsEverything(t *testing.T) {
	h := &testHost{}
	r := NewRuntime(1, h)
	deferred := 0
	for i := range 10 {
		r.Go("task", func(ctx context.Context) error {
			defer func() { deferred++ }()
			if i%2 == 0 {
				Go(ctx, "child", func(ctx context.Context) error { return Sleep(ctx, time.Hour) })
			}
			_ = Sleep(ctx, time.Hour)
			t.Error("it went on")
			return nil
		})
	}
	r.Poll()
	r.Go("not begun", func(context.Context) error { t.Error("it began"); return nil })
	r.Kill()
	if deferred != 10 || r.Stats().TasksNow != 0 {
		t.Errorf("%d ended, %d tasks", deferred, r.Stats().TasksNow)
	}
}

// A task that never has to wait lets others run.
func TestImmediateWaitsAreFair(t *testing.T) {
	play(t, func(ctx context.Context) {
		v := NewValue[int](ctx, "v")
		v.Set(1)
		others := 0
		Go(ctx, "other", func(ctx context.Context) error { others++; return nil })
		for range immediateMax + 1 {
			_, _ = v.Wait(ctx)
		}
		if others != 1 {
			t.Error("the other task starves")
		}
	})
}

// The scheduler's choice decides the order, and every choice is possible.
func TestPickDecidesTheOrder(t *testing.T) {
	h := &testHost{pick: func(n int) int { return n - 1 }}
	r := NewRuntime(1, h)
	var got []int
	for i := range 4 {
		r.Go("task", func(context.Context) error { got = append(got, i); return nil })
	}
	r.Poll()
	if len(got) != 4 || got[0] != 3 {
		t.Error(got)
	}
}

func TestRealLoop(t *testing.T) {
	r, stop := Start(1)
	var bytes int
	err := r.Run(context.Background(), "main", func(ctx context.Context) error {
		job := Blocking(ctx, KindDisk, "job", func() (int, error) { return 42, nil })
		if err := Sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
		var err error
		bytes, err = job.Wait(ctx)
		return err
	})
	if err != nil || bytes != 42 {
		t.Fatal(bytes, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	wantErr(t, r.Run(ctx, "cancelled", func(ctx context.Context) error { return Sleep(ctx, time.Hour) }), context.Canceled)
	// Contexts of package context are obeyed too, when they end outside of the loop.
	err = r.Run(context.Background(), "short", func(ctx context.Context) error {
		short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
		defer cancel()
		return Sleep(short, time.Hour)
	})
	wantErr(t, err, context.DeadlineExceeded)
	go func() { // stop cancels what still runs
		stop()
	}()
	err = r.Run(context.Background(), "long", func(ctx context.Context) error { return Sleep(ctx, time.Hour) })
	wantErr(t, err, ErrClosed)
	wantErr(t, r.Run(context.Background(), "late", func(ctx context.Context) error { return nil }), ErrClosed)
}

// Nothing of a Runtime is left when it is stopped, however many tasks it had at once.
func TestStopLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	r, stop := Start(1)
	err := r.Run(context.Background(), "main", func(ctx context.Context) error {
		var tasks []Event
		for range 200 {
			tasks = append(tasks, Go(ctx, "task", func(ctx context.Context) error { return Yield(ctx) }))
		}
		for range 50 {
			r.Go("not ended", func(ctx context.Context) error { return Sleep(ctx, time.Hour) })
		}
		return Wait(ctx, And(tasks...))
	})
	wantErr(t, err, nil)
	var both sync.WaitGroup
	both.Go(stop)
	both.Go(stop) // again does nothing, but waits too
	both.Wait()
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, there were %d", runtime.NumGoroutine(), before)
		}
	}
}

func TestWaitOutsideOfATaskPanics(t *testing.T) {
	h := &testHost{}
	r := NewRuntime(1, h)
	defer func() {
		if recover() == nil {
			t.Error("it waited")
		}
		r.Kill()
	}()
	_ = Sleep(&r.root, time.Second)
}
