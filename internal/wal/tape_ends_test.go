package wal

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env/faultfs"
)

// A segment that is missing, or whose header has rotted, is named: the newest too, before
// anything was written to it.
func TestTapeMissesSegments(t *testing.T) {
	f, m := newFS(t), newMaker(10)
	tape, _ := openTape(t, f)
	tapeFill(t, tape, m, 1, 20, 1)
	base, err := tape.mu.table.behind(20)
	must(t, err)
	must(t, tape.beginSegment(base, false, 0))
	names := segmentNames(f)
	for i, name := range names {
		for how, hurt := range map[string]func(f *faultfs.FS){
			"missing": func(f *faultfs.FS) { must(t, f.Remove(name)) },
			"rotten":  func(f *faultfs.FS) { must(t, f.FlipBit(name, 105, 1)) },
			"zero":    func(f *faultfs.FS) { must(t, f.WriteFile(name, make([]byte, segmentBytesMin))) },
		} {
			left := f.Clone()
			hurt(left)
			_, found, err := OpenTape(tapeOptions(left))
			if i == 0 && how == "missing" && err == nil {
				if found.Base.Number == 0 {
					t.Error("the first segment is missing, and the log begins with round 1")
				}
				continue // who has the checkpoint knows that this is too late
			}
			if file, _ := damageOf(err); file != name {
				t.Errorf("segment %d of %d is %s: %v", i+1, len(names), how, err)
			}
		}
	}
	for name, hurt := range map[string]func(f *faultfs.FS){
		"a missing reach": func(f *faultfs.FS) { must(t, f.Remove(testReach)) },
		"a lost folder": func(f *faultfs.FS) {
			for _, name := range f.Names() {
				if name != testReach {
					must(t, f.Remove(name))
				}
			}
			must(t, f.Remove(testDir))
		},
		"a reach beyond the end": func(f *faultfs.FS) {
			must(t, CreateReach(f, testReach, testID, Reach{Segment: tape.active.header.number, Round: 21}))
		},
	} {
		left := f.Clone()
		hurt(left)
		if _, _, err := OpenTape(tapeOptions(left)); !errors.Is(err, dberr.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The last round rots: it is damage if Witness has vouched for it, else it may be torn.
func TestTapeWitness(t *testing.T) {
	for _, witness := range []bool{false, true} {
		f := newFS(t)
		tape, _ := openTape(t, f)
		tapeFill(t, tape, newMaker(11), 1, 2, 1)
		if witness {
			must(t, tape.Witness())
		}
		e := tape.mu.table.entry(2)
		must(t, f.FlipBit(e.segment.name, e.offset+20, 1))
		tape, _, err := OpenTape(tapeOptions(f))
		switch file, offset := damageOf(err); {
		case witness && (file != e.segment.name || offset != e.offset):
			t.Errorf("it was durable: %v", err)
		case !witness && (err != nil || tape.Last() != 1):
			t.Errorf("it may be torn: %v", err)
		}
	}
}

// What a killed process has removed stays removed once another one has seen that.
func TestTapeBelievesWhatIsDurable(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 11))
	for range 50 {
		f := newFS(t)
		tape, _ := openTape(t, f)
		tapeFill(t, tape, newMaker(12), 1, 30, 1)
		var killed *faultfs.FS
		f.SetHook(func(op faultfs.Op) error {
			if op.Kind == faultfs.OpSyncDir && killed == nil {
				killed = f.Clone()
			}
			return nil
		})
		must(t, tape.Discard(20))
		tape, found := openTape(t, killed)
		if found.Base.Number == 0 {
			t.Fatal("nothing was removed")
		}
		_, again := openTape(t, killed.Crash(rng))
		if again.Base != found.Base {
			t.Fatalf("the log began behind round %d, now behind %d", found.Base.Number, again.Base.Number)
		}
		must(t, tape.Close())
	}
}

// Rounds that can not be told may have replaced others: all that they may have been is
// damaged, no more.
func TestTapeTableGap(t *testing.T) {
	damage := dberr.Corrupt("file", 1, "gone")
	for _, c := range []struct {
		low, last, missing, next RoundNumber
		damaged                  []RoundNumber
		refused                  bool
	}{
		{low: 0, last: 10, missing: 2, next: 13, damaged: []RoundNumber{11, 12}},
		{low: 0, last: 10, missing: 2, next: 12, damaged: []RoundNumber{10, 11}}, // 10', 11' or 11, 11'
		{low: 0, last: 10, missing: 3, next: 9, damaged: []RoundNumber{6, 7, 8}}, // 6', 7', 8' among others
		{low: 7, last: 10, missing: 3, next: 9, damaged: []RoundNumber{8}},       // no lower than the segment's base
		{low: 0, last: 2, missing: 9, next: 2, damaged: []RoundNumber{1}},
		{low: 0, last: 2, missing: 9, next: 1},
		{low: 0, last: 10, missing: 2, next: 14, refused: true},
	} {
		table := tapeTable{}
		for range c.last {
			table.entries = append(table.entries, tapeEntry{epoch: 1})
		}
		if reason := table.gap(c.missing, c.next, c.low, damage); (reason != "") != c.refused {
			t.Errorf("%+v: %q", c, reason)
		}
		var damaged []RoundNumber
		for n := RoundNumber(1); n <= table.last(); n++ {
			if table.entry(n).damage != nil {
				damaged = append(damaged, n)
			}
		}
		if !slices.Equal(damaged, c.damaged) {
			t.Errorf("%+v: %v are damaged", c, damaged)
		}
		var bad *DamagedError
		if err := table.damaged(); len(damaged) > 0 && (!errors.As(err, &bad) || bad.From != damaged[0] || bad.To != damaged[len(damaged)-1]) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// Rounds are read while others are appended and replaced, and segments go.
func TestTapeReadsBesideAppends(t *testing.T) {
	f, m := newFS(t), newMaker(13)
	tape, _ := openTape(t, f)
	epochs := make(chan Epoch, 1)
	var reader sync.WaitGroup
	reader.Go(func() {
		var seen Epoch
		for e := range epochs {
			for n := tape.Base().Number + 1; ; {
				rounds, err := tape.Read(n, 2000)
				if errors.Is(err, ErrDiscarded) {
					n = tape.Base().Number + 1
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				for i := range rounds {
					if r := &rounds[i]; r.Number != n+RoundNumber(i) || i > 0 && r.Epoch < rounds[i-1].Epoch {
						t.Errorf("round %d of epoch %d where round %d belongs", r.Number, r.Epoch, n+RoundNumber(i))
					}
					seen = max(seen, rounds[i].Epoch)
				}
				if len(rounds) == 0 {
					break
				}
				n += RoundNumber(len(rounds))
			}
			if seen < e {
				t.Errorf("epoch %d was appended, and none above %d seen", e, seen)
			}
		}
	})
	next := RoundNumber(1)
	for e := Epoch(1); e <= 40; e++ {
		tapeFill(t, tape, m, next, next+5, e)
		epochs <- e
		next += 3
		must(t, tape.Discard(next-min(next, 10)))
	}
	close(epochs)
	reader.Wait()
}
