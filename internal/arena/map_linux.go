//go:build linux && !race

package arena

import "golang.org/x/sys/unix"

const (
	mapNoReserve   = unix.MAP_NORESERVE
	adviceGiveBack = unix.MADV_DONTNEED
)

// populate does what touching each page of b would do, in one call. Kernels
// before 5.14 say no, and pages come when they are touched.
func populate(b []byte) { _ = unix.Madvise(b, unix.MADV_POPULATE_WRITE) }

// wantHugePages asks for 2 MiB pages behind b: one TLB entry then covers what
// 512 did. A kernel without them says no, and nothing is lost.
func wantHugePages(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }
