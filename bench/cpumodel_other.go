//go:build !linux && !darwin

package bench

import "os"

// cpuModel returns the processor's name where the environment has it (Windows),
// else "unknown".
func cpuModel() string {
	if name := os.Getenv("PROCESSOR_IDENTIFIER"); name != "" {
		return name
	}
	return "unknown"
}
