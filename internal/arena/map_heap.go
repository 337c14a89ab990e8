//go:build race || !(unix || windows)

package arena

import (
	"slices"
	"sync"
	"unsafe"
)

// mapping is a Go slice: for race builds, whose detector sees only the Go heap.
type mapping struct {
	mem  []byte
	used uintptr // how much of mem may have been written, from its beginning
}

// releasedMax is how many mappings wait to be used again: as many as the replicas in a test have.
const releasedMax = 3

// released are the mappings that were released last. The next ones are made of them: the garbage collector and the
// race detector take long over so much memory, of which tests use little.
var released struct {
	sync.Mutex
	mem [][]byte
}

func reserve(n int) (*mapping, error) {
	released.Lock()
	defer released.Unlock()
	if i := slices.IndexFunc(released.mem, func(mem []byte) bool { return len(mem) == n }); i >= 0 {
		mem := released.mem[i]
		released.mem = slices.Delete(released.mem, i, i+1)
		return &mapping{mem: mem}, nil
	}
	words := make([]uint64, n/8)
	return &mapping{mem: unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), n)}, nil
}

func (m *mapping) use(b []byte) error {
	end := uintptr(unsafe.Pointer(unsafe.SliceData(b))) + uintptr(len(b)) - uintptr(unsafe.Pointer(unsafe.SliceData(m.mem)))
	m.used = max(m.used, end)
	return nil
}

func (m *mapping) giveBack([]byte) error { return nil }
func (m *mapping) populate([]byte)       {}

func (m *mapping) release() error {
	clear(m.mem[:m.used])
	released.Lock()
	defer released.Unlock()
	released.mem = append(released.mem, m.mem)
	released.mem = slices.Delete(released.mem, 0, max(0, len(released.mem)-releasedMax))
	m.mem, m.used = nil, 0
	return nil
}

func wantHugePages([]byte) {}
