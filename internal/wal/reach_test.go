package wal

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/hlc"
)

// TestLostEnd: whatever is missing at the log's end is named.
func TestLostEnd(t *testing.T) {
	damage(t, "newest segment", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		must(t, f.Remove(s[len(s)-1])) // the prepared one
		must(t, f.Remove(s[len(s)-2]))
		return s[len(s)-2], 0
	})
	damage(t, "newest two segments", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		for _, name := range s[len(s)-3:] {
			must(t, f.Remove(name))
		}
		return s[len(s)-3], 0
	})
	damage(t, "all segments", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		for _, name := range s {
			must(t, f.Remove(name))
		}
		return s[len(s)-2], 0
	})
	damage(t, "the folder", func(t *testing.T, f *faultfs.FS, _ []string) (string, int64) {
		for _, name := range f.Names() {
			if name != testReach {
				must(t, f.Remove(name))
			}
		}
		must(t, f.Remove(testDir))
		return testDir, 0
	})
	damage(t, "newest segment overwritten", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		name := s[len(s)-2]
		rewrite(t, f, name, func(b []byte) []byte { return make([]byte, len(b)) })
		return name, 0
	})
	damage(t, "the reach", func(t *testing.T, f *faultfs.FS, _ []string) (string, int64) {
		must(t, f.Remove(testReach))
		return testReach, 0
	})
	damage(t, "the reach is rotten", func(t *testing.T, f *faultfs.FS, _ []string) (string, int64) {
		must(t, f.FlipBit(testReach, 60, 1))
		must(t, f.FlipBit(testReach, blockBytes+60, 1))
		return testReach, 0
	})
	damage(t, "the reach is cut off", func(t *testing.T, f *faultfs.FS, _ []string) (string, int64) {
		must(t, f.WriteFile(testReach, nil))
		return testReach, 0
	})
	damage(t, "the reach is another log's", func(t *testing.T, f *faultfs.FS, _ []string) (string, int64) {
		must(t, CreateReach(f, testReach, DatabaseID{9}, Reach{}))
		return testReach, blockBytes
	})
	damage(t, "the checkpoint", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		must(t, CreateReach(f, testReach, testID, Reach{Start: 1}))
		return testCheckpoint, 0
	})
}

// TestClosedLogHasItsEnd: of a log that was closed, no round can be taken for torn.
func TestClosedLogHasItsEnd(t *testing.T) {
	f, _ := writtenLog(t, 11, true)
	list, claimed := units(t, f)
	last := list[len(list)-1]
	if claimed != last.round {
		t.Fatalf("the last round, %d, has no witness", last.round)
	}
	for _, cut := range []bool{true, false} {
		g := f.Clone()
		rewrite(t, g, last.file, func(b []byte) []byte {
			if cut {
				h, err := decodeSegmentHeader(last.file, b)
				must(t, err)
				h.size = last.from // as if there had been no room
				h.put(b)
				return b[:last.from]
			}
			clear(b[last.from:])
			return b
		})
		if _, _, err := recoverAll(g, 0); !isCorrupt(err, last.file, last.from) {
			t.Errorf("cut off %v: recovery says %v", cut, err)
		}
		if report := check(t, g); len(report.Problems) != 1 || !isCorrupt(report.Problems[0], last.file, last.from) {
			t.Errorf("cut off %v: check says %v", cut, report.Problems)
		}
	}
}

// TestRecoveredEndIsKept: what was there after a crash when the log was opened is
// there for good, though nothing was written since.
func TestRecoveredEndIsKept(t *testing.T) {
	f, all := writtenLog(t, 11, false)
	if _, claimed := units(t, f); claimed >= RoundNumber(len(all)) {
		t.Fatal("the last round has a witness already")
	}
	l := openLog(t, testOptions(f, 1))
	must(t, l.Close())
	list, _ := units(t, f)
	last := list[len(list)-1]
	must(t, f.FlipBit(last.file, last.from, 1))
	if _, _, err := recoverAll(f, 0); err == nil {
		t.Error("the last round has rotted, and recovery says nothing")
	}
}

