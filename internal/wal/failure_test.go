package wal

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/hlc"
)

var errInjected = errors.New("injected")

// background is a context without end.
func background() context.Context { return context.Background() }

// fill appends until the log refuses, and returns what was let through.
func fill(t *testing.T, l *Log, o *Options) ([]tx, error) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	var all []tx
	for range 100000 {
		if err := l.Throttle(background()); err != nil {
			return all, err
		}
		all = append(all, appendTx(l.Stream(0), o.HLC, randomWrites(rng, 2000)))
		if len(all)%7 == 0 {
			if err := l.Sync(background()); err != nil {
				return all, err
			}
		}
	}
	t.Fatal("the log never refused")
	return nil, nil
}

func TestDiskFull(t *testing.T) {
	f := newFS(t)
	o := testOptions(f, 2)
	o.OnFailure = func(err error) { t.Errorf("a full disk is no failure: %v", err) }
	f.SetCapacity(f.UsedBytes() + 3*o.SegmentBytes)
	l := openLog(t, o)
	all, err := fill(t, l, &o)
	if !errors.Is(err, dberr.ErrDiskFull) {
		t.Fatalf("refused with %v", err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d transactions fitted", len(all))
	}
	// What was let through still gets durable in the room that is left, or waits.
	if err := l.Sync(background()); err != nil && !errors.Is(err, dberr.ErrDiskFull) {
		t.Fatal(err)
	}
	f.SetCapacity(6 * o.SegmentBytes)
	waitFor(t, "the log to go on", func() bool { return l.Throttle(background()) == nil })
	must(t, l.Sync(background()))
	more, err := fill(t, l, &o)
	if !errors.Is(err, dberr.ErrDiskFull) {
		t.Fatalf("refused with %v", err)
	}
	all = append(all, more...)
	// A checkpoint makes room.
	must(t, l.TruncateBefore(all[len(all)/2].ts))
	waitFor(t, "the log to go on", func() bool { return l.Throttle(background()) == nil })
	must(t, l.Sync(background()))
	must(t, l.Close())
	_, got, err := recoverAll(f, all[len(all)/2].ts)
	must(t, err)
	expect(t, got, all[len(all)/2+1:])
}

// TestSyncOnFullDisk: when no segment is left to write to, Sync says so at once
// and what is pending is written when there is room.
func TestSyncOnFullDisk(t *testing.T) {
	f := newFS(t)
	o := testOptions(f, 1)
	l := openLog(t, o)
	waitFor(t, "a segment", func() bool { return l.Sync(background()) == nil && len(segmentNames(f)) == 1 })
	f.SetCapacity(1)
	x := appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut, Value: make([]byte, o.SegmentBytes+1)}})
	if err := l.Sync(background()); !errors.Is(err, dberr.ErrDiskFull) {
		t.Fatalf("Sync without room: %v", err)
	}
	if l.Durable() >= x.ts {
		t.Fatal("durable although it was not written")
	}
	f.SetCapacity(0)
	waitFor(t, "the pending record", func() bool { return l.Durable() >= x.ts })
	must(t, l.Close())
	_, got, err := recoverAll(f, 0)
	must(t, err)
	expect(t, got, []tx{x})
}

func TestCloseOnFullDisk(t *testing.T) {
	f := newFS(t)
	o := testOptions(f, 1)
	l := openLog(t, o)
	first := appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut}})
	must(t, l.Sync(background()))
	waitFor(t, "the next segment", func() bool { return slices.Contains(f.Names(), segmentName(testDir, 2)) })
	f.SetCapacity(1)
	appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut, Value: make([]byte, o.SegmentBytes+1)}})
	if err := l.Close(); !errors.Is(err, dberr.ErrDiskFull) {
		t.Fatalf("Close with something pending that has no room: %v", err)
	}
	_, got, err := recoverAll(f, 0)
	must(t, err)
	expect(t, got, []tx{first})
}

