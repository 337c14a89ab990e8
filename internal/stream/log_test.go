package stream

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// naive is a log that has all its rounds in a slice.
type naive struct {
	base   wal.Base
	rounds []wal.Round
}

func (l *naive) last() wal.RoundNumber { return l.base.Number + wal.RoundNumber(len(l.rounds)) }

// at returns what is known of a round or of the base.
func (l *naive) at(n wal.RoundNumber) wal.Base {
	if n == l.base.Number {
		return l.base
	}
	r := &l.rounds[n-l.base.Number-1]
	return wal.Base{Number: n, Epoch: r.Epoch, Watermark: r.Watermark}
}

// finals returns the final watermark of each epoch that has ended up to commit.
func (l *naive) finals(commit wal.RoundNumber) (f []Final) {
	for n := l.base.Number; n < commit; n++ {
		if a, b := l.at(n), l.at(n+1); a.Epoch != b.Epoch && a.Epoch > 0 {
			f = append(f, Final{a.Epoch, n, a.Watermark})
		}
	}
	return f
}

// The log says the same as one that keeps everything, whatever is done to it.
func TestLogAgainstNaive(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		l, want := newLog(wal.Base{}, Members{Voters: []quorum.NodeID{1}}), &naive{}
		commit := wal.RoundNumber(0)
		epoch, watermark := wal.Epoch(0), hlc.Timestamp(0)
		for range 200 {
			switch rng.IntN(8) {
			case 0: // commit moves
				if n := l.last() - commit; n > 0 {
					commit += wal.RoundNumber(rng.IntN(int(n) + 1))
					l.settle(commit)
				}
			case 1: // a later leader drops some
				n := commit + 1 + wal.RoundNumber(rng.IntN(int(l.last()-commit)+1))
				l.truncate(n)
				want.rounds = want.rounds[:n-want.base.Number-1]
				epoch++
				watermark = 0
				r := wal.Round{Number: n, Epoch: epoch, Kind: wal.RoundOpen}
				l.append(r)
				want.rounds = append(want.rounds, r)
			case 2: // a checkpoint makes some superfluous
				n := want.base.Number + 1 + wal.RoundNumber(rng.IntN(int(commit-want.base.Number)+1))
				l.discard(n)
				base := want.at(n - 1)
				want.rounds, want.base = want.rounds[n-1-want.base.Number:], base
			case 3:
				l.evict(500, l.last()-wal.RoundNumber(rng.IntN(3)))
			default:
				if epoch == 0 || l.lastEpoch() != epoch {
					continue
				}
				watermark += hlc.Timestamp(rng.IntN(3))
				r := wal.Round{Number: l.last() + 1, Epoch: epoch, Kind: wal.RoundData, Watermark: watermark, Payload: make([]byte, rng.IntN(50))}
				l.append(r)
				want.rounds = append(want.rounds, r)
			}
			compare(t, l, want, commit)
		}
	}
}

func compare(t *testing.T, l *log, want *naive, commit wal.RoundNumber) {
	t.Helper()
	end := want.at(want.last())
	if l.last() != want.last() || l.lastEpoch() != end.Epoch || l.lastWatermark() != end.Watermark {
		t.Fatalf("ends with round %d of epoch %d, watermark %d, want %+v", l.last(), l.lastEpoch(), l.lastWatermark(), end)
	}
	if got := l.finals(commit); !slices.Equal(got, want.finals(commit)) {
		t.Fatalf("finals %v, want %v", got, want.finals(commit))
	}
	var size uint64
	for n := want.base.Number; n <= want.last(); n++ {
		if e, ok := l.epoch(n); !ok || e != want.at(n).Epoch {
			t.Fatalf("round %d is of epoch %d, %v, want %d", n, e, ok, want.at(n).Epoch)
		}
		if n > commit {
			size += sizeOf(&want.rounds[n-want.base.Number-1])
		}
	}
	if got := l.backlog(commit); got != size {
		t.Fatalf("%d bytes behind round %d, want %d", got, commit, size)
	}
	if want.base.Number > 0 {
		if _, ok := l.epoch(want.base.Number - 1); ok {
			t.Fatal("the log knows what it has discarded")
		}
	}
	if rounds, ok := l.from(l.tailAt(), 1<<20); !ok || len(rounds) != len(l.tail) {
		t.Fatalf("%d rounds of %d in memory, %v", len(rounds), len(l.tail), ok)
	}
}

// TestSentRoundsAreOnlyRead is for the race detector: the rounds that a leader sends are
// carried out at the same time.
func TestSentRoundsAreOnlyRead(t *testing.T) {
	m := appendReq{epoch: 2, run: run{rounds: []wal.Round{{Number: 1, Epoch: 2, Kind: wal.RoundData, Watermark: 3, Last: 4, Payload: []byte{}}}}}
	var done sync.WaitGroup
	for range 2 {
		done.Go(func() { quorum.Encode(nil, &m) })
	}
	done.Wait()
}

// Messages that are not what they should be are refused, whatever they are.
func FuzzAppend(f *testing.F) {
	open := wal.Round{Epoch: 2, Kind: wal.RoundOpen}
	f.Add(quorum.Encode(nil, &appendReq{epoch: 2, commit: 1, first: 1, run: run{rounds: []wal.Round{open, {Epoch: 2, Kind: wal.RoundData, Watermark: 3, Last: 4}}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m appendReq
		if quorum.Decode(b, &m) != nil || !m.sound(m.epoch) {
			return
		}
		for i, r := range m.rounds {
			if r.Number != m.prev.number+1+wal.RoundNumber(i) || r.Epoch > m.epoch || r.Epoch < m.prev.epoch {
				t.Errorf("round %d: %+v", i, r)
			}
		}
	})
}
