package env

import (
	"crypto/rand"
	"encoding/binary"
)

// Rand is a source of random numbers; those of math/rand/v2 are. It may be
// called concurrently.
type Rand interface {
	Uint64() uint64
}

// RealRand returns the machine's source of unpredictable numbers.
func RealRand() Rand { return realRand{} }

type realRand struct{}

func (realRand) Uint64() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	return binary.LittleEndian.Uint64(b[:])
}
