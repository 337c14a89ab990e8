//go:build !amd64 || race

package arena

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// Load64 reads a word that a writer may be changing.
func Load64(p unsafe.Pointer) uint64 { return atomic.LoadUint64((*uint64)(p)) }

// Store64 writes a word that optimistic readers may be reading. The caller
// holds the lock over it.
func Store64(p unsafe.Pointer, v uint64) { atomic.StoreUint64((*uint64)(p), v) }

// CopyOut copies n bytes that a writer may be changing into dst. src is aligned
// to 8, n ≤ cap(dst), and cap(dst) and the object behind src have room for n
// rounded up to 8.
func CopyOut(dst []byte, src unsafe.Pointer, n int) {
	dst = dst[:(n+7)&^7]
	for i := 0; i < n; i += 8 {
		binary.NativeEndian.PutUint64(dst[i:], atomic.LoadUint64((*uint64)(unsafe.Add(src, i))))
	}
}

// CopyIn copies src over memory that optimistic readers may be reading. The
// caller holds the lock over it; dst is aligned to 8 and its object has room
// for len(src) rounded up to 8.
func CopyIn(dst unsafe.Pointer, src []byte) {
	for len(src) >= 8 {
		atomic.StoreUint64((*uint64)(dst), binary.NativeEndian.Uint64(src))
		dst, src = unsafe.Add(dst, 8), src[8:]
	}
	if len(src) > 0 {
		var last [8]byte
		copy(last[:], src)
		atomic.StoreUint64((*uint64)(dst), binary.NativeEndian.Uint64(last[:]))
	}
}

// MoveWords copies n words, which may overlap, between places that optimistic
// readers may be reading. The caller holds the lock over dst.
func MoveWords(dst, src unsafe.Pointer, n int) {
	if uintptr(dst) <= uintptr(src) {
		for i := range n {
			v := atomic.LoadUint64((*uint64)(unsafe.Add(src, i*8)))
			atomic.StoreUint64((*uint64)(unsafe.Add(dst, i*8)), v)
		}
		return
	}
	for i := n - 1; i >= 0; i-- {
		v := atomic.LoadUint64((*uint64)(unsafe.Add(src, i*8)))
		atomic.StoreUint64((*uint64)(unsafe.Add(dst, i*8)), v)
	}
}
