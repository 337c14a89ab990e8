package wal

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/hlc"
)

// quickFS is a disk that takes no time: what is written is copied and forgotten,
// and every file is as large as a segment.
type quickFS struct {
	*faultfs.FS
	sizeBytes int64
}

func (f quickFS) Create(name string) (env.File, error) { return f.quick(f.FS.Create(name)) }

func (f quickFS) Open(name string) (env.File, error) { return f.quick(f.FS.Open(name)) }

func (f quickFS) quick(h env.File, err error) (env.File, error) {
	if err != nil {
		return nil, err
	}
	return &quickFile{File: h, sizeBytes: f.sizeBytes, buf: make([]byte, writeBytes)}, nil
}

type quickFile struct {
	env.File
	sizeBytes int64
	buf       []byte
}

func (f *quickFile) Sync() error { return nil }

func (f *quickFile) Preallocate(int64) error { return nil }
func (f *quickFile) Reserve(int64) error     { return nil }

func (f *quickFile) Size() (int64, error) { return f.sizeBytes, nil }

func (f *quickFile) WriteAt(p []byte, _ int64) (int, error) {
	for rest := p; len(rest) > 0; {
		rest = rest[copy(f.buf, rest):]
	}
	return len(p), nil
}

func TestFlusherDoesNotAllocate(t *testing.T) {
	o := testOptions(quickFS{newFS(t), 64 << 20}, 2)
	o.SegmentBytes = 64 << 20
	n := stepLog(t, o)
	l := n.log
	key, value := make([]byte, 8), make([]byte, 100)
	round := func() {
		for i := range 10 {
			appendPut(l.Stream(i%2), o.HLC, key, value)
		}
		if err := l.flush.work(false); err != nil {
			t.Fatal(err)
		}
	}
	round()
	round()
	if allocs := testing.AllocsPerRun(1000, round); allocs != 0 {
		t.Errorf("a round allocates %v times", allocs)
	}
	if l.Durable() < l.Stream(1).last {
		t.Error("nothing was flushed")
	}
}

// appendPut is a commit phase that allocates nothing.
func appendPut(s *Stream, clock *hlc.Clock, key, value []byte) hlc.Timestamp {
	n := TxHeaderBytes + WriteBytes(len(key), len(value))
	s.Lock()
	ts := clock.Next()
	b := s.Reserve(n)
	at := PutTxHeader(b, ts, 1, n)
	PutWrite(b[at:], 1, KindPut, key, value)
	s.Appended(ts)
	s.Unlock()
	return ts
}

// BenchmarkAppend is what the log costs a worker: throttle, lock, encode a write
// of 8 + 100 bytes, unlock; the flusher works beside it.
func BenchmarkAppend(b *testing.B) {
	run := func(name string, options func(b *testing.B) Options, syncInterval time.Duration, workers int) {
		b.Run(fmt.Sprintf("%s/workers=%d", name, workers), func(b *testing.B) {
			o := options(b)
			o.Streams, o.SegmentBytes, o.SyncInterval = NewStreams(workers), 64<<20, syncInterval
			l := openLog(b, o)
			var truncate sync.WaitGroup
			stop := make(chan struct{})
			truncate.Go(func() {
				for tick := time.NewTicker(10 * time.Millisecond); ; {
					select {
					case <-stop:
						tick.Stop()
						return
					case <-tick.C:
						must(b, l.TruncateBefore(l.Durable()))
					}
				}
			})
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for w := range workers {
				wg.Go(func() {
					key, value := make([]byte, 8), make([]byte, 100)
					s := l.Stream(w)
					for range b.N / workers {
						if l.Throttle(background()) != nil {
							return
						}
						appendPut(s, o.HLC, key, value)
					}
				})
			}
			wg.Wait()
			must(b, l.Sync(background()))
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mtx/s")
			st := l.Stats()
			b.ReportMetric(float64(st.Bytes)/float64(max(1, st.Rounds))/1024, "KiB/round")
			b.ReportMetric(float64(st.SyncLatency.Quantile(0.5).Microseconds()), "sync-p50-us")
			close(stop)
			truncate.Wait()
			must(b, l.Close())
		})
	}
	memory := func(b *testing.B) Options { return testOptions(quickFS{newFS(b), 64 << 20}, 1) }
	disk := func(b *testing.B) Options { return diskOptions(b, 1) }
	for _, workers := range []int{1, 2} {
		run("memory/sync", memory, 0, workers)
		run("memory/background", memory, 10*time.Millisecond, workers)
		run("disk/sync", disk, 0, workers)
		run("disk/background", disk, 10*time.Millisecond, workers)
	}
}

