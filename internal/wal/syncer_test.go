package wal

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitdb/godwit/internal/env"
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

func (d *deafSyncer) Start(f env.File, p []byte, offset int64) bool {
	if _, d.err = f.WriteAt(p, offset); d.err == nil {
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
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(deafFS{newFS(t), take}, 1)
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
			appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut}})
			synctest.Wait()
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
