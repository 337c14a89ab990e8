package wal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/hlc"
)

func tapeOptions(f env.FS) TapeOptions {
	return TapeOptions{FS: f, Rand: newSeeded(1), Dir: testDir, Reach: testReach, ID: testID, SegmentBytes: segmentBytesMin, SparesMax: 2}
}

func openTape(t testing.TB, f env.FS) (*Tape, *TapeContents) {
	t.Helper()
	tape, found, err := OpenTape(tapeOptions(f))
	must(t, err)
	return tape, found
}

// roundMaker makes rounds as a group does, of epochs that only grow.
type roundMaker struct {
	rng   *rand.Rand
	clock hlc.Timestamp
}

// make returns round n of an epoch, which goes on behind watermark.
func (m *roundMaker) make(n RoundNumber, e Epoch, watermark hlc.Timestamp) Round {
	r := Round{Number: n, Epoch: e, Kind: RoundData}
	switch m.rng.IntN(8) {
	case 0:
		r.Kind, r.Payload = RoundOpen, nil
	case 1:
		r.Kind, r.Payload = RoundMembers, randomBytes(m.rng, m.rng.IntN(300)+1)
	case 2: // no records
	default:
		size := 200
		if m.rng.IntN(20) == 0 {
			size = 20_000
		}
		r.Payload = m.payload(size)
	}
	m.clock++
	r.Last = m.clock
	r.Watermark = max(watermark, r.Last-1)
	return r
}

// payload returns a payload of a few batches.
func (m *roundMaker) payload(valueMax int) []byte {
	streams := NewStreams(3)
	g, err := NewGatherer(GathererOptions{Streams: streams, Clock: m.hlc(), Wake: func() {}})
	if err != nil {
		panic(err)
	}
	for range m.rng.IntN(5) + 1 {
		appendTx(streams[m.rng.IntN(3)], g.opt.Clock, randomWrites(m.rng, valueMax))
	}
	r := g.Gather()
	m.clock = g.opt.Clock.Last()
	return r.Payload
}

func (m *roundMaker) hlc() *hlc.Clock {
	c := &hlc.Clock{}
	c.Observe(m.clock)
	return c
}

func sameRound(a, b *Round) bool {
	return a.Number == b.Number && a.Epoch == b.Epoch && a.Kind == b.Kind && a.Watermark == b.Watermark && a.Last == b.Last && bytes.Equal(a.Payload, b.Payload)
}

// readTape reads all rounds behind the base.
func readTape(tape *Tape, bytesMax int) (all []Round, err error) {
	for n := tape.Base().Number + 1; ; {
		rounds, err := tape.Read(n, bytesMax)
		if err != nil || len(rounds) == 0 {
			return all, err
		}
		all = append(all, rounds...)
		n += RoundNumber(len(rounds))
	}
}

// expectRounds compares what a tape holds with what it should, both by Read and by what
// it said when it was opened.
func expectRounds(t testing.TB, what string, tape *Tape, found *TapeContents, want []Round) {
	t.Helper()
	got, err := readTape(tape, 5000)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if !slices.EqualFunc(got, want, func(a, b Round) bool { return sameRound(&a, &b) }) {
		t.Fatalf("%s: read\n     %v\nwant %v", what, briefly(got), briefly(want))
	}
	if found == nil {
		return
	}
	for i, r := range found.Rounds {
		w := &want[i]
		if r.Damage != nil || r.Number != w.Number || r.Epoch != w.Epoch || r.Kind != w.Kind || r.Watermark != w.Watermark ||
			r.Last != w.Last || r.Bytes != int64(len(w.Payload)) {
			t.Fatalf("%s: round %d was found as %+v", what, w.Number, r)
		}
	}
	if len(found.Rounds) != len(want) {
		t.Fatalf("%s: %d rounds were found, want %d", what, len(found.Rounds), len(want))
	}
}

func briefly(rounds []Round) (s []string) {
	for _, r := range rounds {
		s = append(s, fmt.Sprintf("%d.%d %v %d", r.Epoch, r.Number, r.Kind, len(r.Payload)))
	}
	return s
}

