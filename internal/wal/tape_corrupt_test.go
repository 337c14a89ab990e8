package wal

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/hlc"
)

// rotTape returns a tape of several segments, with rounds that were replaced, and what
// is in it. Nothing but the last round is without a witness.
func rotTape(t testing.TB) (*faultfs.FS, *Tape, []Round) {
	t.Helper()
	f, m := newFS(t), newMaker(6)
	tape, _ := openTape(t, f)
	want := tapeFill(t, tape, m, 1, 12, 1)
	want = append(want[:8], tapeFill(t, tape, m, 9, 13, 2)...)
	want = append(want[:11], tapeFill(t, tape, m, 12, 15, 3)...)
	want = append(want, tapeFill(t, tape, m, 16, 18, 3)...)
	want = append(want, tapeFill(t, tape, m, 19, 19, 3)...)
	if len(tape.mu.segments) < 3 {
		t.Fatalf("only %d segments", len(tape.mu.segments))
	}
	return f, tape, want
}

// damageOf returns the place that an error names.
func damageOf(err error) (file string, offset int64) {
	var c *dberr.CorruptionError
	if !errors.As(err, &c) {
		return "", -1
	}
	return c.File, c.Offset
}

// openRotten opens a tape that may be damaged and returns the rounds that are not, by their
// place, and the first error that names damage.
func openRotten(t testing.TB, f *faultfs.FS, damaged bool) (rounds map[RoundNumber]Round, last RoundNumber, damage error) {
	t.Helper()
	o := tapeOptions(f)
	o.Damaged = damaged
	tape, found, err := OpenTape(o)
	if err != nil {
		return nil, 0, err
	}
	damage = found.Lost
	rounds = map[RoundNumber]Round{}
	for n := tape.Base().Number + 1; n <= tape.Last(); n++ {
		got, err := tape.Read(n, 1)
		var bad *DamagedError
		switch {
		case err == nil:
			rounds[n] = got[0]
		case !errors.As(err, &bad) || bad.From > n || bad.To < n:
			t.Fatalf("reading round %d: %v", n, err)
		case damage == nil:
			damage = err
		}
	}
	return rounds, tape.Last(), damage
}

// A bit rots in every field of every header, and in every payload. What is not damaged
// is read as it was, what is damaged is named, and only the last round may be taken for
// torn.
func TestTapeBitRot(t *testing.T) {
	f, tape, want := rotTape(t)
	active := tape.active
	kinds := map[string]int{}
	flip := func(kind, file string, from, to, step int64, dead, last bool) {
		for at := from; at < to; at += step {
			must(t, f.FlipBit(file, at, uint(at/step)%8))
			damaged := at/step%2 == 0
			rounds, end, damage := openRotten(t, f.Clone(), damaged)
			name, offset := damageOf(damage)
			switch named := name == file && offset >= from && offset < to || damage != nil && kind != "segment" && name == file && offset <= from; {
			case last && damage == nil && end == 18:
				kinds["torn"]++
			case dead && damage == nil:
				kinds["dead"]++
			case !named:
				t.Fatalf("%s of %s, byte %d: %v", kind, file, at-from, damage)
			default:
				kinds[kind]++
			}
			for n, r := range rounds {
				if !sameRound(&r, &want[n-1]) {
					t.Fatalf("%s of %s, byte %d: round %d is\n     %v\nwant %v", kind, file, at-from, n, r, want[n-1])
				}
			}
			if rounds != nil && end != 19 && !last && kind != "segment" || damaged && rounds == nil {
				t.Fatalf("%s of %s, byte %d: the log ends with round %d: %v", kind, file, at-from, end, damage)
			}
			if damaged && !last && kind == "payload" && len(rounds) < 18 {
				t.Fatalf("%s of %s, byte %d: %d rounds are left", kind, file, at-from, len(rounds))
			}
			must(t, f.FlipBit(file, at, uint(at/step)%8))
		}
	}
	for _, s := range tape.mu.segments {
		flip("segment", s.name, 0, 120, 4, false, false)
		for at := int64(blockBytes); at < s.end; {
			h, reason := decodeRoundHeader(must2(f.ReadFile(s.name))[at:], s.place().at(at))
			if reason != "" {
				t.Fatal(reason)
			}
			e := tape.mu.table.entry(h.entry)
			dead := e == nil || e.segment != s || e.offset != at
			last := s == active && h.entry == 19
			flip("header", s.name, at, at+roundHeaderBytes, 4, dead, last)
			flip("payload", s.name, at+roundHeaderBytes, at+h.bytes, 97, dead, last)
			at += roundUp(h.bytes)
		}
	}
	for _, kind := range []string{"segment", "header", "payload", "dead", "torn"} {
		if kinds[kind] < 10 {
			t.Errorf("only %d flips in or of what is %s", kinds[kind], kind)
		}
	}
}

