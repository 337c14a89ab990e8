package wal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/hlc"
)

// unit is a part of the log with a checksum of its own.
type unit struct {
	kind     string
	file     string
	from, to int64
	round    RoundNumber // 0 for a segment's header
}

// units lists what the log on f consists of, in order. The end of a log that was
// not closed is not vouched for: claimed is the last round that a later one or the
// reach calls durable.
func units(t *testing.T, f env.FS) (list []unit, claimed RoundNumber) {
	t.Helper()
	c, err := loadChain(f, testDir, testID, Reach{}, 0, func(err error) { t.Fatal(err) })
	must(t, err)
	_, err = c.findTail()
	must(t, err)
	reach, err := loadReach(f, testReach, testID)
	must(t, err)
	claimed = reach.Round
	for i := range c.segments {
		name := c.segments[i].name
		list = append(list, unit{"segment header", name, 0, blockBytes, 0})
		claimed = max(claimed, c.segments[i].header.firstRound-1)
		r, file, err := c.openRounds(i, newChunkPool(chunkBytes))
		must(t, err)
		for {
			if err := r.next(); err != nil {
				if !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				break
			}
			claimed = max(claimed, r.header.synced)
			add := func(kind string, from, to int64) {
				if to > from {
					list = append(list, unit{kind, name, r.offset + from, r.offset + to, r.header.number})
				}
			}
			add("round header", 0, roundHeaderBytes)
			at := int64(roundHeaderBytes + len(r.batches)*batchHeaderBytes)
			add("batch headers", roundHeaderBytes, at)
			for i := range r.batches {
				add("records", at, at+r.batches[i].bytes)
				at += r.batches[i].bytes
			}
		}
		r.close()
		must(t, file.Close())
	}
	return list, claimed
}

// writtenLog returns a log of several segments, and what is in it.
func writtenLog(t *testing.T, seed uint64, closed bool) (*faultfs.FS, []tx) {
	t.Helper()
	n := &node{t: t, what: "writing", fs: newFS(t), segmentBytes: 9 * blockBytes}
	n.start(seed)
	n.log.flush.opt.SyncInterval = 0
	for len(n.must) < 70 {
		for range n.rng.IntN(5) {
			n.append()
		}
		must(t, n.prepare())
		must(t, n.log.flush.work(false))
		n.settleModel()
	}
	must(t, n.prepare())
	if closed {
		must(t, n.stop())
	}
	return n.fs, n.must
}

// isCorrupt tells whether err names that place.
func isCorrupt(err error, file string, offset int64) bool {
	var c *dberr.CorruptionError
	return errors.As(err, &c) && errors.Is(err, dberr.ErrCorrupt) && c.File == file && c.Offset == offset
}

func check(t *testing.T, f env.FS) *CheckReport {
	t.Helper()
	report, err := Check(context.Background(), CheckOptions{FS: f, Dir: testDir, Reach: testReach, ID: testID, FromFile: testCheckpoint})
	must(t, err)
	return report
}

// TestBitRot flips bits in every unit of a log. Recovery and check have to name
// the unit, unless it is at the end, where it can not be told from a torn write;
// then the log has to end before it.
func TestBitRot(t *testing.T) {
	for _, closed := range []bool{true, false} {
		f, all := writtenLog(t, 11, closed)
		list, claimed := units(t, f)
		rng := rand.New(rand.NewPCG(1, 9))
		kinds := map[string]int{}
		for _, u := range list {
			for _, at := range []int64{u.from, u.to - 1, u.from + rng.Int64N(u.to-u.from)} {
				bit := rng.UintN(8)
				must(t, f.FlipBit(u.file, at, bit))
				_, got, err := recoverAll(f.Clone(), 0)
				report := check(t, f)
				switch {
				case u.round > claimed:
					must(t, err)
					if len(report.Problems) > 0 {
						t.Fatalf("%+v: a torn end is no problem, but: %v", u, report.Problems)
					}
					if !closed && len(got) >= len(all) {
						t.Fatalf("%+v: nothing is missing", u)
					}
					kinds["end"]++
				case !isCorrupt(err, u.file, u.from):
					t.Fatalf("%+v: bit %d at %d: recovery says %v", u, bit, at, err)
				case len(report.Problems) == 0 || !isCorrupt(report.Problems[0], u.file, u.from):
					t.Fatalf("%+v: bit %d at %d: check says %v", u, bit, at, report.Problems)
				default:
					kinds[u.kind]++
				}
				must(t, f.FlipBit(u.file, at, bit))
			}
		}
		for _, kind := range []string{"segment header", "round header", "batch headers", "records"} {
			if kinds[kind] < 3 {
				t.Errorf("only %d flips in %s", kinds[kind], kind)
			}
		}
		if closed == (kinds["end"] > 3) {
			t.Errorf("closed: %v, but %d flips were taken for the end", closed, kinds["end"])
		}
		if _, got, err := recoverAll(f, 0); err != nil {
			t.Fatal(err)
		} else {
			expect(t, got, all)
		}
	}
}

