package ycsb

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/godwitdb/godwit/bench"
)

// zipfian draws ranks 0..n-1, rank i with a probability like 1 / (i+1)^theta, by
// the method of Gray et al., "Quickly generating billion-record synthetic
// databases" (SIGMOD 1994).
type zipfian struct {
	n                       uint64
	theta, alpha, zeta, eta float64
	// second is the bound below which a draw is rank 1, zeta2 the sum of the
	// first two weights.
	second, zeta2 float64
}

const (
	// scrambledItems and scrambledZeta are the original's: its scrambled
	// zipfian draws from ten billion ranks whatever the number of records, and
	// has their sum of weights as a constant.
	scrambledItems = 10_000_000_000
	scrambledZeta  = 26.46902820178302
)

func newZipfian(n uint64, theta float64) zipfian {
	z := zipfian{theta: theta, alpha: 1 / (1 - theta), second: 1 + math.Pow(0.5, theta)}
	z.zeta2 = z.second
	z.grow(n)
	return z
}

// newScrambledZipfian is the original's distribution before the scrambling.
func newScrambledZipfian() zipfian {
	z := newZipfian(2, DefaultTheta)
	z.n, z.zeta = scrambledItems, scrambledZeta
	z.setEta()
	return z
}

// grow raises n, at the cost of one power for each more.
func (z *zipfian) grow(n uint64) {
	if z.n >= n {
		return
	}
	for ; z.n < n; z.n++ {
		z.zeta += math.Pow(float64(z.n+1), -z.theta)
	}
	z.setEta()
}

func (z *zipfian) setEta() {
	z.eta = (1 - math.Pow(2/float64(z.n), 1-z.theta)) / (1 - z.zeta2/z.zeta)
}

func (z *zipfian) next(r *bench.Rand) uint64 {
	u := r.Float64()
	switch uz := u * z.zeta; {
	case uz < 1:
		return 0
	case uz < z.second:
		return 1
	}
	return min(uint64(float64(z.n)*math.Pow(z.eta*u-z.eta+1, z.alpha)), z.n-1)
}

// chooser draws the numbers of existing records for one session.
type chooser struct {
	distribution Distribution
	zipf         zipfian
	sequence     *sequence
	// spread is the number of places that the scrambled ranks go to. It is fixed,
	// so that a record's popularity is; with inserts it is more than there are
	// records at first.
	spread uint64
}

func newChooser(c Config, s *sequence, inserts bool) chooser {
	ch := chooser{distribution: c.Distribution, sequence: s, spread: uint64(c.Records)}
	switch {
	case c.Distribution == Uniform:
	case c.Distribution == Zipfian && c.Theta == DefaultTheta && c.Mix != PlusPlus:
		ch.zipf = newScrambledZipfian()
	default:
		ch.zipf = newZipfian(uint64(c.Records), c.Theta)
	}
	if inserts {
		ch.spread += ch.spread / 4
	}
	return ch
}

// next draws the number of a record that is there.
func (c *chooser) next(r *bench.Rand) uint64 {
	there := c.sequence.present.Load()
	switch c.distribution {
	case Uniform:
		return r.N(there)
	case Latest:
		c.zipf.grow(there)
		return there - 1 - c.zipf.next(r)
	default:
		for {
			if n := fnv64(c.zipf.next(r)) % c.spread; n < there {
				return n
			}
		}
	}
}

// sequence numbers the records that the sessions insert.
type sequence struct {
	// taken is the next number to insert; every number below present is in the
	// table. Sessions advance both.
	taken, present atomic.Uint64
	mu             struct {
		sync.Mutex
		// done has a bit for each number from present on that is inserted.
		done [sequenceWindow / 64]uint64
	}
}

// sequenceWindow bounds how far inserts may run ahead of the slowest: a session
// beyond it waits.
const sequenceWindow = 1 << 16

func (s *sequence) start(records int) {
	s.taken.Store(uint64(records))
	s.present.Store(uint64(records))
}

// take returns the number of a new record.
func (s *sequence) take() uint64 {
	n := s.taken.Add(1) - 1
	for n-s.present.Load() >= sequenceWindow {
		runtime.Gosched()
	}
	return n
}

// inserted says that record n is in the table.
func (s *sequence) inserted(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	word := func(n uint64) *uint64 { return &s.mu.done[n%sequenceWindow/64] }
	*word(n) |= 1 << (n % 64)
	next := s.present.Load()
	for *word(next)&(1<<(next%64)) != 0 {
		*word(next) &^= 1 << (next % 64)
		next++
	}
	s.present.Store(next)
}
