package shard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/wal"
)

const (
	replayStreams = 5
	replayKeys    = 40 // in each of two tables
)

func replayTable(t *testing.T, e *occ.Engine, i int) *occ.Table {
	t.Helper()
	table, err := e.AddTable(occ.MakeTableID(uint32(i+1), i == 0))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func replayKey(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }

// contents are values by table and key, 0 for none.
type contents [2][replayKeys]uint64

// history is what some transactions have left, by their timestamps.
type history struct {
	at   []hlc.Timestamp
	left []contents
}

// until returns what those up to a timestamp have left.
func (h *history) until(ts hlc.Timestamp) (c contents) {
	for i, at := range h.at {
		if at <= ts {
			c = h.left[i]
		}
	}
	return c
}

// randomRounds makes rounds of transactions on several streams that write to the same keys.
// Some records are above the watermarks of their rounds, and are dropped when another epoch
// follows.
func randomRounds(t *testing.T, rng *rand.Rand, count int) (rounds []wal.Round, h history) {
	t.Helper()
	clock := &hlc.Clock{}
	streams := wal.NewStreams(replayStreams)
	g, err := wal.NewGatherer(wal.GathererOptions{Streams: streams, Clock: clock, Wake: func() {}})
	if err != nil {
		t.Fatal(err)
	}
	var now contents
	watermark, epoch := hlc.Timestamp(0), wal.Epoch(1)
	for len(rounds) < count {
		if rng.IntN(6) == 0 {
			epoch++
			rounds = append(rounds, wal.Round{Kind: wal.RoundOpen, Number: wal.RoundNumber(len(rounds) + 1), Epoch: epoch})
			now = h.until(watermark)
			for len(h.at) > 0 && h.at[len(h.at)-1] > watermark {
				h.at, h.left = h.at[:len(h.at)-1], h.left[:len(h.left)-1]
			}
			clock.Next()
			watermark = clock.Last() // of what the next leader has adopted
		}
		for range rng.IntN(60) {
			s := streams[rng.IntN(len(streams))]
			writes := 1 + rng.IntN(8)
			values := make([]uint64, writes)
			size := wal.TxHeaderBytes
			for i := range values {
				if values[i] = rng.Uint64() * uint64(rng.IntN(4)); values[i] == 0 {
					size += wal.WriteBytes(8, 0)
				} else {
					size += wal.WriteBytes(8, 8)
				}
			}
			s.Lock()
			ts := clock.Next()
			b := s.Reserve(size)
			at := wal.PutTxHeader(b, ts, writes, size)
			for i, place := range rng.Perm(2 * replayKeys)[:writes] {
				v, table, key := values[i], place%2, place/2
				now[table][key] = v
				id := uint32(occ.MakeTableID(uint32(table+1), table == 0))
				if v == 0 {
					at += wal.PutWrite(b[at:], id, wal.KindDelete, replayKey(key), nil)
				} else {
					at += wal.PutWrite(b[at:], id, wal.KindPut, replayKey(key), replayKey(int(v)))
				}
			}
			s.Appended(ts)
			s.Unlock()
			h.at, h.left = append(h.at, ts), append(h.left, now)
		}
		r := g.Gather()
		r.Kind, r.Number, r.Epoch, r.Last = wal.RoundData, wal.RoundNumber(len(rounds)+1), epoch, clock.Last()
		r.Watermark = watermark + hlc.Timestamp(rng.Uint64N(uint64(r.Last-watermark)+1))
		watermark = r.Watermark
		rounds = append(rounds, r)
	}
	return rounds, h
}

// read reads what a snapshot shows.
func (c *contents) read(t *testing.T, e *occ.Engine, s *occ.Snapshot) {
	t.Helper()
	tx, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.End()
	for i := range c {
		table := replayTable(t, e, i)
		for key := range c[i] {
			switch v, err := tx.Get(table, replayKey(key)); {
			case err == nil:
				c[i][key] = binary.BigEndian.Uint64(v)
			case !errors.Is(err, occ.ErrNotFound):
				t.Fatal(err)
			}
		}
	}
}

// TestReplayInParallel: whatever the number of goroutines and of workers, and of rounds in a
// step, replay leaves what the transactions have left in the order of their timestamps, and
// snapshots that were opened between two steps show the same as before.
func TestReplayInParallel(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 1))
		rounds, h := randomRounds(t, rng, 30)
		for _, x := range []struct{ workers, parallel int }{{1, 1}, {replayStreams, 1}, {replayStreams, replayStreams}, {3, 2}, {8, 8}} {
			e := occ.New(occ.Config{Arena: testArena(t), Clock: &hlc.Clock{}, Streams: wal.NewStreams(x.workers), Released: func() hlc.Timestamp { return 0 }})
			e.Seal()
			a := applier{engine: e, parallel: x.parallel, next: 1, epoch: 1}
			for i := range x.workers {
				a.replayers = append(a.replayers, e.NewStepReplayer(i))
			}
			var snapshots []*occ.Snapshot
			for rest := rounds; len(rest) > 0; {
				n := min(len(rest), 1+rng.IntN(5))
				if err := a.take(rest[:n]); err != nil {
					t.Fatal(err)
				}
				if rest = rest[n:]; len(rest) == 0 || rng.IntN(4) == 0 {
					s, err := e.OpenSnapshotAt(a.applied)
					if err != nil {
						t.Fatal(err)
					}
					snapshots = append(snapshots, s)
				}
			}
			for _, s := range snapshots {
				var got contents
				if got.read(t, e, s); got != h.until(s.Timestamp()) {
					t.Fatalf("seed %d, %d workers, %d goroutines: at %d there is %v, want %v", seed, x.workers, x.parallel, s.Timestamp(), got, h.until(s.Timestamp()))
				}
				s.Close()
			}
			for _, p := range a.replayers {
				p.Close()
			}
			e.Close()
		}
	}
}