// tapeFill appends rounds of an epoch, from one to another.
func tapeFill(t testing.TB, tape *Tape, m *roundMaker, from, to RoundNumber, e Epoch) []Round {
	t.Helper()
	var rounds []Round
	for n := from; n <= to; n++ {
		rounds = append(rounds, m.make(n, e, 0))
	}
	if e%2 == 0 {
		must(t, tape.AppendDurably(rounds))
		return rounds
	}
	must(t, tape.Append(rounds))
	must(t, tape.Sync())
	return rounds
}

func newMaker(seed uint64) *roundMaker { return &roundMaker{rng: rand.New(rand.NewPCG(seed, 8))} }

// A tape gives back what was appended, at once and when it is opened again; a round
// whose number was there replaces all behind it, in the segment before too.
func TestTapeKeepsAndReplaces(t *testing.T) {
	f, m := newFS(t), newMaker(1)
	tape, found := openTape(t, f)
	if found.Base != (Base{}) || len(found.Rounds) != 0 {
		t.Fatalf("a new tape holds %+v", found)
	}
	want := tapeFill(t, tape, m, 1, 40, 1)
	expectRounds(t, "appended", tape, nil, want)
	for i, from := range []RoundNumber{38, 20, 25, 3, 1} {
		e := Epoch(i + 2)
		want = append(want[:from-1], tapeFill(t, tape, m, from, from+10, e)...)
		expectRounds(t, "replaced", tape, nil, want)
		clone, found := openTape(t, f.Clone())
		expectRounds(t, "opened", clone, found, want)
		must(t, clone.Close())
	}
	must(t, tape.Close())
	tape, found = openTape(t, f)
	expectRounds(t, "closed", tape, found, want)
	want = append(want, tapeFill(t, tape, m, RoundNumber(len(want)+1), RoundNumber(len(want)+5), 9)...)
	tape, found = openTape(t, f.Clone())
	expectRounds(t, "went on", tape, found, want)
}

