//go:build race || !(unix || windows)

package arena

import "unsafe"

// mapping is a Go slice: for race builds, whose detector sees only the Go heap.
type mapping struct{ mem []byte }

func reserve(n int) (*mapping, error) {
	words := make([]uint64, n/8)
	return &mapping{unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), n)}, nil
}

func (m *mapping) use([]byte) error      { return nil }
func (m *mapping) giveBack([]byte) error { return nil }
func (m *mapping) populate([]byte)       {}
func (m *mapping) release() error        { m.mem = nil; return nil }

func wantHugePages([]byte) {}
