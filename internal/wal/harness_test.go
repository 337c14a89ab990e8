package wal

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/hlc"
)

var testID = DatabaseID{1, 2, 3}

const (
	testDir        = "db/log"
	testReach      = "db/REACH"
	testCheckpoint = "db/MANIFEST"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// seeded is a generator that can be shared.
type seeded struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func newSeeded(seed uint64) *seeded { return &seeded{rng: rand.New(rand.NewPCG(seed, 3))} }

func (s *seeded) Uint64() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.Uint64()
}

// testOptions returns options of a small log on f.
func testOptions(f env.FS, streams int) Options {
	return Options{
		FS: f, Clock: env.RealClock(), Rand: newSeeded(1), HLC: &hlc.Clock{}, Dir: testDir, Reach: testReach, ID: testID,
		Streams: NewStreams(streams), SegmentBytes: 16 * blockBytes,
	}
}

// newFS returns an empty file system with the parent of the log's folder.
func newFS(t testing.TB) *faultfs.FS {
	t.Helper()
	f := faultfs.New(1)
	must(t, f.MkdirAll("db"))
	must(t, f.SyncDir("."))
	must(t, CreateReach(f, testReach, testID, Reach{}))
	must(t, f.SyncDir("db"))
	return f
}

// diskOptions returns options of a log on the machine's file system, in a folder
// of its own.
func diskOptions(t testing.TB, streams int) Options {
	t.Helper()
	o := testOptions(env.OS(), streams)
	dir := t.TempDir()
	o.Dir, o.Reach = filepath.Join(dir, "log"), filepath.Join(dir, "REACH")
	must(t, CreateReach(o.FS, o.Reach, testID, Reach{}))
	return o
}

// segmentNames returns the files of segments, in order.
func segmentNames(f *faultfs.FS) []string {
	return slices.DeleteFunc(f.Names(), func(name string) bool { return !strings.HasSuffix(name, segmentSuffix) })
}

// recoverAll recovers the log on f and returns its records above from.
func recoverAll(f env.FS, from hlc.Timestamp) (*Recovered, []tx, error) {
	return recoverLog(testOptions(f, 1), from)
}

// recoverLog recovers the log of o and returns its records above from.
func recoverLog(o Options, from hlc.Timestamp) (*Recovered, []tx, error) {
	var mu sync.Mutex
	var got []tx
	found, err := Recover(context.Background(), RecoverOptions{
		FS: o.FS, Dir: o.Dir, Reach: o.Reach, ID: testID, From: from, FromFile: testCheckpoint, Workers: 3,
		Apply: func(_ int, b *Batch) error {
			mu.Lock()
			defer mu.Unlock()
			r := b.Read()
			for r.Next() {
				got = append(got, readTx(b.Stream, &r))
			}
			return r.Err()
		},
	})
	slices.SortStableFunc(got, func(a, b tx) int { return cmp.Compare(a.ts, b.ts) })
	return found, got, err
}

// openLog recovers and opens a log; Close is the test's.
func openLog(t testing.TB, o Options) *Log {
	t.Helper()
	found, _, err := recoverLog(o, 0)
	must(t, err)
	l, err := Open(o, found)
	must(t, err)
	return l
}

// stepLog opens a log on an empty disk whose flusher and preparer are stepped by
// hand.
func stepLog(t testing.TB, o Options) *node {
	t.Helper()
	found, _, err := recoverLog(o, 0)
	must(t, err)
	l, err := open(o, found)
	must(t, err)
	n := &node{log: l, opt: o}
	l.files.requests <- 1
	must(t, n.prepare())
	return n
}

// tx is a transaction as a test appends it or reads it back.
type tx struct {
	stream StreamID
	ts     hlc.Timestamp
	writes []Write
}

func (x tx) String() string {
	s := fmt.Sprintf("%d on stream %d:", x.ts, x.stream)
	for _, w := range x.writes {
		s += fmt.Sprintf(" %d/%d %.20q=%.20q(%d)", w.Table, w.Kind, w.Key, w.Value, len(w.Value))
	}
	return s
}

func sameTx(a, b tx) bool {
	return a.stream == b.stream && a.ts == b.ts && slices.EqualFunc(a.writes, b.writes, func(a, b Write) bool {
		return a.Table == b.Table && a.Kind == b.Kind && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value)
	})
}

// readTx copies the reader's current transaction.
func readTx(s StreamID, r *Reader) tx {
	x := tx{stream: s, ts: r.Timestamp()}
	var w Write
	for r.NextWrite(&w) {
		x.writes = append(x.writes, Write{w.Table, w.Kind, bytes.Clone(w.Key), bytes.Clone(w.Value)})
	}
	return x
}

func txBytes(writes []Write) int {
	n := TxHeaderBytes
	for _, w := range writes {
		n += WriteBytes(len(w.Key), len(w.Value))
	}
	return n
}

// appendTx runs a commit phase.
func appendTx(s *Stream, clock *hlc.Clock, writes []Write) tx {
	s.Lock()
	defer s.Unlock()
	return appendLocked(s, clock, writes)
}

// appendLocked does so on a stream that is locked.
func appendLocked(s *Stream, clock *hlc.Clock, writes []Write) tx {
	x := tx{s.ID(), clock.Next(), writes}
	n := txBytes(writes)
	b := s.Reserve(n)
	at := PutTxHeader(b, x.ts, len(writes), n)
	for _, w := range writes {
		at += PutWrite(b[at:], w.Table, w.Kind, w.Key, w.Value)
	}
	s.Appended(x.ts)
	return x
}

// randomWrites returns a transaction's writes, now and then large ones.
func randomWrites(rng *rand.Rand, valueMax int) []Write {
	writes := make([]Write, rng.IntN(4)+1)
	for i := range writes {
		w := &writes[i]
		w.Table = rng.Uint32N(5)
		w.Key = randomBytes(rng, rng.IntN(20))
		w.Kind = KindDelete
		if rng.IntN(4) > 0 {
			w.Kind = KindPut
			w.Value = randomBytes(rng, rng.IntN(40))
			if rng.IntN(10) == 0 {
				w.Value = randomBytes(rng, rng.IntN(valueMax))
			}
		}
	}
	return writes
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// waitFor waits until cond is true.
func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("timed out waiting for %s", what)
		}
	}
}

// expect compares transactions, both in order of their timestamps.
func expect(t testing.TB, got, want []tx) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if !sameTx(got[i], want[i]) {
			t.Fatalf("transaction %d of %d:\n got %v\nwant %v", i, len(want), got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d transactions, want %d", len(got), len(want))
	}
}