// What does not fit is refused, and nothing has changed.
func TestTapeRefuses(t *testing.T) {
	f, m := newFS(t), newMaker(2)
	tape, _ := openTape(t, f)
	want := tapeFill(t, tape, m, 1, 5, 3)
	good := m.make(6, 3, want[4].Watermark)
	for what, change := range map[string]func(r *Round){
		"a gap":             func(r *Round) { r.Number = 7 },
		"round 0":           func(r *Round) { r.Number = 0 },
		"an earlier epoch":  func(r *Round) { r.Epoch = 2 },
		"an old watermark":  func(r *Round) { r.Watermark = want[4].Watermark - 1 },
		"no kind":           func(r *Round) { r.Kind = 0 },
		"an unknown kind":   func(r *Round) { r.Kind = RoundLastPart + 1 },
		"a late timestamp":  func(r *Round) { r.Last = hlc.Max + 1 },
		"a short payload":   func(r *Round) { r.Kind, r.Payload = RoundData, []byte{1, 0, 0} },
		"a payload's count": func(r *Round) { r.Kind, r.Payload = RoundData, make([]byte, 100) },
	} {
		r := good
		change(&r)
		if err := tape.Append([]Round{r}); err == nil {
			t.Errorf("%s was taken", what)
		}
	}
	expectRounds(t, "refused", tape, nil, want)
	must(t, tape.Append([]Round{good}))
	if _, err := tape.Read(0, 1); !errors.Is(err, ErrDiscarded) {
		t.Errorf("reading round 0: %v", err)
	}
	must(t, tape.Close())
	for _, err := range []error{tape.Append([]Round{good}), tape.Sync(), tape.Close(), tape.Discard(1), tape.Reset(Base{}), tape.Witness()} {
		if !errors.Is(err, dberr.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

// Discard removes what no round from there on is in; Reset leaves nothing.
func TestTapeDiscardAndReset(t *testing.T) {
	f, m := newFS(t), newMaker(3)
	tape, _ := openTape(t, f)
	want := tapeFill(t, tape, m, 1, 60, 1)
	before := len(segmentNames(f))
	must(t, tape.Discard(30))
	base := tape.Base()
	if base.Number == 0 || base.Number >= 30 || len(segmentNames(f)) >= before {
		t.Fatalf("the log begins behind %+v, in %d of %d segments", base, len(segmentNames(f)), before)
	}
	if b := want[base.Number-1]; base != (Base{b.Number, b.Epoch, b.Watermark, b.Last}) {
		t.Fatalf("the log begins behind %+v, which is %+v", base, b)
	}
	want = want[base.Number:]
	expectRounds(t, "discarded", tape, nil, want)
	clone, found := openTape(t, f.Clone())
	if clone.Base() != base || found.Base != base {
		t.Fatalf("opened behind %+v, want %+v", found.Base, base)
	}
	expectRounds(t, "discarded and opened", clone, found, want)
	if _, err := tape.Read(base.Number, 1); !errors.Is(err, ErrDiscarded) {
		t.Errorf("reading a round that was discarded: %v", err)
	}
	base = Base{Number: 1000, Epoch: 7, Watermark: 5, Last: 6}
	must(t, tape.Reset(base))
	want = tapeFill(t, tape, m, 1001, 1020, 7)
	expectRounds(t, "reset", tape, nil, want)
	must(t, tape.Reset(Base{Number: 4, Epoch: 7}))
	if n := len(segmentNames(f)); n > 2 {
		t.Errorf("%d segments after a reset", n)
	}
	expectRounds(t, "reset", tape, nil, nil)
	tape, found = openTape(t, f.Clone())
	if found.Base != (Base{Number: 4, Epoch: 7}) {
		t.Errorf("reset and opened behind %+v", found.Base)
	}
	expectRounds(t, "reset and opened", tape, found, nil)
	tapeFill(t, tape, m, 5, 9, 8)
}

// A full disk is an error that the tape survives.
func TestTapeOnAFullDisk(t *testing.T) {
	f, m := newFS(t), newMaker(4)
	tape, _ := openTape(t, f)
	f.SetCapacity(f.UsedBytes() + 5*segmentBytesMin/2)
	var want []Round
	var err error
	for err == nil {
		r := m.make(RoundNumber(len(want)+1), 1, 0)
		if err = tape.Append([]Round{r}); err == nil {
			want = append(want, r)
		}
	}
	if !env.IsDiskFull(err) || !errors.Is(err, dberr.ErrDiskFull) || len(want) == 0 {
		t.Fatalf("after %d rounds: %v", len(want), err)
	}
	expectRounds(t, "full", tape, nil, want)
	if err := tape.Append([]Round{m.make(tape.Last()+1, 1, 0), m.make(tape.Last()+2, 1, 0)}); !env.IsDiskFull(err) {
		t.Fatal(err)
	}
	if err := tape.Reset(Base{}); !env.IsDiskFull(err) {
		t.Fatal(err)
	}
	f.SetCapacity(0)
	want = append(want, tapeFill(t, tape, m, tape.Last()+1, 50, 2)...)
	must(t, tape.Close())
	tape, found := openTape(t, f)
	expectRounds(t, "room again", tape, found, want)
}

// A write or sync that failed ends the tape; what was read before can be read still.
func TestTapeFails(t *testing.T) {
	for _, kind := range []faultfs.OpKind{faultfs.OpWrite, faultfs.OpSync} {
		f, m := newFS(t), newMaker(5)
		tape, _ := openTape(t, f)
		want := tapeFill(t, tape, m, 1, 2, 1)
		injected := errors.New("injected")
		f.Fail(kind, 1, 1, injected)
		err := tape.Append([]Round{m.make(3, 1, 0)})
		if kind == faultfs.OpSync && err == nil {
			err = tape.Sync()
		}
		if !errors.Is(err, injected) || !errors.Is(err, dberr.ErrLogFailed) {
			t.Fatalf("%v: %v", kind, err)
		}
		for _, err := range []error{tape.Append([]Round{m.make(3, 1, 0)}), tape.Sync(), tape.Discard(1), tape.Reset(Base{}), tape.Witness()} {
			if !errors.Is(err, dberr.ErrLogFailed) {
				t.Errorf("%v: after a failure: %v", kind, err)
			}
		}
		got, err := tape.Read(1, 1<<20)
		if err != nil || len(got) < 2 || !sameRound(&got[1], &want[1]) {
			t.Errorf("%v: reading after a failure: %v, %v", kind, briefly(got), err)
		}
		if err := tape.Close(); !errors.Is(err, dberr.ErrLogFailed) {
			t.Errorf("%v: closing after a failure: %v", kind, err)
		}
	}
}

// TestLazyTape writes into files that were not filled with zeros, past the system's memory,
// and finds the rounds again.
func TestLazyTape(t *testing.T) {
	f := env.OS()
	o := tapeOptions(f)
	dir := t.TempDir()
	o.Dir, o.Reach, o.Lazy = filepath.Join(dir, "log"), filepath.Join(dir, "reach"), true
	must(t, CreateReach(f, o.Reach, o.ID, Reach{}))
	tape, _, err := OpenTape(o)
	must(t, err)
	m := &roundMaker{rng: rand.New(rand.NewPCG(1, 2))}
	var rounds []Round
	watermark := hlc.Timestamp(0)
	for n := range RoundNumber(60) {
		r := m.make(n+1, 1, watermark)
		watermark = r.Watermark
		rounds = append(rounds, r)
		must(t, tape.Append(rounds[n:]))
		must(t, tape.Sync())
	}
	if names, err := f.List(o.Dir); err != nil || len(names) < 3 {
		t.Fatalf("files %v, %v: too few for the test to mean something", names, err)
	}
	must(t, tape.Close())
	tape, found, err := OpenTape(o)
	must(t, err)
	if len(found.Rounds) != len(rounds) {
		t.Fatalf("%d rounds of %d", len(found.Rounds), len(rounds))
	}
	got, err := tape.Read(1, 1<<30)
	must(t, err)
	for i := range got {
		if got[i].Number != rounds[i].Number || !bytes.Equal(got[i].Payload, rounds[i].Payload) {
			t.Errorf("round %d is not what was written", i+1)
		}
	}
	must(t, tape.Close())
}

// TestTapeWritesManyRoundsAtOnce: what one Append brings is one write, however many rounds it is
// and as long as it fits into the buffer and the segment. A round that is larger than the buffer
// is there too.
func TestTapeWritesManyRoundsAtOnce(t *testing.T) {
	f := newFS(t)
	o := tapeOptions(f)
	o.SegmentBytes = 16 * writeBytes
	tape, _, err := OpenTape(o)
	must(t, err)
	m := newMaker(3)
	want := []Round{m.make(1, 1, 0)}
	must(t, tape.Append(want)) // begins the segment
	before := f.Count(faultfs.OpWrite)
	for n := RoundNumber(2); n <= 50; n++ {
		want = append(want, m.make(n, 1, want[n-2].Watermark))
	}
	must(t, tape.Append(want[1:]))
	if n := f.Count(faultfs.OpWrite) - before; n != 1 {
		t.Errorf("49 rounds took %d writes", n)
	}
	expectRounds(t, "after many at once", tape, nil, want)
	for _, bytes := range []int{writeBytes - roundHeaderBytes - 1, writeBytes - roundHeaderBytes, 3*writeBytes + 1} {
		last := &want[len(want)-1]
		large := []Round{m.make(last.Number+1, 1, last.Watermark), m.make(last.Number+2, 1, last.Watermark), m.make(last.Number+3, 1, last.Watermark)}
		for i := range large {
			large[i].Watermark = last.Watermark
		}
		large[1].Kind, large[1].Payload = RoundMembers, randomBytes(m.rng, bytes)
		must(t, tape.Append(large))
		want = append(want, large...)
	}
	expectRounds(t, "with large ones", tape, nil, want)
	must(t, tape.Close())
	tape, found, err := OpenTape(o)
	must(t, err)
	expectRounds(t, "opened again", tape, found, want)
	must(t, tape.Close())
}

// TestTapeReadsWhatIsWritten: a reader beside an Append sees a round when it is on the disk.
func TestTapeReadsWhatIsWritten(t *testing.T) {
	tape, _ := openTape(t, newFS(t))
	want := tapeFill(t, tape, newMaker(5), 1, 3, 1)
	again := want[1] // in place of what is there
	must(t, tape.append(&again, false))
	expectRounds(t, "before the write", tape, nil, want[:1])
	must(t, tape.flush())
	expectRounds(t, "after the write", tape, nil, want[:2])
	must(t, tape.Close())
}
