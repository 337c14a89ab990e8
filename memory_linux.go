//go:build !race

package godwit

import "golang.org/x/sys/unix"

// machineMemoryBytes returns the machine's memory, 0 if the system does not
// tell.
func machineMemoryBytes() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}