// waits collects how long transactions waited until they were durable.
type waits struct {
	mu      sync.Mutex
	pending []waiting // in order of their timestamps, of one stream each
	took    []time.Duration
}

type waiting struct {
	ts   hlc.Timestamp
	from time.Time
}

func (w *waits) add(ts hlc.Timestamp, from time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = append(w.pending, waiting{ts, from})
}

func (w *waits) durable(ts hlc.Timestamp) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = slices.DeleteFunc(w.pending, func(x waiting) bool {
		if x.ts <= ts {
			w.took = append(w.took, now.Sub(x.from))
		}
		return x.ts <= ts
	})
}

// BenchmarkDurable measures on the disk how long transactions take to get
// durable: of one worker that waits for each, and of workers that never block and
// so keep every processor busy. The comparison is the disk's own sync latency in
// the same run.
func BenchmarkDurable(b *testing.B) {
	for _, workers := range []int{0, 1, 2} {
		b.Run(fmt.Sprintf("busy=%d", workers), func(b *testing.B) {
			o := diskOptions(b, workers+1)
			o.SegmentBytes = 64 << 20
			var w waits
			woken := make(chan struct{}, 1)
			o.OnDurable = func(ts hlc.Timestamp) {
				w.durable(ts)
				select {
				case woken <- struct{}{}:
				default:
				}
			}
			l := openLog(b, o)
			appendPut(l.Stream(0), o.HLC, nil, nil)
			must(b, l.Sync(background()))
			b.ResetTimer()
			var wg sync.WaitGroup
			var total atomic.Int64
			for i := range workers {
				wg.Go(func() {
					key, value := make([]byte, 8), make([]byte, 100)
					s := l.Stream(i)
					sum := 0
					for n := range b.N {
						for range 1000 { // the transaction's own work
							sum += n
						}
						if l.Throttle(background()) != nil {
							return
						}
						ts := appendPut(s, o.HLC, key, value)
						if n%100 == 0 {
							w.add(ts, time.Now())
						}
					}
					total.Add(int64(sum))
				})
			}
			if workers == 0 {
				for range b.N {
					from := time.Now()
					ts := appendPut(l.Stream(0), o.HLC, nil, nil)
					w.add(ts, from)
					for l.Durable() < ts {
						<-woken
					}
				}
			}
			wg.Wait()
			b.StopTimer()
			must(b, l.Sync(background()))
			slices.Sort(w.took)
			st := l.Stats()
			b.ReportMetric(float64(w.took[len(w.took)/2].Microseconds()), "p50-us")
			b.ReportMetric(float64(w.took[len(w.took)*99/100].Microseconds()), "p99-us")
			b.ReportMetric(float64(st.SyncLatency.Quantile(0.5).Microseconds()), "sync-p50-us")
			b.ReportMetric(float64(st.Bytes)/float64(max(1, st.Rounds))/1024, "KiB/round")
			must(b, l.Close())
		})
	}
}

// BenchmarkRecover reads a log of 256 MiB back.
func BenchmarkRecover(b *testing.B) {
	o := diskOptions(b, 2)
	o.SegmentBytes, o.SyncInterval = 64<<20, 10*time.Millisecond
	l := openLog(b, o)
	key, value := make([]byte, 8), make([]byte, 100)
	const total = 256 << 20
	for n := 0; n < total; n += TxHeaderBytes + WriteBytes(len(key), len(value)) {
		must(b, l.Throttle(background()))
		appendPut(l.Stream(n&1), o.HLC, key, value)
	}
	must(b, l.Close())
	b.SetBytes(total)
	b.ResetTimer()
	for range b.N {
		var sum [2]int
		_, err := Recover(background(), RecoverOptions{FS: o.FS, Dir: o.Dir, Reach: o.Reach, ID: testID, Workers: runtime.GOMAXPROCS(0),
			Apply: func(worker int, b *Batch) error {
				r := b.Read()
				var w Write
				n := 0
				for r.Next() {
					for r.NextWrite(&w) {
						n += len(w.Value)
					}
				}
				sum[worker&1] += n
				return r.Err()
			}})
		must(b, err)
	}
}
