//go:build !linux && !race

package godwit

// machineMemoryBytes returns 0: this system is not asked.
func machineMemoryBytes() int64 { return 0 }
