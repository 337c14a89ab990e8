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
		report, err := Check(context.Background(), CheckOptions{FS: f, Dir: testDir, Reach: testReach, ID: testID})
		must(t, err)
		if len(report.Problems) > 0 || report.Records != int64(len(want)) || !report.Clean || report.Segments < 4 {
			t.Fatalf("check: %+v", report)
		}
	})
}

// TestTimestampsPassTheCheckpoint: a checkpoint can be newer than all that the log
// holds. What is appended then must not look as if it were in there.
func TestTimestampsPassTheCheckpoint(t *testing.T) {
	f, all := writtenLog(t, 31, false)
	from := all[len(all)-1].ts + 1000
	found, got, err := recoverAll(f, from)
	must(t, err)
	expect(t, got, nil)
	o := testOptions(f, 1)
	l, err := Open(o, found)
	must(t, err)
	if l.Durable() < from {
		t.Errorf("the checkpoint is at %d, but only %d is durable", from, l.Durable())
	}
	x := appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut}})
	must(t, l.Sync(background()))
	must(t, l.Close())
	_, got, err = recoverAll(f, from)
	must(t, err)
	expect(t, got, []tx{x})
	_, got, err = recoverAll(f, 0)
	must(t, err)
	expect(t, got, append(all, x))
}

// TestBackgroundRoundsBySize: rounds are written when they are full and synced
// when much is unsynced, however long the intervals are.
func TestBackgroundRoundsBySize(t *testing.T) {
	o := testOptions(quickFS{newFS(t), 4 * unsyncedBytesMax}, 1)
	o.SegmentBytes = 4 * unsyncedBytesMax
	o.SyncInterval, o.RoundInterval = time.Hour, time.Hour
	l := openLog(t, o)
	must(t, l.Sync(background()))
	value := make([]byte, RoundBytesDefault/4)
	rounds := func() uint64 { return l.Stats().Rounds }
	// The first round is written and synced because nothing ever was.
	appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut, Value: make([]byte, RoundBytesDefault)}})
	waitFor(t, "the first full round", func() bool { return rounds() > 0 })
	syncs, n := l.Stats().Syncs, 0
	for ; l.Stats().Syncs == syncs; n += 4 * len(value) {
		before := rounds()
		for range 4 {
			appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut, Value: value}})
		}
		waitFor(t, "a full round", func() bool { return rounds() > before })
		if n > unsyncedBytesMax {
			t.Fatalf("%d bytes were not synced", n)
		}
	}
	if n < unsyncedBytesMax/2 {
		t.Errorf("synced after %d bytes", n)
	}
	must(t, l.Close())
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
