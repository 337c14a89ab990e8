package bench

import "math/bits"

// Rand is a cheap deterministic source of random numbers for one goroutine
// (wyrand, by Wang Yi).
type Rand struct{ state uint64 }

// Seed starts the sequence of (seed, stream). All sequences are one cycle of 2^64
// numbers that begins at places chosen by chance, so that they do not meet.
func (r *Rand) Seed(seed, stream uint64) { r.state = Mix64(Mix64(seed) ^ Mix64(^stream)) }

// Uint64 returns 64 random bits.
func (r *Rand) Uint64() uint64 {
	r.state += 0xa0761d6478bd642f
	hi, lo := bits.Mul64(r.state, r.state^0xe7037ed1a0b428db)
	return hi ^ lo
}

// N returns a number in 0..n-1, n > 0. The bias of the multiplication is below
// n / 2^64, far below what any run can see.
func (r *Rand) N(n uint64) uint64 {
	hi, _ := bits.Mul64(r.Uint64(), n)
	return hi
}

// Between returns a number in lo..hi, both included.
func (r *Rand) Between(lo, hi int) int { return lo + int(r.N(uint64(hi-lo+1))) }

// Float64 returns a number in [0, 1).
func (r *Rand) Float64() float64 { return float64(r.Uint64()>>11) / (1 << 53) }

// Mix64 scrambles x so that neighbours have nothing in common; it is a
// permutation (the finalizer of SplitMix64).
func Mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
