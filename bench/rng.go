package bench

import (
	"math/bits"
	"math/rand/v2"
)

// Rand is a cheap deterministic source of random numbers for one goroutine.
type Rand struct{ pcg rand.PCG }

// Seed starts the sequence of (seed, stream); streams of one seed are
// independent.
func (r *Rand) Seed(seed, stream uint64) { r.pcg.Seed(Mix64(seed), Mix64(^stream)) }

// Uint64 returns 64 random bits.
func (r *Rand) Uint64() uint64 { return r.pcg.Uint64() }

// N returns a number in 0..n-1, n > 0. The bias of the multiplication is below
// n / 2^64, far below what any run can see.
func (r *Rand) N(n uint64) uint64 {
	hi, _ := bits.Mul64(r.pcg.Uint64(), n)
	return hi
}

// Between returns a number in lo..hi, both included.
func (r *Rand) Between(lo, hi int) int { return lo + int(r.N(uint64(hi-lo+1))) }

// Float64 returns a number in [0, 1).
func (r *Rand) Float64() float64 { return float64(r.pcg.Uint64()>>11) / (1 << 53) }

// Mix64 scrambles x so that neighbours have nothing in common; it is a
// permutation (the finalizer of SplitMix64).
func Mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