// A round that was durable and rots is damage, though the one behind it, which says so, is
// torn itself.
func TestDamageBeforeATornEnd(t *testing.T) {
	f, m := newFS(t), newMaker(6)
	tape, _ := openTape(t, f)
	tapeFill(t, tape, m, 1, 3, 1)
	next := m.make(4, 1, 0)
	for len(next.Payload) == 0 {
		next = m.make(4, 1, 0)
	}
	must(t, tape.Append([]Round{next}))
	rotten, end := *tape.mu.table.entry(3), *tape.mu.table.entry(4)
	must(t, f.FlipBit(end.segment.name, end.offset+end.bytes-1, 0))
	if again, _ := openTape(t, f.Clone()); again.Last() != 3 {
		t.Fatalf("with a torn end: it ends with round %d", again.Last())
	}
	must(t, f.FlipBit(rotten.segment.name, rotten.offset+30, 0))
	_, _, err := OpenTape(tapeOptions(f.Clone()))
	if file, offset := damageOf(err); file != rotten.segment.name || offset != rotten.offset {
		t.Errorf("it is opened: %v", err)
	}
}

// A member has damaged rounds from others: those alone are written anew.
// A round that was repaired is in a later segment than those before and behind it. It stays when only
// what is before it is discarded.
func TestTapeDiscardKeepsRepairedRounds(t *testing.T) {
	_, whole, _ := rotTape(t)
	for n := RoundNumber(1); n < whole.Last(); n++ {
		f, tape, want := rotTape(t)
		e := tape.mu.table.entry(n)
		must(t, f.FlipBit(e.segment.name, e.offset+30, 1))
		must(t, tape.Close())
		o := tapeOptions(f)
		o.Damaged = true
		tape, _, err := OpenTape(o)
		must(t, err)
		must(t, tape.Repair(want[n-1:n]))
		must(t, tape.Sync())
		must(t, tape.Discard(n))
		again, _ := openTape(t, f.Clone())
		for _, tape := range []*Tape{tape, again} {
			if rounds, err := tape.Read(n, 1); err != nil || rounds[0].Number != n {
				t.Errorf("round %d of a log that begins behind %d: %v", n, tape.Base().Number, err)
			}
		}
	}
}

func TestTapeRepair(t *testing.T) {
	for _, closed := range []bool{false, true} {
		f, tape, want := rotTape(t)
		hurt := []RoundNumber{2, 3, 10, 12}
		for _, n := range hurt {
			e := tape.mu.table.entry(n)
			must(t, f.FlipBit(e.segment.name, e.offset+30, 1))
		}
		e := tape.mu.table.entry(17)
		must(t, f.FlipBit(e.segment.name, e.offset+roundHeaderBytes-1+max(0, e.bytes-roundHeaderBytes), 0))
		must(t, tape.Close())

		if _, _, err := OpenTape(tapeOptions(f)); !errors.Is(err, dberr.ErrCorrupt) {
			t.Fatalf("opened: %v", err)
		}
		o := tapeOptions(f)
		o.Damaged = true
		tape, found, err := OpenTape(o)
		must(t, err)
		var damaged []RoundNumber
		for _, r := range found.Rounds {
			if r.Damage != nil {
				damaged = append(damaged, r.Number)
			}
		}
		for _, n := range hurt {
			if !slices.Contains(damaged, n) {
				t.Fatalf("%v are damaged, not %v", hurt, damaged)
			}
		}
		damaged = append(damaged, 17)
		var rounds []Round
		for _, n := range damaged {
			if _, err := tape.Read(n, 1); !errors.Is(err, dberr.ErrCorrupt) {
				t.Fatalf("round %d: %v", n, err)
			}
			rounds = append(rounds, want[n-1])
		}
		wrong := want[4]
		wrong.Epoch++
		for _, bad := range []Round{wrong, {Number: 20, Epoch: 3, Kind: RoundOpen}} {
			if err := tape.Repair([]Round{bad}); err == nil {
				t.Errorf("round %d was repaired with one of epoch %d", bad.Number, bad.Epoch)
			}
		}
		must(t, tape.Repair(rounds))
		must(t, tape.Sync())
		expectRounds(t, "repaired", tape, nil, want)
		want = append(want, tapeFill(t, tape, newMaker(7), 20, 25, 9)...)
		if closed {
			must(t, tape.Close())
		}
		tape, found = openTape(t, f.Clone())
		expectRounds(t, "repaired and opened", tape, found, want)
		want = append(want[:4], tapeFill(t, tape, newMaker(8), 5, 7, 10)...)
		expectRounds(t, "replaced", tape, nil, want)
		// A segment with a round that stands in for an earlier one can be all there is.
		must(t, tape.Discard(7))
		tape, _ = openTape(t, f.Clone())
		must(t, tape.Close())
	}
}

