package index

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// hashSeeds makes the hashes of an index differ from those of every other, so
// that no set of keys is bad for all of them. They live as long as the index.
type hashSeeds struct {
	whiten, factor uint64
	long           maphash.Seed
}

// newHashSeeds returns seeds; those for keys of eight bytes come of fixed if that is not 0.
func newHashSeeds(fixed uint64) hashSeeds {
	s := hashSeeds{long: maphash.MakeSeed()}
	if fixed != 0 {
		s.whiten = fixed
		s.factor = fixed*0x9e3779b97f4a7c15 | 1
		return s
	}
	s.whiten = maphash.Bytes(s.long, []byte("whiten"))
	// Odd, so that no bit of a key is multiplied away.
	s.factor = maphash.Bytes(s.long, []byte("factor")) | 1
	return s
}

// hash returns the hash of a key.
func (s *hashSeeds) hash(key []byte) uint64 {
	if len(key) == 8 {
		return s.hashWord(load64(key))
	}
	return s.hashLong(key)
}

// hashWord is the hash of keys of eight bytes, which are most often numbers: two
// folded multiplications with secret factors, as in wyhash. The high half of a
// product carries the key's high bits to where the low bits are, which the low
// half alone would not do; the second round breaks up the regular steps in which
// the first one places keys that are evenly apart.
func (s *hashSeeds) hashWord(key uint64) uint64 {
	hi, lo := bits.Mul64(key^s.whiten, s.factor)
	hi, lo = bits.Mul64(hi^lo, s.factor)
	return hi ^ lo
}

func (s *hashSeeds) hashLong(key []byte) uint64 { return maphash.Bytes(s.long, key) }

func load64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