// TestOpenOnFullDisk: a full disk does not keep a database from being opened and
// read.
func TestOpenOnFullDisk(t *testing.T) {
	f, all := writtenLog(t, 21, true)
	c, err := loadChain(f, testDir, testID, Reach{}, 0, func(err error) { t.Error(err) })
	must(t, err)
	for _, n := range c.unused {
		must(t, f.Remove(segmentName(testDir, n)))
	}
	f.SetCapacity(1)
	o := testOptions(f, 1)
	o.SegmentBytes = 99 * blockBytes // no file that is there will do
	l := openLog(t, o)
	waitFor(t, "a refusal", func() bool { return errors.Is(l.Throttle(background()), dberr.ErrDiskFull) })
	if l.Durable() < all[len(all)-1].ts {
		t.Fatal("what was recovered is not durable")
	}
	f.SetCapacity(0)
	waitFor(t, "the log to go on", func() bool { return l.Throttle(background()) == nil })
	all = append(all, appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut}}))
	must(t, l.Close())
	_, got, err := recoverAll(f, 0)
	must(t, err)
	expect(t, got, all)
}

// TestFailures lets an operation of each kind fail for good. The log fails with
// that error, once, keeps what was durable and says so to everybody.
func TestFailures(t *testing.T) {
	for _, kind := range []faultfs.OpKind{faultfs.OpWrite, faultfs.OpSync, faultfs.OpCreate, faultfs.OpRename, faultfs.OpSyncDir, faultfs.OpOpen} {
		eachMode(t, func(t *testing.T, syncInterval time.Duration) {
			f := newFS(t)
			o := testOptions(f, 2)
			o.SyncInterval = syncInterval
			o.Clock = hastyClock{o.Clock}
			var failures atomic.Int32
			o.OnFailure = func(err error) {
				if !errors.Is(err, dberr.ErrLogFailed) || !errors.Is(err, errInjected) {
					t.Errorf("%v: OnFailure(%v)", kind, err)
				}
				failures.Add(1)
			}
			l := openLog(t, o)
			first := appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut}})
			must(t, l.Sync(background()))
			f.Fail(kind, 1, 1<<30, errInjected)
			all, err := fill(t, l, &o)
			all = append([]tx{first}, all...)
			if !errors.Is(err, dberr.ErrLogFailed) || !errors.Is(err, errInjected) {
				t.Fatalf("%v: refused with %v", kind, err)
			}
			durable := l.Durable()
			f.Heal()
			for what, err := range map[string]error{
				"Throttle": l.Throttle(background()), "Sync": l.Sync(background()), "TruncateBefore": l.TruncateBefore(1), "Close": l.Close(),
			} {
				if !errors.Is(err, dberr.ErrLogFailed) || !errors.Is(err, errInjected) {
					t.Errorf("%v: %s after the failure: %v", kind, what, err)
				}
			}
			if failures.Load() != 1 || l.Durable() != durable {
				t.Errorf("%v: OnFailure was called %d times, durable went from %d to %d", kind, failures.Load(), durable, l.Durable())
			}
			found, got, err := recoverAll(f, 0)
			must(t, err)
			n := 0
			for n < len(all) && all[n].ts <= max(durable, found.Watermark) {
				n++
			}
			expect(t, got, all[:n])
		})
	}
}

// TestPassingErrors: preparing a segment may fail a few times without harm.
func TestPassingErrors(t *testing.T) {
	f := newFS(t)
	o := testOptions(f, 1)
	o.OnFailure = func(err error) { t.Error(err) }
	f.Fail(faultfs.OpCreate, 1, 1, syscall.EMFILE)
	f.Fail(faultfs.OpWrite, 1, 1, syscall.EIO)
	l := openLog(t, o)
	x := appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut}})
	must(t, l.Sync(background()))
	if l.Durable() < x.ts {
		t.Fatal("not durable after Sync")
	}
	must(t, l.Close())
	for _, name := range f.Names() {
		if strings.Contains(name, sparePrefix) {
			t.Errorf("%s is left over", name)
		}
	}
}