// TestCheckFindsEveryProblem damages several units at once.
func TestCheckFindsEveryProblem(t *testing.T) {
	f, _ := writtenLog(t, 12, true)
	list, claimed := units(t, f)
	whole := check(t, f)
	var damaged []unit
	last := map[RoundNumber]bool{0: true}
	for i, u := range list {
		if i%5 == 3 && u.round <= claimed && !last[u.round] && !last[u.round-1] {
			last[u.round] = true
			must(t, f.FlipBit(u.file, u.from+1, 3))
			damaged = append(damaged, u)
		}
	}
	report := check(t, f)
	if len(damaged) < 5 || len(report.Problems) != len(damaged) {
		t.Fatalf("%d problems in %d damaged units: %v", len(report.Problems), len(damaged), report.Problems)
	}
	for i, u := range damaged {
		if !isCorrupt(report.Problems[i], u.file, u.from) {
			t.Errorf("problem %d is %v, want %+v", i, report.Problems[i], u)
		}
	}
	if want := whole.Rounds - int64(len(damaged)); report.Rounds != want {
		t.Errorf("%d rounds are sound, want %d", report.Rounds, want)
	}
}

// damage is a test of what happens when a log's files are not what they were.
func damage(t *testing.T, name string, hurt func(t *testing.T, f *faultfs.FS, segments []string) (file string, offset int64)) {
	t.Run(name, func(t *testing.T) {
		f, _ := writtenLog(t, 13, false)
		segments := segmentNames(f)
		if len(segments) < 4 {
			t.Fatalf("only %d segments", len(segments))
		}
		file, offset := hurt(t, f, segments)
		if _, _, err := recoverAll(f.Clone(), 0); !isCorrupt(err, file, offset) {
			t.Errorf("recovery: %v, want %s at %d", err, file, offset)
		}
		if report := check(t, f); len(report.Problems) == 0 || !isCorrupt(report.Problems[0], file, offset) {
			t.Errorf("check: %v, want %s at %d", report.Problems, file, offset)
		}
	})
}

func rewrite(t *testing.T, f *faultfs.FS, name string, change func(b []byte) []byte) {
	t.Helper()
	b, err := f.ReadFile(name)
	must(t, err)
	must(t, f.WriteFile(name, change(b)))
}

// reseal gives a changed segment header its right checksum.
func reseal(b []byte) []byte {
	clear(b[blockCRCOffset : blockCRCOffset+4])
	binary.LittleEndian.PutUint32(b[blockCRCOffset:], checksum(0, b[:blockBytes]))
	return b
}

