package wal

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/hlc"
)

// elapse lets time pass, in a bubble.
func elapse(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// TestRestIsAWitness: after a rest, the last round before it cannot be taken for a
// torn one any more, and that costs one write, whatever follows.
func TestRestIsAWitness(t *testing.T) {
	eachMode(t, func(t *testing.T, syncInterval time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			f := newFS(t)
			o := testOptions(f, 2)
			o.SyncInterval = syncInterval
			l := openLog(t, o)
			var all []tx
			for range 3 {
				all = append(all, appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut, Key: []byte("k"), Value: make([]byte, 500)}}))
				elapse(t.Context(), 5*time.Millisecond)
			}
			writes := f.Count(faultfs.OpWrite)
			list, claimed := units(t, f)
			last := list[len(list)-1]
			if last.kind != "records" || claimed >= last.round {
				t.Fatalf("the last unit is %+v, and round %d has a witness already", last, claimed)
			}
			elapse(t.Context(), restWitness)
			synctest.Wait()
			if n := f.Count(faultfs.OpWrite) - writes; n != 1 {
				t.Errorf("%d writes during a rest", n)
			}
			killed := f.Crash(rand.New(rand.NewPCG(1, 1)))
			must(t, killed.FlipBit(last.file, last.from+7, 3))
			if _, _, err := recoverAll(killed, 0); !isCorrupt(err, last.file, last.from) {
				t.Errorf("the last round has rotted after a rest; recovery says %v", err)
			}
			elapse(t.Context(), time.Hour)
			if n := f.Count(faultfs.OpWrite) - writes; n != 1 {
				t.Errorf("%d writes during a long rest", n)
			}
			all = append(all, appendTx(l.Stream(1), o.HLC, []Write{{Kind: KindPut}}))
			must(t, l.Sync(background()))
			must(t, l.Close())
			_, got, err := recoverAll(f, 0)
			must(t, err)
			expect(t, got, all)
		})
	})
}

// TestRestInAFullSegment: a rest needs no room in the segment.
func TestRestInAFullSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFS(t)
		o := testOptions(f, 1)
		l := openLog(t, o)
		x := appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut, Value: make([]byte, o.SegmentBytes-2*blockBytes-500)}})
		must(t, l.Sync(background()))
		if s := l.flush.active; s.end != s.size {
			t.Fatalf("%d of %d bytes are used", s.end, s.size)
		}
		elapse(t.Context(), 2*restWitness)
		if s := l.Stats(); s.Segments != 1 {
			t.Errorf("%d segments", s.Segments)
		}
		list, claimed := units(t, f)
		if last := list[len(list)-1]; claimed != last.round {
			t.Errorf("the last round, %d, has no witness", last.round)
		}
		must(t, l.Close())
		_, got, err := recoverAll(f, 0)
		must(t, err)
		expect(t, got, []tx{x})
	})
}

// TestSyncCoversWhatCameBefore: a call of Sync that comes when a round was
// gathered already is not answered by that round.
func TestSyncCoversWhatCameBefore(t *testing.T) {
	f := newFS(t)
	o := testOptions(f, 1)
	n := stepLog(t, o)
	l := n.log
	appendTx(l.Stream(0), o.HLC, nil)
	l.syncsWanted.Add(1)
	var late tx
	l.flush.gathered = func(int) {
		l.flush.gathered = nil
		late = appendTx(l.Stream(0), o.HLC, nil)
		l.syncsWanted.Add(1)
	}
	must(t, l.flush.work(false))
	if done := l.syncsDone.Load(); done != 1 || l.Durable() >= late.ts {
		t.Fatalf("%d of 2 syncs are answered; durable is %d, the second one was for %d", done, l.Durable(), late.ts)
	}
	must(t, l.flush.work(false))
	if done := l.syncsDone.Load(); done != 2 || l.Durable() < late.ts {
		t.Fatalf("%d of 2 syncs are answered; durable is %d, the second one was for %d", done, l.Durable(), late.ts)
	}
}

// TestRoundOutOfOrder: a round that is right but for its number does not belong to
// the log.
func TestRoundOutOfOrder(t *testing.T) {
	f, all := writtenLog(t, 15, false)
	c, err := loadChain(f, testDir, testID, Reach{}, 0, func(err error) { t.Fatal(err) })
	must(t, err)
	end, err := c.findTail()
	must(t, err)
	s := &c.segments[len(c.segments)-1]
	for skipped, believed := range []bool{true, false, false} {
		g := f.Clone()
		rewrite(t, g, s.name, func(b []byte) []byte {
			h := end.next(s.header.nonce)
			h.number += RoundNumber(skipped)
			h.entry += RoundNumber(skipped)
			h.put(b[end.end:], placeIn(testID, s.header.number).at(end.end))
			return b
		})
		found, got, err := recoverAll(g, 0)
		if err != nil || (found.Watermark == hlc.Max) != believed {
			t.Fatalf("%d rounds are left out: watermark %d, %v", skipped, found.Watermark, err)
		}
		expect(t, got, all)
	}
}

// TestRoundOfAnyLength: a length that cannot be is no reason to panic.
func TestRoundOfAnyLength(t *testing.T) {
	f, all := writtenLog(t, 15, false)
	c, err := loadChain(f, testDir, testID, Reach{}, 0, func(err error) { t.Fatal(err) })
	must(t, err)
	end, err := c.findTail()
	must(t, err)
	s := &c.segments[len(c.segments)-1]
	for _, bytes := range []int64{math.MaxInt64, math.MaxInt64 - blockBytes, math.MaxInt64 - end.end, s.size - end.end + 1} {
		g := f.Clone()
		rewrite(t, g, s.name, func(b []byte) []byte {
			h := end.next(s.header.nonce)
			h.bytes = bytes
			h.put(b[end.end:], placeIn(testID, s.header.number).at(end.end))
			return b
		})
		_, got, err := recoverAll(g, 0)
		must(t, err)
		expect(t, got, all)
	}
}