func TestShortWriteFails(t *testing.T) {
	f := newFS(t)
	o := testOptions(f, 1)
	l := openLog(t, o)
	first := appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut}})
	must(t, l.Sync(background()))
	f.SetHook(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpWrite {
			return &faultfs.ShortWrite{Bytes: op.Bytes / 2, Err: errInjected}
		}
		return nil
	})
	appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut, Value: randomBytes(rand.New(rand.NewPCG(1, 1)), 9000)}})
	if err := l.Sync(background()); !errors.Is(err, dberr.ErrLogFailed) {
		t.Fatalf("Sync after half a write: %v", err)
	}
	if err := l.Close(); !errors.Is(err, dberr.ErrLogFailed) {
		t.Fatalf("Close: %v", err)
	}
	_, got, err := recoverAll(f, 0)
	must(t, err)
	expect(t, got, []tx{first})
}

// TestThrottleHoldsWorkersUp blocks the disk until too much is pending.
func TestThrottleHoldsWorkersUp(t *testing.T) {
	f := newFS(t)
	o := testOptions(f, 2)
	o.PendingBytesMax = 4 * reportBytes
	o.SegmentBytes = 64 * reportBytes
	disk := make(chan struct{})
	var blocked atomic.Bool
	l := openLog(t, o)
	must(t, l.Sync(background()))
	appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut}})
	must(t, l.Sync(background()))
	f.SetHook(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpSync {
			blocked.Store(true)
			<-disk
		}
		return nil
	})
	value := make([]byte, reportBytes)
	appendTx(l.Stream(1), o.HLC, []Write{{Kind: KindPut, Value: value}})
	waitFor(t, "the disk to block", blocked.Load)
	ctx, cancel := context.WithCancel(background())
	cancel()
	// The sync that blocks may be that of a segment in preparation; then the round that
	// is being written still makes some of these no longer pending.
	for i := 0; !errors.Is(l.Throttle(ctx), context.Canceled); i++ {
		if i == 32 {
			t.Fatalf("Throttle lets through with %d bytes pending", l.Stats().PendingBytes)
		}
		appendTx(l.Stream(i%2), o.HLC, []Write{{Kind: KindPut, Value: value}})
	}
	if pending := l.Stats().PendingBytes; pending < o.PendingBytesMax {
		t.Errorf("Throttle holds workers up with %d bytes pending", pending)
	}
	if err := l.Sync(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("Sync with a cancelled context: %v", err)
	}
	through := make(chan error)
	go func() { through <- l.Throttle(background()) }()
	select {
	case err := <-through:
		t.Fatalf("let through while the disk is blocked: %v", err)
	default:
	}
	close(disk)
	must(t, <-through)
	must(t, l.Sync(background()))
	if s := l.Stats(); s.PendingBytes != 0 {
		t.Errorf("%d bytes are pending after a sync", s.PendingBytes)
	}
	must(t, l.Close())
}

func TestClosed(t *testing.T) {
	o := testOptions(newFS(t), 1)
	l := openLog(t, o)
	must(t, l.Close())
	if err := l.Throttle(background()); !errors.Is(err, dberr.ErrClosed) {
		t.Errorf("Throttle: %v", err)
	}
	if err := l.Sync(background()); !errors.Is(err, dberr.ErrClosed) {
		t.Errorf("Sync: %v", err)
	}
	if err := l.Close(); !errors.Is(err, dberr.ErrClosed) {
		t.Errorf("Close: %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"no FS":            func(o *Options) { o.FS = nil },
		"no streams":       func(o *Options) { o.Streams = nil },
		"mixed streams":    func(o *Options) { o.Streams = append(o.Streams, NewStreams(2)[0]) },
		"tiny segments":    func(o *Options) { o.SegmentBytes = blockBytes },
		"negative":         func(o *Options) { o.SyncInterval = -1 },
		"another database": func(o *Options) { o.ID[0]++ },
	} {
		o := testOptions(newFS(t), 1)
		found, _, err := recoverAll(o.FS, 0)
		must(t, err)
		change(&o)
		if _, err := Open(o, found); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a log without streams")
		}
	}()
	NewStreams(0)
}