func TestDamagedFiles(t *testing.T) {
	damage(t, "segment missing in the middle", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		must(t, f.Remove(s[1]))
		return s[1], 0
	})
	damage(t, "first segment missing", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		must(t, f.Remove(s[0]))
		return s[0], 0
	})
	damage(t, "last segment missing before a prepared one", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		if b, err := f.ReadFile(s[len(s)-1]); err != nil || !bytes.Equal(b, make([]byte, len(b))) {
			t.Fatal("the last file is not a prepared one")
		}
		must(t, f.Remove(s[len(s)-2]))
		return s[len(s)-2], 0
	})
	damage(t, "segment of another database", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		rewrite(t, f, s[1], func(b []byte) []byte { b[20] ^= 1; return reseal(b) })
		return s[1], 0
	})
	damage(t, "last segment of another database", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		last := s[len(s)-2]
		rewrite(t, f, last, func(b []byte) []byte { b[20] ^= 1; return reseal(b) })
		return last, 0
	})
	damage(t, "segment under another's name", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		b, err := f.ReadFile(s[2])
		must(t, err)
		must(t, f.WriteFile(s[1], b))
		return s[1], 0
	})
	damage(t, "rounds of another segment", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		b, err := f.ReadFile(s[2])
		must(t, err)
		rewrite(t, f, s[1], func(old []byte) []byte { return append(old[:blockBytes:blockBytes], b[blockBytes:]...) })
		return s[1], blockBytes
	})
	damage(t, "segment cut off", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		rewrite(t, f, s[1], func(b []byte) []byte { return b[:2*blockBytes+100] })
		return s[1], 2*blockBytes + 100
	})
	damage(t, "last segment cut off", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		last := s[len(s)-2]
		rewrite(t, f, last, func(b []byte) []byte { return b[:blockBytes+10] })
		return last, blockBytes + 10
	})
	damage(t, "segment of garbage", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		rewrite(t, f, s[1], func(b []byte) []byte { return randomBytes(rand.New(rand.NewPCG(1, 1)), len(b)) })
		return s[1], 0
	})
	damage(t, "last segment with a bad header and a bad first round", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		must(t, f.Remove(s[len(s)-1])) // the prepared one
		last := s[len(s)-2]
		must(t, f.FlipBit(last, 60, 0))
		must(t, f.FlipBit(last, blockBytes+20, 0))
		return last, 0
	})
	damage(t, "header that disagrees with the rounds before it", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		var end int64
		rewrite(t, f, s[2], func(b []byte) []byte {
			h, err := decodeSegmentHeader(s[2], b)
			must(t, err)
			end = h.prevEnd
			h.base.Last++
			h.put(b)
			return b
		})
		return s[1], end
	})
	damage(t, "empty segment", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		must(t, f.WriteFile(s[0], nil))
		return s[0], 0
	})
	damage(t, "only a segment with a bad header", func(t *testing.T, f *faultfs.FS, s []string) (string, int64) {
		for i := range s {
			if i != len(s)-2 {
				must(t, f.Remove(s[i]))
			}
		}
		must(t, f.FlipBit(s[len(s)-2], 50, 1))
		return s[len(s)-2], 0
	})
}

// TestOtherFormats: what another version has written is refused as that by all that read
// it, also where damage is let pass, and nothing is written over it.
func TestOtherFormats(t *testing.T) {
	f, _ := writtenLog(t, 14, true)
	for version, want := range map[uint32]error{1: dberr.ErrOlderFormat, FormatVersion + 1: dberr.ErrNewerFormat} {
		for _, name := range segmentNames(f) {
			b, err := f.ReadFile(name)
			must(t, err)
			if b[0] == 0 {
				continue
			}
			g := f.Clone()
			rewrite(t, g, name, func(b []byte) []byte {
				binary.LittleEndian.PutUint32(b[8:], version)
				return reseal(b)
			})
			before := contents(t, g)
			if _, _, err := recoverAll(g, 0); !errors.Is(err, want) || !strings.Contains(err.Error(), name) {
				t.Fatalf("recovery: %v", err)
			}
			if report := check(t, g); len(report.Problems) == 0 || !errors.Is(report.Problems[0], want) {
				t.Fatalf("check: %v", report.Problems)
			}
			o := tapeOptions(g)
			o.Damaged = true
			if _, _, err := OpenTape(o); !errors.Is(err, want) || !strings.Contains(err.Error(), name) {
				t.Fatalf("tape: %v", err)
			}
			if !maps.Equal(contents(t, g), before) {
				t.Fatal("something was written")
			}
		}
	}
}

// contents returns what is in all files.
func contents(t *testing.T, f *faultfs.FS) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range f.Names() {
		b, err := f.ReadFile(name)
		must(t, err)
		all[name] = string(b)
	}
	return all
}

