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

func newHashSeeds() hashSeeds {
	s := hashSeeds{long: maphash.MakeSeed()}
	s.whiten = maphash.Bytes(s.long, []byte("whiten"))
	// Odd, so that no bit of a key is multiplied away.
	s.factor = maphash.Bytes(s.long, []byte("factor")) | 1
	return s
}

// hash returns the hash of a key. Keys of eight bytes, which are most often
// numbers, have a way of their own that takes a third of the time: two
// folded multiplications, as in wyhash. The first one spreads the key over all
// bits; the second is needed because the low bits of a product do not
// depend on the high bits of the key.
func (s *hashSeeds) hash(key []byte) uint64 {
	if len(key) == 8 {
		hi, lo := bits.Mul64(load64(key)^s.whiten, s.factor)
		hi, lo = bits.Mul64(hi^lo, 0x9e3779b97f4a7c15)
		return hi ^ lo
	}
	return maphash.Bytes(s.long, key)
}

func load64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
