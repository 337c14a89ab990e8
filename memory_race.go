//go:build race

package godwit

// machineMemoryBytes is small in race builds: the arena is a Go slice in them,
// and the race detector needs several times its size.
func machineMemoryBytes() int64 { return 128 << 20 }
