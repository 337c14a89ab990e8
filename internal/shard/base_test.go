package shard

import (
	"math/rand/v2"
	"testing"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/wal"
)

// A checkpoint is based on the newest round of which it has everything: a round has
// records above its watermark, up to its Last, and those need not be released yet.
func TestBaseIsAllReleased(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var b bases
		var rounds []wal.Round
		var watermark, released hlc.Timestamp
		for n := wal.RoundNumber(1); n <= 60; n++ {
			// A piece of a large round can end before the one that came first does.
			watermark += hlc.Timestamp(rng.IntN(4))
			r := wal.Round{Number: n, Epoch: 1, Kind: wal.RoundData, Watermark: watermark, Last: watermark + hlc.Timestamp(rng.IntN(6))}
			rounds = append(rounds, r)
			if rng.IntN(4) > 0 {
				released = watermark
			}
			b.add(&r, released)
			b.add(&r, released) // a round that is noted again changes nothing
			want := wal.RoundNumber(0)
			for _, r := range rounds {
				if r.Last > released {
					break // what is behind it needs it
				}
				want = r.Number
			}
			got, err := b.first(released)
			if (err != nil) != (want == 0) || err == nil && got.Number != want {
				t.Fatalf("seed %d, released %d: based on round %d (%v), want %d", seed, released, got.Number, err, want)
			}
		}
	}
}
