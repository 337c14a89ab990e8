//go:build unix && !linux && !race

package arena

import "golang.org/x/sys/unix"

const (
	mapNoReserve   = 0
	adviceGiveBack = unix.MADV_FREE
)

// populate does nothing: pages come when they are touched.
func populate([]byte) {}

// wantHugePages does nothing: this system chooses its page sizes itself.
func wantHugePages([]byte) {}
