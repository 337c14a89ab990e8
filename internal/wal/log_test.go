package wal

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/hlc"
)

// eachMode runs a test with rounds that are synced and with rounds that are
// synced in the background.
func eachMode(t *testing.T, test func(t *testing.T, syncInterval time.Duration)) {
	t.Run("sync", func(t *testing.T) { test(t, 0) })
	t.Run("background", func(t *testing.T) { test(t, 3*time.Millisecond) })
}

func TestRoundTrip(t *testing.T) {
	eachMode(t, func(t *testing.T, syncInterval time.Duration) {
		f := newFS(t)
		rng := rand.New(rand.NewPCG(1, 1))
		var want []tx
		for run := range 4 {
			o := testOptions(f, 3)
			o.SyncInterval = syncInterval
			l := openLog(t, o)
			for i := range 200 {
				want = append(want, appendTx(l.Stream(i%3), o.HLC, randomWrites(rng, 3000)))
				if i%20 == 0 {
					must(t, l.Sync(context.Background()))
					if last := want[len(want)-1].ts; l.Durable() < last {
						t.Fatalf("durable up to %d after a sync, but %d was appended before", l.Durable(), last)
					}
				}
			}
			must(t, l.Close())
			found, got, err := recoverAll(f, 0)
			must(t, err)
			if !found.Clean || found.Dropped != 0 || found.Records != int64(len(want)) || found.Watermark < want[len(want)-1].ts {
				t.Fatalf("run %d: recovered %+v", run, found)
			}
			expect(t, got, want)
			_, got, err = recoverAll(f, want[100].ts)
			must(t, err)
			expect(t, got, want[101:])
		}
		report, err := Check(context.Background(), CheckOptions{FS: f, Dir: testDir, ID: testID})
		must(t, err)
		if len(report.Problems) > 0 || report.Records != int64(len(want)) || !report.Clean || report.Segments < 4 {
			t.Fatalf("check: %+v", report)
		}
	})
}

func TestDurableMovesByItself(t *testing.T) {
	eachMode(t, func(t *testing.T, syncInterval time.Duration) {
		o := testOptions(newFS(t), 2)
		o.SyncInterval = syncInterval
		moved := make(chan hlc.Timestamp, 100)
		o.OnDurable = func(ts hlc.Timestamp) { moved <- ts }
		l := openLog(t, o)
		last := hlc.Timestamp(0)
		for range 20 {
			x := appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut}})
			for last < x.ts {
				ts := <-moved
				if ts <= last {
					t.Fatalf("durable went from %d to %d", last, ts)
				}
				last = ts
			}
			if l.Durable() < x.ts {
				t.Fatalf("durable is %d, its callback has said %d", l.Durable(), last)
			}
		}
		must(t, l.Close())
	})
}