// TestSegmentsAreRecycled writes many segments' worth and truncates behind
// itself: the folder must not grow, and files must be used again.
func TestSegmentsAreRecycled(t *testing.T) {
	f := newFS(t)
	o := testOptions(f, 1)
	o.SparesMax = 2
	l := openLog(t, o)
	var last hlc.Timestamp
	var all []tx
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 400 {
		all = append(all, appendTx(l.Stream(0), o.HLC, randomWrites(rng, 2000)))
		if i%4 == 3 {
			must(t, l.Sync(background()))
			last = l.Durable()
			must(t, l.TruncateBefore(last))
			if n := len(f.Names()); n > 7 { // with that of the reach
				t.Fatalf("%d files: %v", n, f.Names())
			}
		}
	}
	s := l.Stats()
	if s.Segments > 2 || s.SegmentBytes > 2*o.SegmentBytes || s.Rounds < 100 || s.Syncs < 100 || s.Bytes < 100*blockBytes {
		t.Errorf("stats %+v", s)
	}
	if q := s.SyncLatency.Quantile(0.5); q <= 0 || q > time.Second {
		t.Errorf("half of the syncs took up to %v", q)
	}
	segments := s.Bytes / uint64(o.SegmentBytes)
	if made := f.Count(faultfs.OpCreate) - 1; made > int(segments)/2 {
		t.Errorf("%d files were made for %d segments", made, segments)
	}
	must(t, l.Close())
	if _, _, err := recoverAll(f, 0); !errors.Is(err, dberr.ErrCorrupt) {
		t.Errorf("recovery from the start, which is gone: %v", err)
	}
	_, got, err := recoverAll(f, last)
	must(t, err)
	expect(t, got, nil)
	if all[len(all)-1].ts > last {
		t.Error("the last sync did not reach the last record")
	}
}

// TestRestartsTakeLittleSpace: each start begins a segment, and gives back what
// the one before it did not use.
func TestRestartsTakeLittleSpace(t *testing.T) {
	f := newFS(t)
	o := testOptions(f, 1)
	const starts = 20
	for range starts {
		o.Streams = NewStreams(1)
		l := openLog(t, o)
		appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut}})
		must(t, l.Sync(background()))
		var bytes int64
		waitFor(t, "the next segment", func() bool { return len(segmentNames(f)) == l.Stats().Segments+1 })
		for _, name := range segmentNames(f)[:l.Stats().Segments] {
			info, err := f.Stat(name)
			must(t, err)
			bytes += info.SizeBytes
		}
		if s := l.Stats(); s.SegmentBytes != bytes {
			t.Fatalf("stats say %d bytes in %d segments, the files have %d", s.SegmentBytes, s.Segments, bytes)
		}
		must(t, l.Close())
	}
	if used := f.UsedBytes(); used > 3*o.SegmentBytes+starts*4*blockBytes {
		t.Errorf("%d starts take %d bytes", starts, used)
	}
}

// TestRoundsArePreallocated: a segment that is ready has its full size on the
// disk, and no round makes its file grow.
func TestRoundsArePreallocated(t *testing.T) {
	f := newFS(t)
	o := testOptions(f, 1)
	f.SetHook(func(op faultfs.Op) error {
		if op.Kind != faultfs.OpWrite || !strings.HasSuffix(op.Name, segmentSuffix) {
			return nil
		}
		left := f.Crash(rand.New(rand.NewPCG(uint64(op.N), 1)))
		info, err := left.Stat(op.Name)
		if err != nil || info.SizeBytes < op.Offset+int64(op.Bytes) {
			t.Errorf("%v: on the disk are %d bytes, %v", op, info.SizeBytes, err)
		}
		if op.Offset%blockBytes != 0 || op.Bytes%blockBytes != 0 {
			t.Errorf("%v is not of whole blocks", op)
		}
		return nil
	})
	l := openLog(t, o)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		appendTx(l.Stream(0), o.HLC, randomWrites(rng, 3000))
		must(t, l.Sync(background()))
	}
	must(t, l.Close())
}

// hastyClock fires its timers early.
type hastyClock struct{ env.Clock }

func (c hastyClock) NewTimer(d time.Duration) env.Timer { return hastyTimer{c.Clock.NewTimer(d / 50)} }

type hastyTimer struct{ env.Timer }

func (t hastyTimer) Reset(d time.Duration) { t.Timer.Reset(d / 50) }