// TestEarlierLife puts a round into a segment that has everything right but the
// nonce, as one of a crashed attempt at the same segment would.
func TestEarlierLife(t *testing.T) {
	f, all := writtenLog(t, 15, false)
	c, err := loadChain(f, testDir, testID, Reach{}, 0, func(err error) { t.Fatal(err) })
	must(t, err)
	end, err := c.findTail()
	must(t, err)
	s := &c.segments[len(c.segments)-1]
	put := func(nonce uint64) *faultfs.FS {
		g := f.Clone()
		rewrite(t, g, s.name, func(b []byte) []byte {
			h := end.next(nonce)
			h.put(b[end.end:], placeIn(testID, s.header.number).at(end.end))
			return b
		})
		return g
	}
	found, _, err := recoverAll(put(s.header.nonce), 0)
	if err != nil || found.Watermark != hlc.Max {
		t.Fatalf("the round is not believed with the right nonce either: %+v, %v", found, err)
	}
	found, got, err := recoverAll(put(s.header.nonce+1), 0)
	if err != nil || found.Watermark == hlc.Max {
		t.Fatalf("the round was believed: %+v, %v", found, err)
	}
	expect(t, got, all)
}

// next returns the header of an empty round behind a log's end.
func (t *tail) next(nonce uint64) roundHeader {
	return roundHeader{
		bytes: roundHeaderBytes, number: t.round + 1, nonce: nonce, synced: t.round, epoch: t.base.Epoch,
		kind: RoundData, entry: t.base.Number + 1, watermark: hlc.Max, last: hlc.Max,
	}
}

// TestUnreadableDisk: an error of the disk is passed on and is no corruption.
func TestUnreadableDisk(t *testing.T) {
	f, _ := writtenLog(t, 16, true)
	injected := errors.New("injected")
	reads := f.Count(faultfs.OpRead)
	check(t, f)
	reads = f.Count(faultfs.OpRead) - reads
	for n := range reads {
		f.Fail(faultfs.OpRead, n+1, 1, injected)
		if _, err := Check(context.Background(), CheckOptions{FS: f, Dir: testDir, Reach: testReach, ID: testID}); !errors.Is(err, injected) {
			t.Fatalf("check with read %d failing: %v", n, err)
		}
		f.Heal()
	}
	reads = f.Count(faultfs.OpRead)
	if _, _, err := recoverAll(f, 0); err != nil {
		t.Fatal(err)
	}
	reads = f.Count(faultfs.OpRead) - reads
	for n := range reads {
		f.Fail(faultfs.OpRead, n+1, 1, injected)
		if _, _, err := recoverAll(f, 0); !errors.Is(err, injected) || errors.Is(err, dberr.ErrCorrupt) {
			t.Fatalf("recovery with read %d failing: %v", n, err)
		}
		f.Heal()
	}
}

// Settle comes when it is due, while nothing is being applied, and what is applied
// afterwards is newer.
func TestRecoverSettles(t *testing.T) {
	f, all := writtenLog(t, 17, true)
	var running, records atomic.Int64
	var applied hlc.Timestamp
	settled, rounds := 0, 0
	o := RecoverOptions{
		FS: f, Dir: testDir, Reach: testReach, ID: testID, Workers: 3,
		Apply: func(_ int, b *Batch) error {
			running.Add(1)
			defer running.Add(-1)
			r := b.Read()
			for r.Next() {
				if r.Timestamp() <= applied {
					t.Errorf("a record at %d after all up to %d were applied", r.Timestamp(), applied)
				}
				records.Add(1)
			}
			return r.Err()
		},
		Due: func(bytes int64) bool {
			if bytes <= 0 {
				t.Errorf("due before %d bytes", bytes)
			}
			rounds++
			return rounds%2 == 0
		},
		Settle: func(ts hlc.Timestamp) error {
			if n := running.Load(); n != 0 || ts < applied {
				t.Errorf("%d batches are being applied; settled up to %d, then %d", n, applied, ts)
			}
			applied = ts
			settled++
			return nil
		},
	}
	found, err := Recover(context.Background(), o)
	must(t, err)
	if settled != rounds/2 || int64(rounds) != found.Rounds || records.Load() != int64(len(all)) || applied < all[len(all)/2].ts {
		t.Errorf("settled %d times in %d of %d rounds, up to %d; %d records, want %d up to %d", settled, rounds, found.Rounds, applied,
			records.Load(), len(all), all[len(all)-1].ts)
	}
	injected := errors.New("injected")
	o.Settle = func(hlc.Timestamp) error { return injected }
	if _, err := Recover(context.Background(), o); !errors.Is(err, injected) {
		t.Fatalf("Settle's error: %v", err)
	}
}