// A log that can not be read to its end gives what is before that, takes nothing in, and
// goes on behind a base that it is given; a crash meanwhile leaves the one or the other.
func TestTapeLost(t *testing.T) {
	_, tape, want := rotTape(t)
	must(t, tape.Witness())
	lastOf := tape.mu.table.entry(19)
	breaks := map[string]func(f *faultfs.FS){
		"a header rots":         func(f *faultfs.FS) { must(t, f.FlipBit(tape.mu.segments[1].name, 40, 1)) },
		"the first header rots": func(f *faultfs.FS) { must(t, f.FlipBit(tape.mu.segments[0].name, 40, 1)) },
		"the newest is missing": func(f *faultfs.FS) { must(t, f.Remove(tape.active.name)) },
		"one is missing":        func(f *faultfs.FS) { must(t, f.Remove(tape.mu.segments[1].name)) },
		"all are missing": func(f *faultfs.FS) {
			for _, s := range tape.mu.segments {
				must(t, f.Remove(s.name))
			}
		},
		"the end is overwritten": func(f *faultfs.FS) {
			must(t, f.Misplace(lastOf.segment.name, lastOf.offset, make([]byte, 4*blockBytes)))
		},
	}
	for name, hurt := range breaks {
		f := tape.opt.FS.(*faultfs.FS).Clone()
		hurt(f)
		if _, _, err := OpenTape(tapeOptions(f)); !errors.Is(err, dberr.ErrCorrupt) {
			t.Fatalf("%s: opened: %v", name, err)
		}
		o := tapeOptions(f)
		o.Damaged = true
		for range 2 { // opening it changes nothing
			left, found, err := OpenTape(o)
			must(t, err)
			if !errors.Is(found.Lost, dberr.ErrCorrupt) || left.Last() >= 19 {
				t.Fatalf("%s: it ends with round %d: %v", name, left.Last(), found.Lost)
			}
			for n := left.Base().Number + 1; n <= left.Last(); n++ {
				if got, err := left.Read(n, 1); err == nil && !sameRound(&got[0], &want[n-1]) && left.Last() > 11 {
					t.Fatalf("%s: round %d is %v, want %v", name, n, got[0], want[n-1])
				}
			}
			if err := left.Append([]Round{{Number: left.Last() + 1, Epoch: 9, Kind: RoundOpen}}); !errors.Is(err, dberr.ErrCorrupt) {
				t.Fatalf("%s: it takes rounds in: %v", name, err)
			}
			must(t, left.Close())
		}
		left, _, err := OpenTape(o)
		must(t, err)
		base := Base{Number: 4, Epoch: 1}
		rng, crashes, after := rand.New(rand.NewPCG(1, 2)), 0, 0
		f.SetHook(func(op faultfs.Op) error {
			if op.Kind.Changes() {
				crashed := o
				crashed.FS = f.Crash(rng)
				_, found, err := OpenTape(crashed)
				must(t, err)
				crashes++
				if found.Lost == nil {
					after++
					if found.Base != base || len(found.Rounds) > 0 {
						t.Fatalf("%s, before %v: %d rounds behind %+v", name, op, len(found.Rounds), found.Base)
					}
				}
			}
			return nil
		})
		must(t, left.Reset(base))
		f.SetHook(nil)
		if crashes < 4 {
			t.Errorf("%s: only %d crashes, %d of them afterwards", name, crashes, after)
		}
		m := newMaker(9)
		more := tapeFill(t, left, m, 5, 9, 10)
		again, found := openTape(t, f.Clone())
		expectRounds(t, name, again, found, more)
		// It is not lost again when the segment has gone that says what does not count.
		for n := RoundNumber(10); n < 60; n++ {
			more = append(more, tapeFill(t, left, m, n, n, 10)...)
		}
		reset := left.mu.segments[0].header.number
		must(t, left.Discard(50))
		if left.mu.segments[0].header.number == reset {
			t.Fatalf("%s: segment %d stays", name, reset)
		}
		must(t, left.Close())
		again, found = openTape(t, f)
		expectRounds(t, name, again, found, more[found.Base.Number-4:])
	}
}

