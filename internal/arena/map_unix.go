//go:build unix && !race

package arena

import "golang.org/x/sys/unix"

// mapping is a reservation of address space. The operating system gives memory
// for it as it is touched.
type mapping struct{ mem []byte }

func reserve(n int) (*mapping, error) {
	mem, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|mapNoReserve)
	if err != nil {
		return nil, err
	}
	return &mapping{mem}, nil
}

// use is called before a part of the reservation is used for the first time or
// again after giveBack.
func (m *mapping) use([]byte) error { return nil }

// giveBack returns the memory behind b to the operating system.
func (m *mapping) giveBack(b []byte) error { return unix.Madvise(b, adviceGiveBack) }

// populate puts memory behind b, as far as the operating system can be asked to.
// Others may use b meanwhile.
func (m *mapping) populate(b []byte) { populate(b) }

func (m *mapping) release() error { return unix.Munmap(m.mem) }
