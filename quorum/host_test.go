package quorum

import (
	"context"
	"errors"
	"testing"
	"time"
)

// testHost is a Host whose time passes when there is nothing else to do.
type testHost struct {
	now   time.Duration
	posts []func()
	seed  uint64
	pick  func(n int) int
}

func (h *testHost) Elapsed() time.Duration { return h.now }
func (h *testHost) Now() time.Time         { return time.Unix(1e9, 0).Add(h.now) }
func (h *testHost) Post(f func())          { h.posts = append(h.posts, f) }
func (h *testHost) Here(f func())          { h.Post(f) }
func (h *testHost) Go(job, done func())    { h.Post(func() { job(); h.Post(done) }) }

func (h *testHost) Uint64() uint64 {
	h.seed = h.seed*6364136223846793005 + 1442695040888963407
	return h.seed
}

func (h *testHost) Pick(n int) int {
	if h.pick != nil {
		return h.pick(n)
	}
	return 0
}

// run runs a Runtime until nothing happens any more, or until a time.
func (h *testHost) run(r *Runtime, until time.Duration) {
	for {
		posts := h.posts
		h.posts = nil
		for _, f := range posts {
			f()
		}
		sleep := r.Poll()
		switch {
		case len(h.posts) > 0 || sleep == 0:
		case sleep < 0 || h.now+sleep > until:
			return
		default:
			h.now += sleep
		}
	}
}

// play runs f as a task until an hour has passed. Everything that f has started
// must have ended by then.
func play(t *testing.T, f func(ctx context.Context)) {
	t.Helper()
	h := &testHost{}
	r := NewRuntime(1, h)
	task := r.Go("test", func(ctx context.Context) error { f(ctx); return nil })
	h.run(r, time.Hour)
	if !task.Decided() {
		t.Fatal("the test's task still waits")
	}
	if n := r.Stats().TasksNow; n != 0 {
		t.Fatalf("%d tasks were left behind", n)
	}
	if n := len(r.timers.entries); n != 0 {
		t.Fatalf("%d timers were left behind", n)
	}
	r.Kill()
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error %v, want %v", got, want)
	}
}
