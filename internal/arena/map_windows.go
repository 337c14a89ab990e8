//go:build windows && !race

package arena

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// mapping is a reservation of address space. Memory is committed for a part of
// it before its first use.
type mapping struct{ mem []byte }

func reserve(n int) (*mapping, error) {
	addr, err := windows.VirtualAlloc(0, uintptr(n), windows.MEM_RESERVE, windows.PAGE_READWRITE)
	if err != nil {
		return nil, err
	}
	// The address is of no Go object; the conversion through a pointer to the
	// variable is the form that vet accepts for that.
	return &mapping{unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&addr))), n)}, nil
}

func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

func (m *mapping) use(b []byte) error {
	_, err := windows.VirtualAlloc(address(b), uintptr(len(b)), windows.MEM_COMMIT, windows.PAGE_READWRITE)
	return err
}

func (m *mapping) giveBack(b []byte) error {
	return windows.VirtualFree(address(b), uintptr(len(b)), windows.MEM_DECOMMIT)
}

// populate does nothing: pages come when they are touched.
func (m *mapping) populate([]byte) {}

func (m *mapping) release() error {
	return windows.VirtualFree(address(m.mem), 0, windows.MEM_RELEASE)
}

// wantHugePages does nothing: large pages need a privilege here.
func wantHugePages([]byte) {}
