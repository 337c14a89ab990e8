package wal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/hlc"
)

// lives writes a log that was crashed a few times, and returns its disk, and what a
// recovery finds.
func lives(t *testing.T, seed uint64, closed bool) (*faultfs.FS, []tx) {
	t.Helper()
	n := &node{t: t, what: fmt.Sprintf("seed %d", seed), fs: newFS(t), segmentBytes: 9 * blockBytes}
	for life := range uint64(4) {
		n.start(seed + life)
		for range 40 {
			n.append()
			if n.rng.IntN(3) == 0 {
				must(t, n.prepare())
				must(t, n.log.flush.work(false))
			}
		}
		if life == 3 && closed {
			must(t, n.stop())
		}
		n = n.fork(n.fs.Clone(), ", killed")
	}
	n.segmentBytes = 0
	_, got, err := recoverAll(n.fs, 0)
	must(t, err)
	return n.fs, got
}

// logRounds reads the rounds of a log with the reader that recovers it.
func logRounds(t *testing.T, f *faultfs.FS) (rounds []Round) {
	t.Helper()
	reach, err := loadReach(f, testReach, testID)
	must(t, err)
	c, err := loadChain(f, testDir, testID, reach.Reach, 0, func(err error) { t.Fatal(err) })
	must(t, err)
	_, err = c.findTail()
	must(t, err)
	for i := range c.segments {
		r, file, err := c.openRounds(i, newChunkPool(chunkBytes))
		must(t, err)
		for {
			if err := r.next(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			var batches []Batch
			for b := range r.placed(0, hlc.Max) {
				b.data = slices.Clone(b.data)
				batches = append(batches, b.Batch)
			}
			payload, _, _ := encodePayload(batches, recordBytes(batches))
			rounds = append(rounds, Round{
				Number: r.header.entry, Epoch: r.header.epoch, Kind: r.header.kind, Watermark: r.header.watermark, Last: r.header.last, Payload: payload,
			})
		}
		r.close()
		must(t, file.Close())
	}
	return rounds
}

// released returns the records of a log by the rule of a replica group: those of an epoch
// that are not above its final watermark, which is that of its last round.
func released(t *testing.T, rounds []Round) (all []tx, dropped int) {
	t.Helper()
	finals := map[Epoch]hlc.Timestamp{}
	for i := range rounds {
		finals[rounds[i].Epoch] = rounds[i].Watermark
	}
	for i := range rounds {
		if rounds[i].Kind != RoundData {
			continue
		}
		batches, err := SplitPayload(rounds[i].Payload)
		must(t, err)
		for j := range batches {
			b := &batches[j]
			before := len(all)
			b.UpTo(finals[rounds[i].Epoch])
			for x := b.Read(); x.Next(); {
				all = append(all, readTx(b.Stream, &x))
			}
			dropped += b.Records - (len(all) - before)
		}
	}
	slices.SortFunc(all, func(a, b tx) int { return cmp.Compare(a.ts, b.ts) })
	return all, dropped
}

// A folder that a Log has written opens as a Tape, which goes on in it: with the same
// rounds, of which the group's rule about epochs drops what a recovery does. Each opening
// is an epoch, which begins with a barrier. What replaces rounds is not for a Log.
func TestTapeOpensALog(t *testing.T) {
	bounded := 0
	for seed := range uint64(6) {
		f, records := lives(t, 100*seed, seed%2 == 0)
		want := logRounds(t, f)
		tape, found := openTape(t, f)
		if len(found.Rounds) != len(want) {
			t.Fatalf("%d rounds, want %d", len(found.Rounds), len(want))
		}
		got, err := readTape(tape, 3000)
		must(t, err)
		before := Round{}
		for i := range want {
			r := &got[i]
			if !sameRound(r, &want[i]) || found.Rounds[i].Last != want[i].Last {
				t.Fatalf("round %d is\n     %+v\nwant %+v", i+1, got[i], want[i])
			}
			begins := r.Epoch != before.Epoch
			if begins != (r.Kind == RoundOpen) || begins && (r.Epoch != before.Epoch+1 || r.Watermark != 0 || r.Payload != nil) || r.Last < before.Last {
				t.Fatalf("%+v comes after %+v", *r, before)
			}
			before = *r
		}
		if before.Epoch != 4 {
			t.Errorf("epoch %d after 4 lives", before.Epoch)
		}
		all, dropped := released(t, got)
		expect(t, all, records)
		bounded += dropped

		// It goes on as the log of a group, and replaces rounds of the Log.
		m := newMaker(seed)
		m.clock = found.Last
		for _, from := range []RoundNumber{tape.Last() + 1, tape.Last() - 2} {
			want = append(want[:from-1], tapeFill(t, tape, m, from, from+20, Epoch(from))...)
			again, _ := openTape(t, f.Clone())
			expectRounds(t, "a tape on a log", again, nil, want)
		}
		if _, _, err := recoverAll(f.Clone(), 0); !errors.Is(err, dberr.ErrCorrupt) {
			t.Errorf("a Log recovers a tape: %v", err)
		}
		for _, replica := range []bool{false, true} {
			report, err := Check(t.Context(), CheckOptions{FS: f.Clone(), Dir: testDir, Reach: testReach, ID: testID, Replica: replica})
			must(t, err)
			if replica != (len(report.Problems) == 0) {
				t.Errorf("check of a tape, as a replica's %v: %v", replica, report.Problems)
			}
		}
		must(t, tape.Discard(tape.Last()))
		if b := tape.Base(); b.Number < RoundNumber(len(want))-20 || b.Epoch == 0 {
			t.Errorf("discarded behind %+v", b)
		}
	}
	if bounded == 0 {
		t.Error("no recovery has dropped anything")
	}
}

// A log's segments behind which the tape goes on may be discarded one by one.
func TestTapeDiscardsALog(t *testing.T) {
	f, _ := lives(t, 7, true)
	want := logRounds(t, f)
	tape, found := openTape(t, f)
	if found.Base != (Base{}) {
		t.Fatalf("a log begins behind %+v", found.Base)
	}
	last := RoundNumber(math.MaxUint64)
	for n := RoundNumber(1); n <= tape.Last(); n++ {
		must(t, tape.Discard(n))
		base := tape.Base()
		if base.Number >= n || base.Number > 0 && base.Epoch != want[base.Number-1].Epoch {
			t.Fatalf("discarded before %d: the log begins behind %+v", n, base)
		}
		if base.Number == last {
			continue
		}
		last = base.Number
		again, found := openTape(t, f.Clone())
		if found.Base != base {
			t.Fatalf("discarded before %d: %+v, opened again: %+v", n, base, found.Base)
		}
		expectRounds(t, "discarded", again, nil, want[base.Number:])
	}
	if last == 0 {
		t.Error("nothing was discarded")
	}
}
