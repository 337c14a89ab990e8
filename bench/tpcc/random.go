package tpcc

import "github.com/godwitdb/godwit/bench"

const alphanumerics = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// aString appends lo..hi random letters and digits (4.3.2.2).
func aString(r *bench.Rand, dst []byte, lo, hi int) []byte {
	for range r.Between(lo, hi) {
		dst = append(dst, alphanumerics[r.N(uint64(len(alphanumerics)))])
	}
	return dst
}

// nString appends lo..hi random digits (4.3.2.2).
func nString(r *bench.Rand, dst []byte, lo, hi int) []byte {
	for range r.Between(lo, hi) {
		dst = append(dst, '0'+byte(r.N(10)))
	}
	return dst
}

// dataString appends an a-string that has "ORIGINAL" somewhere in it in one of
// ten cases (4.3.3.1, I_DATA and S_DATA).
func dataString(r *bench.Rand, dst []byte, lo, hi int) []byte {
	start := len(dst)
	dst = aString(r, dst, lo, hi)
	if r.N(10) == 0 {
		at := r.Between(start, len(dst)-len(original))
		copy(dst[at:], original)
	}
	return dst
}

// zipCode appends a random code (4.3.2.7).
func zipCode(r *bench.Rand, dst []byte) []byte { return append(nString(r, dst, 4, 4), "11111"...) }

const original = "ORIGINAL"

var syllables = [10]string{"BAR", "OUGHT", "ABLE", "PRI", "PRES", "ESE", "ANTI", "CALLY", "ATION", "EING"}

// lastNameMax is the length of C_LAST.
const lastNameMax = 16

// lastName appends the name of number 0..999 (4.3.2.3).
func lastName(dst []byte, number int) []byte {
	dst = append(dst, syllables[number/100]...)
	dst = append(dst, syllables[number/10%10]...)
	return append(dst, syllables[number%10]...)
}

// The constant A of NURand for each of its uses (2.1.6).
const (
	nurandName     = 255
	nurandCustomer = 1023
	nurandItem     = 8191
)

// nurandConstants are the C of NURand: chosen once, the same for all sessions.
type nurandConstants struct{ name, customer, item int }

// loadConstants and runConstants derive the constants of the population and of
// the measured run from one seed, so that the distance of the two for last names
// is what clause 2.1.6.1 asks for: in 65..119 but neither 96 nor 112.
func loadConstants(seed uint64) nurandConstants {
	var r bench.Rand
	r.Seed(seed, streamConstants)
	return nurandConstants{name: r.Between(0, nurandName)}
}

func runConstants(seed uint64) nurandConstants {
	var r bench.Rand
	r.Seed(seed, streamConstants)
	load := r.Between(0, nurandName)
	delta := 96
	for delta == 96 || delta == 112 {
		delta = r.Between(65, 119)
	}
	c := nurandConstants{name: load + delta, customer: r.Between(0, nurandCustomer), item: r.Between(0, nurandItem)}
	if c.name > nurandName {
		c.name = load - delta
	}
	return c
}

// nurand draws a non-uniform number in lo..hi (2.1.6).
func nurand(r *bench.Rand, a, c, lo, hi int) int {
	return ((r.Between(0, a)|r.Between(lo, hi))+c)%(hi-lo+1) + lo
}

// Streams of random numbers of one seed: one per unit of the population, one
// per session, and one for the constants.
const (
	streamConstants = 0
	streamLoad      = 1 << 32
	streamSession   = 2 << 32
)
