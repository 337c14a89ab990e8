package wal

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
)

// slowSyncs is a file system whose syncs take a time.
type slowSyncs struct {
	env.FS
	take time.Duration
}

func (s slowSyncs) Open(name string) (env.File, error) {
	f, err := s.FS.Open(name)
	return slowSync{f, s.take}, err
}

type slowSync struct {
	env.File
	take time.Duration
}

func (s slowSync) Sync() error {
	elapse(background(), s.take)
	return s.File.Sync()
}

// appendAtOnce appends on so many streams, as one for the flusher.
func appendAtOnce(l *Log, streams int, clock *hlc.Clock) {
	for i := range streams {
		l.Stream(i).Lock()
	}
	for i := range streams {
		appendLocked(l.Stream(i), clock, []Write{{Kind: KindPut}})
	}
	for i := range streams {
		l.Stream(i).Unlock()
	}
}

// TestBreaks: rounds that nobody waits for are half a sync's time apart, if all
// processors run workers. One that somebody waits for begins at once.
func TestBreaks(t *testing.T) {
	const take = 400 * time.Microsecond
	// A flusher that is woken while put holds other streams may nap for their locks.
	const nap = 50 * time.Microsecond
	workers := runtime.GOMAXPROCS(0)
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(slowSyncs{newFS(t), take}, workers)
		o.SegmentBytes = 1 << 20
		l := openLog(t, o)
		put := func(streams int) { appendAtOnce(l, streams, o.HLC) }
		work := func() { // long enough for the worker to look at the time
			for range 2 * yieldEveryMax {
				l.Stream(0).Lock()
				l.Stream(0).Unlock() //nolint:staticcheck // what Unlock does is the point
			}
		}
		pass := func(d time.Duration) {
			elapse(t.Context(), d)
			synctest.Wait()
		}
		var durable hlc.Timestamp
		expect := func(moved bool, when string) {
			t.Helper()
			if got := l.Durable(); got > durable != moved {
				t.Errorf("%s: a round has ended: %v, want %v", when, !moved, moved)
			}
			durable = l.Durable()
		}
		put(workers)
		pass(10 * time.Millisecond) // the first segment has begun
		durable = l.Durable()
		put(workers)
		pass(take + nap)
		expect(true, "the first round")
		put(workers)
		pass(take / 8)
		work()
		pass(take + take/8)
		expect(false, "in the break")
		work()
		pass(take + nap)
		expect(true, "a worker has ended the break")
		put(workers)
		pass(take + breakMax + take + nap)
		expect(true, "no worker has ended the break")
		put(workers)
		l.Hurry()
		pass(take + nap)
		expect(true, "in a hurry")
		if workers > 1 {
			pass(10 * take)
			put(1)
			pass(take + nap)
			expect(true, "one worker")
			put(1)
			pass(take + nap)
			expect(true, "one worker at work all the time")
		}
		must(t, l.Close())
	})
}
