package arena

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

const wordsMax = 64

// words returns n words of memory and their address.
func words(n int) ([]uint64, unsafe.Pointer) {
	w := make([]uint64, n)
	return w, unsafe.Pointer(unsafe.SliceData(w))
}

func TestLoadStore(t *testing.T) {
	w, p := words(3)
	Store64(unsafe.Add(p, 8), 1<<63+5)
	if w[0] != 0 || w[1] != 1<<63+5 || w[2] != 0 || Load64(unsafe.Add(p, 8)) != w[1] {
		t.Errorf("words are %v", w)
	}
}

// TestCopies copies every length out and in, and looks at what is around.
func TestCopies(t *testing.T) {
	const guard = 0xee
	for n := range wordsMax + 1 {
		padded := (n + 7) &^ 7
		want := make([]byte, n)
		for i := range want {
			want[i] = byte(i + 1)
		}

		mem, p := words(2 + padded/8)
		view := unsafe.Slice((*byte)(p), len(mem)*8)
		for i := range view {
			view[i] = guard
		}
		CopyIn(unsafe.Add(p, 8), want)
		if !bytes.Equal(view[8:8+n], want) {
			t.Fatalf("CopyIn of %d bytes: %v", n, view[8:8+n])
		}
		for i, b := range view {
			if (i < 8 || i >= 8+padded) && b != guard {
				t.Fatalf("CopyIn of %d bytes changes byte %d", n, i-8)
			}
		}

		dst := bytes.Repeat([]byte{guard}, padded+8)
		CopyOut(dst[:n:padded], unsafe.Add(p, 8), n)
		if !bytes.Equal(dst[:n], want) {
			t.Fatalf("CopyOut of %d bytes: %v", n, dst[:n])
		}
		for i := padded; i < len(dst); i++ {
			if dst[i] != guard {
				t.Fatalf("CopyOut of %d bytes changes byte %d", n, i)
			}
		}
		// The length of dst does not matter, only its capacity.
		clear(dst)
		CopyOut(dst[:0:padded], unsafe.Add(p, 8), n)
		if !bytes.Equal(dst[:n], want) {
			t.Fatalf("CopyOut of %d bytes into an empty slice: %v", n, dst[:n])
		}
	}
}

// TestMoveWords moves every length by every distance.
func TestMoveWords(t *testing.T) {
	const room = wordsMax + 20
	for n := range wordsMax + 1 {
		for distance := -10; distance <= 10; distance++ {
			from, to := 10, 10+distance
			got, p := words(room)
			want := make([]uint64, room)
			for i := range got {
				got[i] = uint64(i) << 32
				want[i] = got[i]
			}
			copy(want[to:to+n], append([]uint64(nil), want[from:from+n]...))
			MoveWords(unsafe.Add(p, to*8), unsafe.Add(p, from*8), n)
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("%d words from %d to %d: word %d is %#x, want %#x", n, from, to, i, got[i], want[i])
				}
			}
		}
	}
}

// TestOptimisticReaders copies memory that a writer changes. What was copied
// between two equal, unlocked readings of the version is what was written, in
// whole; and the race detector agrees with the way it is done.
func TestOptimisticReaders(t *testing.T) {
	for _, size := range []int{8, 13, 64, 200} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			padded := (size + 7) &^ 7
			_, p := words(1 + 2*padded/8)
			version := (*uint64)(p)
			data, moved := unsafe.Add(p, 8), unsafe.Add(p, 8+padded)
			const writes, readers, readsMin = 4000, 2, 300
			var reading, done atomic.Int64
			var wg sync.WaitGroup
			for range readers {
				wg.Go(func() {
					buf := make([]byte, 2*padded)
					valid := 0
					reading.Add(1)
					for valid < readsMin || done.Load() == 0 {
						v := atomic.LoadUint64(version)
						if v&1 != 0 {
							runtime.Gosched()
							continue
						}
						CopyOut(buf[:size:padded], data, size)
						CopyOut(buf[padded:padded+size], moved, size)
						first := Load64(data)
						if atomic.LoadUint64(version) != v {
							runtime.Gosched()
							continue
						}
						valid++
						b := byte(v >> 1)
						if bytes.Count(buf[:size], []byte{b}) != size || !bytes.Equal(buf[:size], buf[padded:padded+size]) ||
							first != binary.NativeEndian.Uint64(buf) {
							t.Errorf("version %d has content %x and %x, want %02x", v>>1, buf[:size], buf[padded:padded+size], b)
							return
						}
					}
				})
			}
			value := make([]byte, size)
			for i := uint64(1); i <= writes || reading.Load() < readers; i++ {
				if !atomic.CompareAndSwapUint64(version, (i-1)<<1, (i-1)<<1|1) {
					t.Error("somebody else has the lock")
				}
				for j := range value {
					value[j] = byte(i)
				}
				CopyIn(data, value)
				if size >= 8 {
					Store64(data, binary.NativeEndian.Uint64(value))
				}
				MoveWords(moved, data, padded/8)
				atomic.StoreUint64(version, i<<1)
			}
			done.Store(1)
			wg.Wait()
		})
	}
}