// Check of a tape counts what is there, and names all that is damaged, in payloads too, whatever
// it is; it changes nothing.
func TestCheckTape(t *testing.T) {
	f, tape, want := rotTape(t)
	must(t, tape.Close())
	check := func(f *faultfs.FS) *CheckReport {
		t.Helper()
		before := f.Names()
		r, err := Check(t.Context(), CheckOptions{FS: f, Dir: testDir, Reach: testReach, ID: testID, From: hlc.Max, Replica: true})
		must(t, err)
		if !slices.Equal(f.Names(), before) {
			t.Fatalf("the files are %v, were %v", f.Names(), before)
		}
		return r
	}
	if r := check(f); len(r.Problems) != 0 || r.Rounds != 19 || r.Segments != 4 || r.Records == 0 {
		t.Fatalf("%+v", r)
	}
	payload, header := tape.mu.table.entry(17), tape.mu.table.entry(3)
	must(t, f.FlipBit(payload.segment.name, payload.offset+payload.bytes-1, 0))
	must(t, f.FlipBit(header.segment.name, header.offset+30, 0))
	r := check(f)
	if len(r.Problems) != 2 || r.Rounds != 17 {
		t.Fatalf("%+v", r)
	}
	for i, e := range []*tapeEntry{header, payload} {
		if file, _ := damageOf(r.Problems[i]); file != e.segment.name || !strings.Contains(r.Problems[i].Error(), "rounds ") {
			t.Errorf("%v", r.Problems[i])
		}
	}
	// What is behind a segment that is missing is looked at, too.
	missing := tape.mu.segments[2].name
	must(t, f.Remove(missing))
	r = check(f)
	if len(r.Problems) != 3 || r.Rounds >= 17 {
		t.Fatalf("%+v, want of %d rounds", r, len(want))
	}
	for i, want := range []string{missing, header.segment.name, payload.segment.name} {
		if file, _ := damageOf(r.Problems[i]); file != want {
			t.Errorf("%v, want of %s", r.Problems[i], want)
		}
	}
}

// CheckBallot tells of each copy that is damaged.
func TestCheckBallot(t *testing.T) {
	f, b := newBallot(t)
	must(t, b.Put(Ballot{Epoch: 3, Vote: 2, Lost: true}))
	for damaged := range 3 {
		got, problem, err := CheckBallot(f, testBallot, testID)
		must(t, err)
		if (problem == nil) != (damaged == 0) || damaged < 2 && got != (Ballot{Epoch: 3, Vote: 2, Lost: true}) {
			t.Errorf("%d slots damaged: %+v, %v", damaged, got, problem)
		}
		must(t, f.FlipBit(testBallot, int64(damaged%2)*blockBytes+40, 1))
	}
	must(t, f.Remove(testBallot))
	if _, problem, err := CheckBallot(f, testBallot, testID); !errors.Is(problem, dberr.ErrCorrupt) || err != nil {
		t.Errorf("missing: %v, %v", problem, err)
	}
}