// TestSnapshotsBesideReplay: a snapshot that is opened on a follower while it replays has all
// of each transaction or nothing, and stays what it is while replay goes on.
func TestSnapshotsBesideReplay(t *testing.T) {
	c := newCluster(t, 2)
	c.options.PendingBytesMax, c.options.StepBytesMax = 64<<10, 64<<10
	a, b := c.start(1), c.start(2)
	l := leader(t, a, b)
	f := a
	if l == a {
		f = b
	}
	const keys = 100 // that each transaction writes
	var over atomic.Bool
	var who atomic.Int32 // executes
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for n := uint64(w); !over.Load(); n += 2 {
				at := []*node{a, b}[who.Load()]
				table := testTable(t, at)
				_, err := at.Execute(t.Context(), func(tx *occ.Tx) error {
					for key := range keys {
						if err := tx.Put(table, replayKey(key), replayKey(int(n))); err != nil {
							return err
						}
					}
					return nil
				})
				if errors.Is(err, ErrNotLeader) {
					who.Store(1 - who.Load()) // a busy machine may have deposed it
					runtime.Gosched()
				} else if err != nil {
					t.Errorf("execute: %v", err)
					return
				}
			}
		})
	}
	reads := 80
	if testing.Short() {
		reads = 30
	}
	for range reads {
		f.must(func(ctx context.Context) error {
			s, err := f.Snapshot(ctx, 0)
			if err != nil {
				return err
			}
			defer s.Close()
			before, err := allEqual(ctx, f.Engine(), s, keys)
			if err != nil {
				return err
			}
			if err := f.Applied(ctx, f.Released()+1); err != nil {
				return err
			}
			after, err := allEqual(ctx, f.Engine(), s, keys)
			if err == nil && after != before {
				err = fmt.Errorf("a snapshot showed %s and shows %s", before, after)
			}
			return err
		})
	}
	over.Store(true)
	writers.Wait()
}

// allEqual returns what all keys have in a snapshot.
func allEqual(ctx context.Context, e *occ.Engine, s *occ.Snapshot, keys int) (value string, err error) {
	table, err := e.AddTable(occ.MakeTableID(1, true))
	if err != nil {
		return "", err
	}
	tx, err := s.Begin(ctx)
	if err != nil {
		return "", err
	}
	defer tx.End()
	for key := range keys {
		v, err := tx.Get(table, replayKey(key))
		if err != nil && !errors.Is(err, occ.ErrNotFound) {
			return "", err
		}
		if text := fmt.Sprintf("%x", v); key == 0 {
			value = text
		} else if text != value {
			return "", fmt.Errorf("at %d key 0 has %s, key %d has %s", s.Timestamp(), value, key, text)
		}
	}
	return value, nil
}
