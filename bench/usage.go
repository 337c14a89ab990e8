package bench

import (
	"math"
	"runtime/metrics"
	"time"
)

// usage is what the process has used since it began.
type usage struct {
	userCPU, systemCPU        time.Duration
	allocObjects, allocBytes  uint64
	gcCycles                  uint64
	gcCPUSeconds              float64
	goHeapBytes, goTotalBytes uint64
	residentBytes             uint64
	residentPeakBytes         uint64
	// pauses are the stop-the-world pauses, by cause: collection and others.
	pauses [2]*metrics.Float64Histogram
}

// Names of runtime/metrics, in the order of readUsage's samples.
var usageMetrics = [...]string{
	"/gc/heap/allocs:objects",
	"/gc/heap/allocs:bytes",
	"/gc/cycles/total:gc-cycles",
	"/cpu/classes/gc/total:cpu-seconds",
	"/memory/classes/heap/objects:bytes",
	"/memory/classes/total:bytes",
	"/sched/pauses/total/gc:seconds",
	"/sched/pauses/total/other:seconds",
}

func readUsage() usage {
	samples := make([]metrics.Sample, len(usageMetrics))
	for i := range samples {
		samples[i].Name = usageMetrics[i]
	}
	metrics.Read(samples)
	var u usage
	u.allocObjects = samples[0].Value.Uint64()
	u.allocBytes = samples[1].Value.Uint64()
	u.gcCycles = samples[2].Value.Uint64()
	u.gcCPUSeconds = samples[3].Value.Float64()
	u.goHeapBytes = samples[4].Value.Uint64()
	u.goTotalBytes = samples[5].Value.Uint64()
	u.pauses[0] = samples[6].Value.Float64Histogram()
	u.pauses[1] = samples[7].Value.Float64Histogram()
	u.userCPU, u.systemCPU = processCPU()
	u.residentBytes, u.residentPeakBytes = processMemory()
	return u
}

// Resources is what a run used in its measured time.
type Resources struct {
	UserCPUSeconds   float64 `json:"user_cpu_seconds"`
	SystemCPUSeconds float64 `json:"system_cpu_seconds"`
	// CPUPerTransaction is processor time of the whole process, log writers and
	// clients included, by transactions executed and rolled back.
	CPUPerTransaction time.Duration `json:"cpu_per_transaction_ns"`
	// AllocsPerTransaction and AllocBytesPerTransaction count the process's
	// allocations on the Go heap, the runner's own few per interval included.
	AllocsPerTransaction     float64 `json:"allocs_per_transaction"`
	AllocBytesPerTransaction float64 `json:"alloc_bytes_per_transaction"`
	GCCycles                 uint64  `json:"gc_cycles"`
	// GCFraction is the collector's share of the processor time used.
	GCFraction float64 `json:"gc_cpu_fraction"`
	// GCPauseMax and OtherPauseMax are upper bounds (of a histogram's bucket)
	// of the longest stop of all goroutines.
	GCPauseMax    time.Duration `json:"gc_pause_max_ns"`
	OtherPauseMax time.Duration `json:"other_pause_max_ns"`
	// GoHeapBytes is live and unswept objects at the end, GoTotalBytes all
	// memory of the Go runtime.
	GoHeapBytes  uint64 `json:"go_heap_bytes"`
	GoTotalBytes uint64 `json:"go_total_bytes"`
	// ResidentBytes and ResidentPeakBytes are the process's memory at the end
	// and at most, 0 where the system does not tell.
	ResidentBytes     uint64 `json:"resident_bytes,omitempty"`
	ResidentPeakBytes uint64 `json:"resident_peak_bytes,omitempty"`
}

// since returns what was used after before, by so many transactions.
func (u usage) since(before usage, transactions uint64) Resources {
	cpu := u.userCPU + u.systemCPU - before.userCPU - before.systemCPU
	per := 1 / math.Max(1, float64(transactions))
	r := Resources{
		UserCPUSeconds:           (u.userCPU - before.userCPU).Seconds(),
		SystemCPUSeconds:         (u.systemCPU - before.systemCPU).Seconds(),
		CPUPerTransaction:        time.Duration(float64(cpu) * per),
		AllocsPerTransaction:     float64(u.allocObjects-before.allocObjects) * per,
		AllocBytesPerTransaction: float64(u.allocBytes-before.allocBytes) * per,
		GCCycles:                 u.gcCycles - before.gcCycles,
		GCPauseMax:               longestPause(u.pauses[0], before.pauses[0]),
		OtherPauseMax:            longestPause(u.pauses[1], before.pauses[1]),
		GoHeapBytes:              u.goHeapBytes,
		GoTotalBytes:             u.goTotalBytes,
		ResidentBytes:            u.residentBytes,
		ResidentPeakBytes:        u.residentPeakBytes,
	}
	if cpu > 0 {
		r.GCFraction = (u.gcCPUSeconds - before.gcCPUSeconds) / cpu.Seconds()
	}
	return r
}

// longestPause returns the upper end of the highest bucket that grew.
func longestPause(after, before *metrics.Float64Histogram) time.Duration {
	for i := len(after.Counts) - 1; i >= 0; i-- {
		if after.Counts[i] == before.Counts[i] {
			continue
		}
		bound := after.Buckets[i+1]
		if math.IsInf(bound, 1) {
			bound = after.Buckets[i]
		}
		return time.Duration(bound * float64(time.Second))
	}
	return 0
}

// ProcessorTime returns what this process has used of processors.
func ProcessorTime() time.Duration {
	user, system := processCPU()
	return user + system
}
