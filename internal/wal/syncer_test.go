package wal

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
)

// deafFS has a Syncer that takes a time and wakes nobody.
type deafFS struct {
	env.FS
	take time.Duration
}

func (d deafFS) NewSyncer(func()) (env.Syncer, error) { return &deafSyncer{take: d.take}, nil }

type deafSyncer struct {
	take time.Duration
	ends atomic.Int64 // in nanoseconds since 1970
	told atomic.Bool
	err  error
}

func (d *deafSyncer) over() bool { return time.Now().UnixNano() >= d.ends.Load() }

func (d *deafSyncer) Start(f env.File, p []byte, offset int64, durable bool) bool {
	if _, d.err = f.WriteAt(p, offset); d.err == nil && durable {
		d.err = f.Sync()
	}
	d.told.Store(false)
	d.ends.Store(time.Now().Add(d.take).UnixNano())
	return true
}

func (d *deafSyncer) Done() (bool, error) { return d.over(), d.err }
func (d *deafSyncer) Poll() bool          { return d.over() && d.told.CompareAndSwap(false, true) }
func (d *deafSyncer) Close() error        { return nil }

// TestWorkersLookAtTheDisk: while all processors run workers, it is they who see that the
// disk is done. Who waits for a sync meanwhile does not end it early.
func TestWorkersLookAtTheDisk(t *testing.T) {
	const take = 10 * time.Millisecond
	workers := runtime.GOMAXPROCS(0)
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(deafFS{newFS(t), take}, workers)
		l := openLog(t, o)
		work := func() { // long enough for the worker to look at the time
			for range 2 * yieldEveryMax {
				l.Stream(0).Lock()
				l.Stream(0).Unlock() //nolint:staticcheck // what Unlock does is the point
			}
			synctest.Wait()
		}
		for i := range 3 {
			before := l.Durable()
			appendAtOnce(l, workers, o.HLC)
			elapse(t.Context(), take/2)
			work()
			l.wakeFlusher()
			synctest.Wait()
			if l.Durable() != before {
				t.Errorf("round %d is durable before the disk has it", i)
			}
			elapse(t.Context(), take)
			work()
			if l.Durable() == before {
				t.Errorf("round %d: nobody has seen that the disk is done", i)
			}
			elapse(t.Context(), time.Second) // it rests
		}
		done := make(chan error, 1)
		go func() { done <- l.Close() }()
		for closed := false; !closed; {
			elapse(t.Context(), take)
			l.wakeFlusher()
			select {
			case err := <-done:
				must(t, err)
				closed = true
			default:
			}
		}
	})
}

// TestRoundsInTheBackgroundKeepNoProcessor: a syncer writes them too, but for the one that is
// to be durable, which is the system's sync of all before it.
func TestRoundsInTheBackgroundKeepNoProcessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		syncers := &countingFS{FS: newFS(t)}
		o := testOptions(syncers, 1)
		o.SyncInterval, o.RoundInterval = 100*time.Millisecond, time.Millisecond
		l := openLog(t, o)
		for range 3 {
			before := l.Durable()
			appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut}})
			ts := o.HLC.Last()
			elapse(t.Context(), 2*o.RoundInterval)
			if l.Durable() != before {
				t.Error("a round is durable before it is synced")
			}
			elapse(t.Context(), o.SyncInterval)
			if l.Durable() < ts {
				t.Errorf("durable to %d, not to %d, after SyncInterval", l.Durable(), ts)
			}
		}
		must(t, l.Close())
		if syncers.started != 3 {
			t.Errorf("a syncer has written %d rounds in the background, want 3", syncers.started)
		}
	})
}

// countingFS counts the writes that its Syncers have done which are not durable.
type countingFS struct {
	env.FS
	started int
}

func (c *countingFS) NewSyncer(wake func()) (env.Syncer, error) {
	s, err := c.FS.(env.SyncerFS).NewSyncer(wake)
	return &countingSyncer{s, c}, err
}

type countingSyncer struct {
	env.Syncer
	fs *countingFS
}

func (c *countingSyncer) Start(f env.File, p []byte, offset int64, durable bool) bool {
	if !durable {
		c.fs.started++
	}
	return c.Syncer.Start(f, p, offset, durable)
}

// TestWhenWorkersYield: if all processors may be at work on transactions, or somebody waits for
// the disk.
func TestWhenWorkersYield(t *testing.T) {
	s := NewStreams(1)[0]
	g := &group{clock: env.RealClock()}
	for _, yielding := range []bool{false, true} {
		g.yielding.Store(yielding)
		if s.yieldNow(g) != yielding {
			t.Errorf("workers are to yield: %v, and one does: %v", yielding, !yielding)
		}
	}
	// Who gathers for a replica needs a processor of its own only while all are at work on transactions.
	for _, processors := range []int{1, 2} {
		clock := &hlc.Clock{}
		streams := NewStreams(2)
		g := newGatherer(t, GathererOptions{Streams: streams, Clock: clock, Time: env.RealClock(), Wake: func() {}})
		g.processors = processors
		for n := 1; n <= 2*uncrowdedRounds; n++ {
			appendTx(streams[1], clock, nil)
			g.Gather()
			if want := processors == 1 || n < uncrowdedRounds; g.yielding.Load() != want {
				t.Fatalf("one worker on %d processors yields after %d rounds: %v", processors, n, !want)
			}
		}
		appendTx(streams[0], clock, nil)
		appendTx(streams[1], clock, nil)
		if g.Gather(); !g.yielding.Load() {
			t.Errorf("two workers on %d processors do not yield", processors)
		}
	}
	for _, background := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			o := testOptions(newFS(t), 1)
			if background {
				o.SyncInterval, o.RoundInterval = time.Second, time.Millisecond
			}
			l := openLog(t, o)
			appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut}})
			elapse(t.Context(), 2*time.Millisecond)
			if want := !background || runtime.GOMAXPROCS(0) == 1; l.yielding.Load() != want {
				t.Errorf("synced in the background: %v, workers yield: %v", background, !want)
			}
			must(t, l.Close())
		})
	}
}