func TestRecoverStops(t *testing.T) {
	f, all := writtenLog(t, 17, true)
	injected := errors.New("injected")
	_, err := Recover(context.Background(), RecoverOptions{FS: f, Dir: testDir, Reach: testReach, ID: testID, Workers: 3,
		Apply: func(int, *Batch) error { return injected }})
	if !errors.Is(err, injected) {
		t.Fatalf("Apply's error: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var progress [][2]int64
	_, err = Recover(ctx, RecoverOptions{FS: f, Dir: testDir, Reach: testReach, ID: testID,
		Progress: func(done, total int64) { progress = append(progress, [2]int64{done, total}); cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: %v", err)
	}
	progress = nil
	_, err = Recover(context.Background(), RecoverOptions{FS: f, Dir: testDir, Reach: testReach, ID: testID,
		Progress: func(done, total int64) { progress = append(progress, [2]int64{done, total}) }})
	must(t, err)
	for i, p := range progress {
		if p[0] > p[1] || i > 0 && (p[0] < progress[i-1][0] || p[1] != progress[0][1]) {
			t.Fatalf("progress %v", progress)
		}
	}
	if n := len(progress); n < 10 || progress[n-1][0] != progress[n-1][1] {
		t.Fatalf("progress %v of %d transactions", progress, len(all))
	}
}

func TestNoncesDiffer(t *testing.T) {
	f, _ := writtenLog(t, 19, true)
	c, err := loadChain(f, testDir, testID, Reach{}, 0, func(err error) { t.Error(err) })
	must(t, err)
	seen := map[uint64]bool{}
	for _, s := range c.segments {
		if seen[s.header.nonce] {
			t.Errorf("two segments have the nonce %d", s.header.nonce)
		}
		seen[s.header.nonce] = true
	}
}

// TestClosedTimestampIsChecked: a record at or below what was closed before it,
// which only a bug can write, is reported (Invariant I5).
func TestClosedTimestampIsChecked(t *testing.T) {
	for what, run := range map[string]func(n *node){
		"the watermark": func(n *node) {
			must(t, n.log.flush.write(1000, 0, false))
			appendTx(n.log.Stream(0), n.opt.HLC, nil)
			n.opt.HLC.Observe(2000)
		},
		"a stream": func(n *node) {
			n.opt.HLC.Observe(1000)
			n.log.Stream(0).last = 0
			appendTx(n.log.Stream(0), n.opt.HLC, nil)
			n.opt.HLC.Observe(3000)
			watermark, bytes := n.log.flush.gather()
			_ = watermark
			must(t, n.log.flush.write(500, bytes, false))
			n.log.Stream(0).closed = 0
			*n.opt.HLC = hlc.Clock{}
			n.opt.HLC.Observe(1500)
			n.log.Stream(0).last = 0
			appendTx(n.log.Stream(0), n.opt.HLC, nil)
			n.opt.HLC.Observe(4000)
		},
	} {
		f := newFS(t)
		o := testOptions(f, 1)
		n := stepLog(t, o)
		l := n.log
		run(n)
		must(t, l.flush.work(false))
		report := check(t, f)
		if len(report.Problems) != 1 || !errors.Is(report.Problems[0], dberr.ErrCorrupt) {
			t.Errorf("a record below what %s has closed: %v", what, report.Problems)
		}
	}
}

// TestPaddingIsZero: nothing of a buffer's or a file's earlier use is in what
// rounds do not fill.
func TestPaddingIsZero(t *testing.T) {
	f, _ := writtenLog(t, 18, true)
	list, _ := units(t, f)
	for i, u := range list {
		if i+1 < len(list) && list[i+1].round == u.round {
			continue // not the end of a round
		}
		b, err := f.ReadFile(u.file)
		must(t, err)
		if padding := b[u.to:roundUp(u.to)]; bytes.Count(padding, []byte{0}) != len(padding) {
			t.Fatalf("after %+v: %x", u, padding)
		}
	}
}
