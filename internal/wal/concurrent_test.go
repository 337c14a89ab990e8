package wal

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
)

// TestConcurrentCommits has several workers append to several streams, wait for
// what they have appended, sync and truncate, all at once.
func TestConcurrentCommits(t *testing.T) {
	eachMode(t, func(t *testing.T, syncInterval time.Duration) {
		f := newFS(t)
		o := testOptions(f, 3)
		o.SegmentBytes = 128 * blockBytes
		o.SyncInterval = syncInterval
		o.PendingBytesMax = 256 << 10
		var published atomic.Uint64
		o.OnDurable = func(ts hlc.Timestamp) {
			if old := published.Swap(uint64(ts)); old >= uint64(ts) {
				t.Errorf("durable went from %d to %d", old, ts)
			}
		}
		l := openLog(t, o)
		var mu sync.Mutex
		var all []tx
		var truncated atomic.Uint64
		var workers, others sync.WaitGroup
		for w := range 5 {
			workers.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(w), 1))
				var mine []tx
				for i := range 400 {
					if err := l.Throttle(background()); err != nil {
						t.Error(err)
						return
					}
					x := appendTx(l.Stream(w%3), o.HLC, randomWrites(rng, 3000))
					mine = append(mine, x)
					if i%50 == 0 {
						if err := l.Sync(background()); err != nil {
							t.Error(err)
						}
						if l.Durable() < x.ts {
							t.Errorf("%d is not durable after Sync, only %d is", x.ts, l.Durable())
						}
					}
				}
				mu.Lock()
				defer mu.Unlock()
				all = append(all, mine...)
			})
		}
		stop := make(chan struct{})
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				ts := l.Durable() / 2
				truncated.Store(uint64(ts))
				if err := l.TruncateBefore(ts); err != nil {
					t.Error(err)
				}
				l.Stats()
			}
		})
		workers.Wait()
		close(stop)
		others.Wait()
		slices.SortFunc(all, func(a, b tx) int { return cmp.Compare(a.ts, b.ts) })
		// Nothing more comes, and what was appended gets durable by itself.
		waitFor(t, "the last record", func() bool { return l.Durable() >= all[len(all)-1].ts })
		must(t, l.Close())

		from := hlc.Timestamp(truncated.Load())
		found, got, err := recoverAll(f, from)
		must(t, err)
		if !found.Clean || found.Dropped > 0 {
			t.Errorf("recovered %+v", found)
		}
		for len(all) > 0 && all[0].ts <= from {
			all = all[1:]
		}
		expect(t, got, all)
		report, err := Check(background(), CheckOptions{FS: f, Dir: testDir, Reach: testReach, ID: testID, From: from})
		if err != nil || len(report.Problems) > 0 {
			t.Errorf("check: %v, %v", err, report.Problems)
		}
	})
}

// TestRealDisk does a round trip on the machine's file system.
func TestRealDisk(t *testing.T) {
	eachMode(t, func(t *testing.T, syncInterval time.Duration) {
		o := diskOptions(t, 2)
		o.Rand, o.SyncInterval = env.RealRand(), syncInterval
		o.SegmentBytes = 1 << 20
		rng := rand.New(rand.NewPCG(1, 1))
		var want []tx
		for range 3 {
			found, got, err := recoverLog(o, 0)
			must(t, err)
			expect(t, got, want)
			o.Streams, o.HLC = NewStreams(2), &hlc.Clock{}
			l, err := Open(o, found)
			must(t, err)
			for i := range 300 {
				want = append(want, appendTx(l.Stream(i%2), o.HLC, randomWrites(rng, 30000)))
			}
			must(t, l.Sync(background()))
			must(t, l.Close())
		}
		_, got, err := recoverLog(o, 0)
		must(t, err)
		expect(t, got, want)
		report, err := Check(background(), CheckOptions{FS: o.FS, Dir: o.Dir, Reach: o.Reach, ID: testID})
		if err != nil || len(report.Problems) > 0 || report.Segments < 3 {
			t.Fatalf("check: %v, %+v", err, report)
		}
	})
}
