package wal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/hlc"
)

// roomLoad is workers that append records of all sizes to a log, on a disk whose
// syncs take time and whose room comes and goes, while the log is truncated.
type roomLoad struct {
	log *Log
	opt Options
	fs  *faultfs.FS
	// roomy: segments are large enough for what all streams may append at once, so
	// that what was appended never waits for room.
	roomy     bool
	truncated hlc.Timestamp
	refused   atomic.Int64
	mu        struct {
		sync.Mutex
		appended []tx
	}
}

// size draws the length of a value: small ones, ones below and above what room is kept
// for, ones about as large as a segment, and larger ones.
func (r *roomLoad) size(rng *rand.Rand) int {
	switch n := rng.IntN(20); {
	case n < 8:
		return rng.IntN(2000)
	case n < 14:
		return AdmitBytes - rng.IntN(8000)
	case n < 17:
		return AdmitBytes + rng.IntN(100_000)
	case n < 19:
		return int(r.opt.SegmentBytes) + rng.IntN(3*blockBytes) - 2*blockBytes
	default:
		return int(r.opt.SegmentBytes) + rng.IntN(1<<20)
	}
}

// append appends a record to any stream. With one that room is kept for it takes its time, as
// a worker does that has to wait for a stream.
func (r *roomLoad) append(ctx context.Context, rng *rand.Rand, writes []Write) (tx, error) {
	stream, n := rng.IntN(len(r.opt.Streams)), txBytes(writes)
	if n < AdmitBytes {
		return admitTx(ctx, r.log, &r.opt, stream, writes)
	}
	if err := r.log.Admit(ctx, n); err != nil {
		return tx{}, err
	}
	defer r.log.Done(n)
	elapse(ctx, time.Duration(rng.IntN(5000))*time.Microsecond)
	return appendTx(r.log.Stream(stream), r.opt.HLC, writes), nil
}

// work appends records until it has tried often enough, and returns what went wrong.
func (r *roomLoad) work(ctx context.Context, rng *rand.Rand, tries int) error {
	for range tries {
		size := r.size(rng)
		x, err := r.append(ctx, rng, []Write{{Kind: KindPut, Value: make([]byte, size)}})
		switch {
		case errors.Is(err, dberr.ErrDiskFull):
			r.refused.Add(1)
			elapse(ctx, time.Duration(rng.IntN(200))*time.Millisecond)
			continue
		case err != nil:
			return fmt.Errorf("a record of %d bytes: %w", size, err)
		}
		r.mu.Lock()
		r.mu.appended = append(r.mu.appended, x)
		r.mu.Unlock()
		if rng.IntN(6) == 0 {
			if err := r.log.Sync(ctx); err != nil && (r.roomy || !errors.Is(err, dberr.ErrDiskFull)) {
				return fmt.Errorf("sync of what was appended: %w", err)
			}
		}
		elapse(ctx, time.Duration(rng.IntN(2000))*time.Microsecond)
	}
	return nil
}

// disturb changes the disk's room and truncates the log until done is closed.
func (r *roomLoad) disturb(ctx context.Context, rng *rand.Rand, done <-chan struct{}) error {
	for {
		select {
		case <-done:
			r.fs.SetCapacity(0)
			return nil
		default:
		}
		elapse(ctx, time.Duration(rng.IntN(50))*time.Millisecond)
		switch rng.IntN(4) {
		case 0:
			r.fs.SetCapacity(0)
		case 1:
			r.fs.SetCapacity(r.fs.UsedBytes() + 1)
		case 2:
			r.fs.SetCapacity(r.fs.UsedBytes() + rng.Int64N(4*r.opt.SegmentBytes))
		case 3:
			r.truncated = r.log.Durable()
			if err := r.log.TruncateBefore(r.truncated); err != nil {
				return err
			}
		}
	}
}

// TestRoomUnderLoad: nobody waits for ever, whatever the size of segments and records,
// and on a full disk too; what is admitted gets durable, and where segments are large
// enough for it, without having to wait for room.
func TestRoomUnderLoad(t *testing.T) {
	seeds := uint64(2)
	if testing.Short() {
		seeds = 1
	}
	for _, c := range []struct {
		streams      int
		segmentBytes int64
		roomy        bool
	}{{1, 64 << 10, false}, {3, 64 << 10, false}, {8, 256 << 10, false}, {2, 1 << 20, true}} {
		for seed := range seeds {
			eachMode(t, func(t *testing.T, syncInterval time.Duration) {
				synctest.Test(t, func(t *testing.T) {
					r := &roomLoad{fs: newFS(t), roomy: c.roomy}
					r.opt = testOptions(r.fs, c.streams)
					r.opt.SegmentBytes, r.opt.SyncInterval = c.segmentBytes, syncInterval
					r.opt.OnFailure = func(err error) { t.Errorf("a full disk is no failure: %v", err) }
					r.log = openLog(t, r.opt)
					r.run(t, rand.New(rand.NewPCG(seed, uint64(c.streams))))
				})
			})
		}
	}
}

func (r *roomLoad) run(t *testing.T, rng *rand.Rand) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour) // of the bubble
	defer cancel()
	latency := rand.New(rand.NewPCG(rng.Uint64(), 0))
	var once sync.Mutex
	r.fs.SetHook(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpSync && (strings.HasSuffix(op.Name, segmentSuffix) || strings.Contains(op.Name, sparePrefix)) {
			once.Lock()
			take := time.Duration(latency.IntN(3000)) * time.Microsecond
			once.Unlock()
			elapse(ctx, take)
		}
		return nil
	})
	var workers, others sync.WaitGroup
	for range 8 {
		mine := rand.New(rand.NewPCG(rng.Uint64(), 1))
		workers.Go(func() {
			if err := r.work(ctx, mine, 25); err != nil {
				t.Error(err)
			}
		})
	}
	done := make(chan struct{})
	others.Go(func() {
		if err := r.disturb(ctx, rng, done); err != nil {
			t.Error(err)
		}
	})
	workers.Wait()
	close(done)
	others.Wait()
	elapse(ctx, time.Second)
	must(t, r.log.Sync(ctx))
	if kept, pending := r.log.files.mu.kept, r.log.pendingBytes.Load(); kept != 0 || pending != 0 {
		t.Errorf("in the end %d bytes are kept, %d pending", kept, pending)
	}
	if gate := r.log.gate.Load(); gate != 0 {
		t.Errorf("in the end the gate is %b", gate)
	}
	must(t, r.log.Close())
	if r.refused.Load() == 0 || len(r.mu.appended) < 20 {
		t.Errorf("%d were refused, %d appended", r.refused.Load(), len(r.mu.appended))
	}
	all := slices.DeleteFunc(r.mu.appended, func(x tx) bool { return x.ts <= r.truncated })
	slices.SortFunc(all, func(a, b tx) int { return cmp.Compare(a.ts, b.ts) })
	_, got, err := recoverAll(r.fs, r.truncated)
	must(t, err)
	expect(t, got, all)
}
