//go:build linux && !race

package arena

import "golang.org/x/sys/unix"

const (
	mapNoReserve   = unix.MAP_NORESERVE
	adviceGiveBack = unix.MADV_DONTNEED
)

// wantHugePages asks for 2 MiB pages behind b: one TLB entry then covers what
// 512 did. A kernel without them says no, and nothing is lost.
func wantHugePages(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }
