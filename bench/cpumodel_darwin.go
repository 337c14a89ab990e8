package bench

import "golang.org/x/sys/unix"

// cpuModel returns the processor's name, "unknown" if the kernel gives none.
func cpuModel() string {
	name, err := unix.Sysctl("machdep.cpu.brand_string")
	if err != nil {
		return "unknown"
	}
	return name
}