// TestTruncatedLogNeedsItsCheckpoint: the segments that are gone are not looked
// for, but what made them superfluous is.
func TestTruncatedLogNeedsItsCheckpoint(t *testing.T) {
	f, all := writtenLog(t, 11, false)
	l := openLog(t, testOptions(f, 1))
	ts := all[len(all)/2].ts
	must(t, l.TruncateBefore(ts))
	must(t, l.Close())
	for _, from := range []hlc.Timestamp{0, ts - 1} {
		if _, _, err := recoverAll(f, from); !isCorrupt(err, testCheckpoint, 0) {
			t.Errorf("with a checkpoint at %d: %v", from, err)
		}
	}
	_, got, err := recoverAll(f, ts)
	must(t, err)
	expect(t, got, all[len(all)/2+1:])
}

// TestReachAtEveryWrite loses power at every operation while the reach is raised.
// What is left is what was there last, or what was to be.
func TestReachAtEveryWrite(t *testing.T) {
	f := newFS(t)
	r, err := openReach(f, testReach, testID)
	must(t, err)
	rng := rand.New(rand.NewPCG(1, 1))
	was, next, crashes := Reach{}, Reach{}, 0
	f.SetHook(func(op faultfs.Op) error {
		if op.Kind.Changes() {
			for range 20 {
				crashes++
				got, err := loadReach(f.Crash(rng), testReach, testID)
				if err != nil || got.Reach != was && got.Reach != next {
					t.Fatalf("before %v: %+v, %v; it was %+v and is to be %+v", op, got, err, was, next)
				}
			}
		}
		return nil
	})
	for i := range 20 {
		next = Reach{Start: hlc.Timestamp(i), Segment: SegmentNumber(i / 2), Round: RoundNumber(3 * i)}
		must(t, r.raise(next))
		was = next
	}
	must(t, r.raise(Reach{Start: 1, Segment: 2, Round: 3}))
	f.SetHook(nil)
	if got, err := loadReach(f.Crash(rng), testReach, testID); err != nil || got.Reach != was {
		t.Errorf("%+v, %v, want %+v", got, err, was)
	}
	must(t, r.close())
	if crashes < 500 {
		t.Errorf("only %d crashes", crashes)
	}
}

// TestFailedRaise: a write that failed may have left anything in its slot, and is
// done again there.
func TestFailedRaise(t *testing.T) {
	for _, kind := range []faultfs.OpKind{faultfs.OpWrite, faultfs.OpSync} {
		f := newFS(t)
		r, err := openReach(f, testReach, testID)
		must(t, err)
		rng := rand.New(rand.NewPCG(1, 1))
		must(t, r.raise(Reach{Round: 1}))
		for range 3 {
			f.Fail(kind, 1, 1, errInjected)
			if err := r.raise(Reach{Round: 2}); !errors.Is(err, errInjected) {
				t.Fatal(err)
			}
			for range 20 {
				if got, err := loadReach(f.Crash(rng), testReach, testID); err != nil || got.Round == 0 {
					t.Fatalf("after a failed %v: %+v, %v", kind, got, err)
				}
			}
		}
		must(t, r.raise(Reach{Round: 2}))
		if got, err := loadReach(f.Crash(rng), testReach, testID); err != nil || got.Round != 2 {
			t.Fatalf("after a %v that failed and was done again: %+v, %v", kind, got, err)
		}
		must(t, r.close())
	}
}

// FuzzReach: what is accepted encodes to the same block.
func FuzzReach(f *testing.F) {
	b := make([]byte, blockBytes)
	f.Add(b[:100], int64(0), true)
	s := reachSlot{Reach: Reach{Start: 5, Segment: 6, Round: 7}, id: testID, sequence: 8}
	s.put(b)
	f.Add(b[:100], s.offset(), true)
	f.Add(b[:100], s.offset(), false)
	f.Fuzz(func(t *testing.T, data []byte, offset int64, sealed bool) {
		if sealed {
			data = reseal(append(bytes.Clone(data), make([]byte, blockBytes)...)[:blockBytes])
		}
		s, err := decodeReachSlot("file", offset, data)
		if err != nil {
			if !errors.Is(err, dberr.ErrCorrupt) && !errors.Is(err, dberr.ErrNewerFormat) {
				t.Fatal(err)
			}
			return
		}
		b := make([]byte, blockBytes)
		s.put(b)
		if again, err := decodeReachSlot("file", offset, b); err != nil || again != s {
			t.Fatalf("%+v was read back as %+v, %v", s, again, err)
		}
	})
}
