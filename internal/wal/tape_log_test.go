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
	dropped := int64(0)
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
		found, _, err := recoverAll(n.fs.Clone(), 0)
		must(t, err)
		dropped += found.Dropped
	}
	n.segmentBytes = 0
	_, got, err := recoverAll(n.fs, 0)
	must(t, err)
	return n.fs, got
}

// logRounds reads the rounds of a log with the reader that recovers it.
func logRounds(t *testing.T, f *faultfs.FS) (rounds []Round, dropped []hlc.Timestamp) {
	t.Helper()
	reach, err := loadReach(f, testReach, testID)
	must(t, err)
	c, err := loadChain(f, testDir, testID, reach.Reach, 0, func(err error) { t.Fatal(err) })
	must(t, err)
	to := make([]hlc.Timestamp, len(c.segments))
	for i := range c.segments {
		to[i] = c.segments[i].to
	}
	_, err = c.findTail()
	must(t, err)
	for i := range c.segments {
		r, file, err := c.openRounds(i, newChunkPool())
		must(t, err)
		for {
			if err := r.next(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			var batches []Batch
			last := r.header.watermark
			for at, j := int64(0), 0; j < len(r.batches); j++ {
				var b placedBatch
				b, at = r.batch(j, at, 0, hlc.Max)
				b.data = slices.Clone(b.data)
				batches = append(batches, b.Batch)
				last = max(last, b.Closed)
			}
			payload, _, _ := encodePayload(batches, recordBytes(batches))
			rounds = append(rounds, Round{
				Number: r.header.number, Epoch: r.header.epoch, Kind: RoundData, Watermark: r.header.watermark, Last: last, Payload: payload,
			})
			dropped = append(dropped, to[i])
		}
		r.close()
		must(t, file.Close())
	}
	return rounds, dropped
}

// A folder that a Log has written opens as a Tape, with the same rounds. What the
// tape adds is not for a Log.
func TestTapeOpensALog(t *testing.T) {
	bounded := 0
	for seed := range uint64(6) {
		f, records := lives(t, 100*seed, seed%2 == 0)
		want, dropped := logRounds(t, f)
		tape, found := openTape(t, f)
		if len(found.Rounds) != len(want) {
			t.Fatalf("%d rounds, want %d", len(found.Rounds), len(want))
		}
		got, err := readTape(tape, 3000)
		must(t, err)
		var all []tx
		final := want[len(want)-1].Watermark // F of the log's epoch
		for i := range want {
			if !sameRound(&got[i], &want[i]) || found.Rounds[i].Last != want[i].Last || found.Rounds[i].Dropped != dropped[i] {
				t.Fatalf("round %d is\n     %+v\nwant %+v", i+1, got[i], want[i])
			}
			batches, err := SplitPayload(got[i].Payload)
			must(t, err)
			for j := range batches {
				b := &batches[j]
				b.UpTo(min(final, dropped[i]))
				for x := b.Read(); x.Next(); {
					all = append(all, readTx(b.Stream, &x))
				}
			}
			if dropped[i] < hlc.Max {
				bounded++
			}
		}
		slices.SortFunc(all, func(a, b tx) int { return cmp.Compare(a.ts, b.ts) })
		expect(t, all, records)

		// It goes on as the log of a group, and replaces rounds of the Log.
		m := newMaker(seed)
		m.clock = found.Last
		for _, from := range []RoundNumber{tape.Last() + 1, tape.Last() - 2} {
			want = append(want[:from-1], tapeFill(t, tape, m, from, from+20, Epoch(from))...)
			again, _ := openTape(t, f.Clone())
			expectRounds(t, "a tape on a log", again, nil, want)
		}
		if _, _, err := recoverAll(f.Clone(), 0); !errors.Is(err, dberr.ErrNewerFormat) {
			t.Errorf("a Log recovers a tape: %v", err)
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
	want, _ := logRounds(t, f)
	tape, found := openTape(t, f)
	if found.Base != (Base{}) {
		t.Fatalf("a log begins behind %+v", found.Base)
	}
	last := RoundNumber(math.MaxUint64)
	for n := RoundNumber(1); n <= tape.Last(); n++ {
		must(t, tape.Discard(n))
		base := tape.Base()
		if base.Number >= n || base.Number > 0 && base.Epoch != 1 {
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
