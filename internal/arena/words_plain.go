//go:build amd64 && !race

package arena

import "unsafe"

// Load64 reads a word that a writer may be changing.
func Load64(p unsafe.Pointer) uint64 { return *(*uint64)(p) }

// Store64 writes a word that optimistic readers may be reading. The caller
// holds the lock over it.
func Store64(p unsafe.Pointer, v uint64) { *(*uint64)(p) = v }

// CopyOut copies n bytes that a writer may be changing into dst. src is aligned
// to 8, n ≤ cap(dst), and cap(dst) and the object behind src have room for n
// rounded up to 8.
func CopyOut(dst []byte, src unsafe.Pointer, n int) {
	copy(dst[:n], unsafe.Slice((*byte)(src), n))
}

// CopyIn copies src over memory that optimistic readers may be reading. The
// caller holds the lock over it; dst is aligned to 8 and its object has room
// for len(src) rounded up to 8.
func CopyIn(dst unsafe.Pointer, src []byte) {
	copy(unsafe.Slice((*byte)(dst), len(src)), src)
}

// MoveWords copies n words, which may overlap, between places that optimistic
// readers may be reading. The caller holds the lock over dst.
func MoveWords(dst, src unsafe.Pointer, n int) {
	copy(unsafe.Slice((*uint64)(dst), n), unsafe.Slice((*uint64)(src), n))
}
