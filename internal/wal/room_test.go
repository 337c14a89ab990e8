package wal

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env/faultfs"
)

func TestPendingLimit(t *testing.T) {
	const mib, most = 1 << 20, 64 << 20
	for _, c := range []struct {
		left, kept, ahead int64
		streams           int
		want              int64
	}{
		{0, 0, 0, 2, 0}, // nothing to write to: everybody waits
		{0, 0, 64 * mib, 2, 64*mib - 2*streamRoom}, // the next one is ready
		{128 * mib, 0, 64 * mib, 2, most},
		{64 * mib, 0, 63 * mib, 2, 64*mib - 2*streamRoom}, // a round goes into one of them
		{mib, 0, 0, 2, mib - 2*streamRoom},                // near the end, and the next one is not ready
		{100 << 10, 0, 0, 2, 0},
		{mib, 0, mib, 256, mib / 2}, // small segments, many streams: it gets on all the same
		{mib, 0, 0, 256, 0},
		{mib, 10 * mib, 64 * mib, 2, 54*mib - 2*streamRoom}, // but for what is kept
		{mib, 64 * mib, 64 * mib, 2, 0},
		{mib, 1, mib, 256, 0},
	} {
		if got := pendingLimit(max(c.left, c.ahead), c.kept, c.ahead, c.streams, most); got != c.want {
			t.Errorf("%d bytes left, %d ahead, %d kept, %d streams: %d, want %d", c.left, c.ahead, c.kept, c.streams, got, c.want)
		}
	}
}

// admitTx appends a transaction in the way that workers do.
func admitTx(ctx context.Context, l *Log, o *Options, stream int, writes []Write) (tx, error) {
	n := txBytes(writes)
	if n < AdmitBytes {
		for s := l.Stream(stream); ; {
			s.Lock()
			if s.HasRoom() {
				defer s.Unlock()
				return appendLocked(s, o.HLC, writes), nil
			}
			s.Unlock()
			if err := l.Throttle(ctx); err != nil {
				return tx{}, err
			}
		}
	}
	if err := l.Admit(ctx, n); err != nil {
		return tx{}, err
	}
	defer l.Done(n)
	return appendTx(l.Stream(stream), o.HLC, writes), nil
}

// TestAdmittedHasRoom: records of up to many times a segment's size are admitted as
// long as the disk has room for them, and what was admitted gets durable in the room
// that is there.
func TestAdmittedHasRoom(t *testing.T) {
	f := newFS(t)
	o := testOptions(f, 2)
	o.SegmentBytes = 1 << 20
	o.OnFailure = func(err error) { t.Errorf("a full disk is no failure: %v", err) }
	const capacity = 40 << 20
	f.SetCapacity(capacity)
	l := openLog(t, o)
	var all []tx
	refused := 0
	for i, size := range []int{100, AdmitBytes, 900 << 10, 1 << 20, 100, 5 << 20, 16 << 20, 1 << 20, 16 << 20, 100, 3 << 20, 900 << 10, 100} {
		x, err := admitTx(t.Context(), l, &o, i%2, []Write{{Kind: KindPut, Value: make([]byte, size)}})
		if errors.Is(err, dberr.ErrDiskFull) {
			refused++
			continue
		}
		must(t, err)
		all = append(all, x)
		if err := l.Sync(t.Context()); err != nil {
			t.Fatalf("%d bytes were admitted, and have no room: %v", size, err)
		}
	}
	if refused == 0 || len(all) < 8 {
		t.Errorf("%d of %d were refused", refused, len(all)+refused)
	}
	if kept := l.files.mu.kept; kept != 0 {
		t.Errorf("%d bytes are kept for nobody", kept)
	}
	must(t, l.Close())
	_, got, err := recoverAll(f, 0)
	must(t, err)
	expect(t, got, all)
}

// TestAdmitIsRefused: by a disk without room for that much, by a context that ends, by
// a log that has failed.
func TestAdmitIsRefused(t *testing.T) {
	f := newFS(t)
	o := testOptions(f, 1)
	l := openLog(t, o)
	must(t, l.Sync(t.Context()))
	f.SetCapacity(f.UsedBytes() + 2<<20)
	if err := l.Admit(t.Context(), 4<<20); !errors.Is(err, dberr.ErrDiskFull) {
		t.Fatalf("4 MiB where 2 are left: %v", err)
	}
	must(t, l.Throttle(t.Context())) // that is no concern of others
	x, err := admitTx(t.Context(), l, &o, 0, []Write{{Kind: KindPut, Value: make([]byte, 1<<20)}})
	must(t, err)
	must(t, l.Sync(t.Context()))
	f.SetCapacity(0)
	must(t, l.Admit(t.Context(), 1<<20))
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error)
	go func() { waited <- l.Admit(ctx, 1<<20) }() // while the other one has the room
	waitFor(t, "the second one", func() bool {
		l.files.mu.Lock()
		defer l.files.mu.Unlock()
		return l.files.mu.kept == 2<<20
	})
	third, end := context.WithCancel(t.Context())
	end()
	if err := l.Admit(third, 1<<20); !errors.Is(err, context.Canceled) {
		t.Errorf("the third one: %v", err)
	}
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("the second one: %v", err)
	}
	l.Done(1 << 20)
	must(t, l.Throttle(t.Context()))
	must(t, l.Close())
	if err := l.Admit(t.Context(), 1<<20); !errors.Is(err, dberr.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	_, got, err := recoverAll(f, 0)
	must(t, err)
	expect(t, got, []tx{x})
}

// TestPreparedIsThere: a segment that counts as room can be had. Who needs it to be
// larger looks for it when he is told of it, and would not be told again.
func TestPreparedIsThere(t *testing.T) {
	for range 50 {
		o := testOptions(newFS(t), 1)
		o.SegmentBytes = 64 << 10
		l := openLog(t, o) // the first segment is being prepared
		for sf, ahead := l.files, int64(0); ahead == 0; {
			sf.mu.Lock()
			ahead = sf.mu.ahead
			if ahead > 0 && len(sf.prepared) == 0 {
				t.Fatal("it counts, and is not there")
			}
			sf.mu.Unlock()
		}
		must(t, l.Admit(t.Context(), 100<<10)) // in a larger one
		l.Done(100 << 10)
		must(t, l.Close())
	}
}

// TestAdmitWithoutASegment: if the next segment cannot be prepared, whoever needs it to
// be larger is told so, and others go on in the one that there is.
func TestAdmitWithoutASegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFS(t)
		o := testOptions(f, 1)
		o.SegmentBytes = 64 << 10
		l := openLog(t, o)
		synctest.Wait() // until the first one is prepared
		broken := errors.New("of the test")
		f.SetHook(func(op faultfs.Op) error {
			if strings.Contains(op.Name, sparePrefix) {
				return broken
			}
			return nil
		})
		appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut, Value: make([]byte, 100)}})
		must(t, l.Sync(t.Context())) // in the first segment; the second is being prepared
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := l.Admit(ctx, 100<<10); !errors.Is(err, broken) {
			t.Fatalf("admitted: %v", err)
		}
		must(t, l.Throttle(ctx))
		must(t, l.Close())
	})
}
