package shard

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/wal"
)

// record makes the rounds of a transaction that puts a value, in pieces of most bytes.
func record(t *testing.T, ts hlc.Timestamp, most int, value []byte) []wal.Round {
	t.Helper()
	var clock hlc.Clock
	clock.Observe(ts)
	streams := wal.NewStreams(1)
	g, err := wal.NewGatherer(wal.GathererOptions{Streams: streams, Clock: &clock, Wake: func() {}})
	if err != nil {
		t.Fatal(err)
	}
	s := streams[0]
	s.Lock()
	size := wal.TxHeaderBytes + wal.WriteBytes(1, len(value))
	b := s.Reserve(size)
	wal.PutTxHeader(b, ts, 1, size)
	wal.PutWrite(b[wal.TxHeaderBytes:], 1, wal.KindPut, []byte("k"), value)
	s.Appended(ts)
	s.Unlock()
	whole := g.Gather()
	whole.Watermark, whole.Last = ts, ts
	rounds, err := whole.Split(most, ts-1)
	if err != nil {
		t.Fatal(err)
	}
	return rounds
}

// TestParts: a record in parts is applied when its last part has come, in whatever steps
// they come and whatever is between them; parts that an epoch has left unfinished are dropped.
func TestParts(t *testing.T) {
	value := bytes.Repeat([]byte("value"), 100)
	parts := record(t, 20, 64, value)
	if len(parts) < 5 {
		t.Fatalf("%d parts", len(parts))
	}
	small := record(t, 30, 1<<10, []byte("small"))
	members := wal.Round{Kind: wal.RoundMembers, Watermark: 19, Last: 19}
	open := wal.Round{Kind: wal.RoundOpen, Epoch: 2}
	in2 := func(rounds []wal.Round) []wal.Round {
		rounds = slices.Clone(rounds)
		for i := range rounds {
			rounds[i].Epoch = 2
		}
		return rounds
	}
	for _, c := range []struct {
		name   string
		rounds []wal.Round
		want   []byte
	}{
		{"whole", parts, value},
		{"without its end", parts[:len(parts)-1], nil},
		{"members between", slices.Insert(slices.Clone(parts), 2, members), value},
		{"the epoch ends before", slices.Concat(parts[:3], []wal.Round{open}, in2(small)), []byte("small")},
		{"and again", slices.Concat(parts[:3], []wal.Round{open}, in2(parts)), value},
		{"something behind", slices.Concat(parts, small), []byte("small")},
	} {
		for step := 1; step <= len(c.rounds); step++ {
			a, err := arena.New(16 << 20)
			if err != nil {
				t.Fatal(err)
			}
			engine := occ.New(occ.Config{Arena: a, Clock: &hlc.Clock{}, Streams: wal.NewStreams(1), Released: func() hlc.Timestamp { return 0 }})
			engine.Seal()
			apply := applier{engine: engine, parallel: 1, next: 1, epoch: 1, replayers: []*occ.Replayer{engine.NewStepReplayer(0)}}
			rounds := slices.Clone(c.rounds)
			for i := range rounds {
				rounds[i].Number, rounds[i].Epoch = wal.RoundNumber(i+1), max(1, rounds[i].Epoch)
			}
			given := slices.Clone(rounds)
			for s := range slices.Chunk(rounds, step) {
				if err := apply.take(s); err != nil {
					t.Fatalf("%s, %d rounds a step: %v", c.name, step, err)
				}
			}
			if err := apply.finish(apply.applied); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(rounds, given) {
				t.Errorf("%s, %d rounds a step: the rounds of the log were changed", c.name, step)
			}
			if got := valueOf(t, engine, "k"); !bytes.Equal(got, c.want) {
				t.Errorf("%s, %d rounds a step: the value has %d bytes, not %d", c.name, step, len(got), len(c.want))
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// valueOf reads what an engine at rest has, nil if there is nothing.
func valueOf(t *testing.T, engine *occ.Engine, key string) []byte {
	t.Helper()
	table, err := engine.AddTable(1)
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.OpenSnapshotAt(100)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tx, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.End()
	v, err := tx.Get(table, []byte(key))
	if errors.Is(err, occ.ErrNotFound) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(v)
}
