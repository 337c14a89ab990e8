//go:build unix

package bench

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// processCPU returns the processor time of the process in user and kernel mode.
func processCPU() (user, system time.Duration) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, 0
	}
	return time.Duration(u.Utime.Nano()), time.Duration(u.Stime.Nano())
}

// processMemory returns the resident bytes now (Linux only) and at most.
func processMemory() (now, peak uint64) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err == nil {
		peak = uint64(u.Maxrss)
		if runtime.GOOS != "darwin" && runtime.GOOS != "ios" {
			peak <<= 10 // the others count kilobytes
		}
	}
	if runtime.GOOS != "linux" {
		return 0, peak
	}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, peak
	}
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0, peak
	}
	pages, err := strconv.ParseUint(string(fields[1]), 10, 64)
	if err != nil {
		return 0, peak
	}
	return pages * uint64(os.Getpagesize()), peak
}
