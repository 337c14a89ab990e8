package wal

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env/faultfs"
)

// TestAdmitOnAFullDiskThatStalls: segments that are small for the number of streams do
// not have room for what all of them may append at once. If the disk is full then, that
// waits for room, and with durability in the background workers are held up for it. A
// large record is refused all the same: it could wait for ever.
func TestAdmitOnAFullDiskThatStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFS(t)
		o := testOptions(f, 8)
		o.SyncInterval = 10 * time.Millisecond
		l := openLog(t, o)
		must(t, l.Sync(t.Context()))
		appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut}})
		must(t, l.Sync(t.Context()))
		synctest.Wait() // until the next segment is prepared
		f.SetCapacity(1)
		for i := range o.Streams {
			_, err := admitTx(t.Context(), l, &o, i, []Write{{Kind: KindPut, Value: make([]byte, 60_000)}})
			must(t, err)
		}
		elapse(t.Context(), o.SyncInterval+2*StallMax)
		if gate := l.gate.Load(); gate&gateStalled == 0 || gate&gateDiskFull == 0 {
			t.Fatalf("the gate is %b", gate)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := l.Throttle(ctx); !errors.Is(err, dberr.ErrDiskFull) {
			t.Errorf("a small record: %v", err)
		}
		if err := l.Admit(ctx, 1<<20); !errors.Is(err, dberr.ErrDiskFull) {
			t.Errorf("a large record: %v", err)
		}
		f.SetCapacity(0)
		elapse(t.Context(), time.Second)
		must(t, l.Sync(t.Context()))
		must(t, l.Admit(ctx, 1<<20))
		l.Done(1 << 20)
		must(t, l.Close())
	})
}

// TestTruncationGoesOnAfterAnError: each operation of a truncation fails once. The next
// truncation does what is left.
func TestTruncationGoesOnAfterAnError(t *testing.T) {
	for _, kind := range []faultfs.OpKind{faultfs.OpStat, faultfs.OpRename, faultfs.OpRemove, faultfs.OpSyncDir} {
		for nth := 1; nth <= 3; nth++ {
			f := newFS(t)
			o := testOptions(f, 1)
			o.SparesMax = 2
			l := openLog(t, o)
			var last tx
			for range 6 {
				last = appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut, Value: make([]byte, o.SegmentBytes/2)}})
				must(t, l.Sync(background()))
			}
			// Who prepares it does nothing on the disk after its answer.
			waitFor(t, "the next segment", func() bool { return len(l.files.prepared) == 1 })
			f.Fail(kind, nth, 1, syscall.EIO)
			failed := l.TruncateBefore(last.ts)
			f.Heal()
			if failed == nil && nth == 1 {
				t.Errorf("%v %d failed, and nobody was told", kind, nth)
			}
			if err := l.TruncateBefore(last.ts); err != nil {
				t.Errorf("after %v %d had failed: %v", kind, nth, err)
			}
			if n := l.Stats().Segments; n != 1 {
				t.Errorf("after %v %d had failed: %d segments are left", kind, nth, n)
			}
			must(t, l.Close())
			_, _, err := recoverAll(f, last.ts)
			must(t, err)
		}
	}
}

// TestTruncationHoldsNobodyUp: what a truncation does on the disk can take long, and
// rounds go on meanwhile.
func TestTruncationHoldsNobodyUp(t *testing.T) {
	f := newFS(t)
	o := testOptions(f, 1)
	l := openLog(t, o)
	var last tx
	for range 4 {
		last = appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut, Value: make([]byte, o.SegmentBytes/2)}})
		must(t, l.Sync(t.Context()))
	}
	begun, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	waitFor(t, "the next segment", func() bool { return len(segmentNames(f)) == l.Stats().Segments+1 })
	f.SetHook(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpSyncDir {
			once.Do(func() {
				close(begun)
				<-held
			})
		}
		return nil
	})
	truncated := make(chan error)
	go func() { truncated <- l.TruncateBefore(last.ts) }()
	<-begun
	defer func() {
		close(held)
		must(t, <-truncated)
		if n := l.Stats().Segments; n > 2 {
			t.Errorf("%d segments are left", n)
		}
		must(t, l.Close())
	}()
	x := appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut}})
	waitFor(t, "a round", func() bool { return l.Durable() >= x.ts })
	must(t, l.Throttle(t.Context()))
}
