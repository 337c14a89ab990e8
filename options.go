package godwit

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/env"
)

// Durability says when a transaction is released.
type Durability int

const (
	// DurabilityDisk releases a transaction when its log is synced to disk.
	DurabilityDisk Durability = iota
	// DurabilityBackground releases a transaction when it is executed, and syncs the
	// log every SyncInterval. A power loss or a crash of the machine takes the newest
	// transactions, at most those of the last SyncInterval and of the time that a sync
	// takes (two, if a sync takes longer than SyncInterval). If goroutines that never block
	// keep all processors, the log waits for its turns as they do, for some 10 ms each,
	// and that comes on top. When the disk stalls, or no turn comes,
	// writers wait, so that it is never more than those of SyncInterval and one
	// second. What is left is a state that existed: no transaction is there without
	// those that it has read. If the process alone ends without Close, that takes those
	// of the last few milliseconds, or of a sync, or of such turns.
	DurabilityBackground
	// DurabilityNone writes nothing: the data is gone with the process. The
	// folder given to Open must be empty ("").
	DurabilityNone
	// DurabilityMemory, for replicas only, releases a transaction when a majority of them
	// has received it; their disks follow. It survives the loss of fewer than half of the
	// replicas; of more at one time, it does not. With the default, DurabilityDisk, it is when a majority
	// has synced it to disk. All replicas have the same: one with another is refused.
	DurabilityMemory
)

// String returns the name used on command lines: disk, background, none or memory.
func (d Durability) String() string {
	switch d {
	case DurabilityDisk:
		return "disk"
	case DurabilityBackground:
		return "background"
	case DurabilityNone:
		return "none"
	case DurabilityMemory:
		return "memory"
	}
	return fmt.Sprintf("Durability(%d)", int(d))
}

const (
	// DefaultSyncInterval is the default of Options.SyncInterval.
	DefaultSyncInterval = 100 * time.Millisecond
	// DefaultCheckpointBytes is the default of Options.CheckpointBytes.
	DefaultCheckpointBytes = 1 << 30
	// DefaultLogSegmentBytes is the default of Options.LogSegmentBytes.
	DefaultLogSegmentBytes = 64 << 20
	// MinMemoryLimit is the smallest Options.MemoryLimit.
	MinMemoryLimit = arena.MinLimitBytes
	// MaxMemoryLimit is the largest: 16 TiB.
	MaxMemoryLimit = arena.MaxLimitBytes
	// MaxWorkers bounds Options.Workers.
	MaxWorkers = 256

	// defaultMemoryShare: the default memory limit is this part of the
	// machine's memory.
	defaultMemoryShareNum, defaultMemoryShareDen = 3, 4
	// fallbackMemoryLimit is the default where the system does not tell.
	fallbackMemoryLimit = 4 << 30

	minSyncInterval    = time.Millisecond
	maxSyncInterval    = time.Minute
	minLogSegmentBytes = 1 << 20
	logSparesBytesMax  = 2 << 30
	maxLogSegmentBytes = 1 << 30
)

// Options configure a database. The zero value of each field means its default.
type Options struct {
	// Cluster makes the database a replica, one of several on different nodes. Default: an
	// embedded database, which is alone.
	Cluster *Cluster
	// Durability says when a transaction is released. Default DurabilityDisk.
	Durability Durability
	// SyncInterval is how often the log is synced with DurabilityBackground,
	// which says what a crash may take. From 1 ms to 1 min, default 100 ms.
	SyncInterval time.Duration
	// MemoryLimit bounds the memory of the data, in bytes: records, indexes,
	// and versions kept for snapshots. Not counted are the buffers of running
	// transactions and of the log, and up to 64 MiB while Open replays the log. From
	// 16 MiB to 16 TiB, default three quarters of the machine's memory.
	MemoryLimit int64
	// Workers is how many transactions can be in their commit phase at once.
	// Default GOMAXPROCS.
	Workers int
	// CheckpointBytes is how much log may be written before a checkpoint is
	// made by itself, in bytes. It bounds the log on disk and the time of
	// recovery. Many openings lead to one too, so that short runs do not pile up files: in
	// the background, and if no run is long enough for that, in one Open of about 200.
	// Default 1 GiB, negative: never.
	CheckpointBytes int64
	// LogSegmentBytes is the size of the log's files, which are allocated ahead.
	// Those that a checkpoint sets free are used again: the log keeps the disk that it
	// had at its largest, up to 2 GiB.
	// From 1 MiB to 1 GiB, default 64 MiB.
	LogSegmentBytes int64
	// ClientsMax is how many clients' last requests are remembered (UpdateOnce), and up to an eighth
	// more. Default a million.
	ClientsMax int
	// Logger gets what operators should know. Default: nothing is logged.
	Logger *slog.Logger
	// Metrics gets measurements as they are made. Default none. Package
	// godwitprom has an adapter for Prometheus.
	Metrics Metrics
	// Tracer follows some transactions through their lives. Default none. Package godwitotel has one for OpenTelemetry.
	Tracer Tracer

	// fs is where data is stored, for tests.
	fs env.FS
}

// Validate returns all that is wrong with the options, nil if nothing is. It may be
// called on nil, which means all defaults.
func (o *Options) Validate() error {
	if o == nil {
		return nil
	}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("godwit: Options."+format, args...)) }
	if o.Durability < DurabilityDisk || o.Durability > DurabilityMemory {
		bad("Durability is %d, which is none of the constants", int(o.Durability))
	}
	if o.Cluster != nil {
		if err := o.Cluster.validate(); err != nil {
			bad("%w", err)
		}
		if o.Durability == DurabilityBackground || o.Durability == DurabilityNone {
			bad("Durability is %v, a replicated database has disk or memory", o.Durability)
		}
	} else if o.Durability == DurabilityMemory {
		bad("Durability is memory, which is for replicas: set Options.Cluster")
	}
	if o.SyncInterval != 0 && (o.SyncInterval < minSyncInterval || o.SyncInterval > maxSyncInterval) {
		bad("SyncInterval is %v, allowed are %v to %v", o.SyncInterval, minSyncInterval, maxSyncInterval)
	}
	if o.MemoryLimit != 0 && (o.MemoryLimit < MinMemoryLimit || o.MemoryLimit > MaxMemoryLimit) {
		bad("MemoryLimit is %d bytes, allowed are %d to %d", o.MemoryLimit, MinMemoryLimit, int64(MaxMemoryLimit))
	}
	if o.Workers < 0 || o.Workers > MaxWorkers {
		bad("Workers is %d, allowed are 1 to %d", o.Workers, MaxWorkers)
	}
	if o.ClientsMax < 0 {
		bad("ClientsMax is %d, and none may be negative", o.ClientsMax)
	}
	if o.LogSegmentBytes != 0 && (o.LogSegmentBytes < minLogSegmentBytes || o.LogSegmentBytes > maxLogSegmentBytes) {
		bad("LogSegmentBytes is %d, allowed are %d to %d", o.LogSegmentBytes, minLogSegmentBytes, maxLogSegmentBytes)
	}
	return errors.Join(errs...)
}

// withDefaults returns a copy in which every field has its value.
func (o *Options) withDefaults() Options {
	var c Options
	if o != nil {
		c = *o
	}
	if c.SyncInterval == 0 {
		c.SyncInterval = DefaultSyncInterval
	}
	if c.MemoryLimit == 0 {
		c.MemoryLimit = fallbackMemoryLimit
		if m := machineMemoryBytes(); m > 0 {
			c.MemoryLimit = min(max(MinMemoryLimit, m/defaultMemoryShareDen*defaultMemoryShareNum), MaxMemoryLimit)
		}
	}
	if c.Workers == 0 {
		c.Workers = min(runtime.GOMAXPROCS(0), MaxWorkers)
	}
	if c.CheckpointBytes == 0 {
		c.CheckpointBytes = DefaultCheckpointBytes
	}
	if c.Cluster != nil {
		own := *c.Cluster
		own.ElectionTimeout = cmp.Or(own.ElectionTimeout, DefaultElectionTimeout)
		c.Cluster = &own
	}
	if c.ClientsMax == 0 {
		c.ClientsMax = DefaultClientsMax
	}
	if c.LogSegmentBytes == 0 {
		c.LogSegmentBytes = DefaultLogSegmentBytes
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.fs == nil {
		c.fs = env.OS()
	}
	return c
}

// logSparesMax is how many files that the log does not need any more it keeps to
// use again: as many as a checkpoint sets free, so that a busy database allocates
// none, up to logSparesBytesMax.
func (o *Options) logSparesMax() int {
	if o.CheckpointBytes < 0 {
		return 0 // the log's own default
	}
	return max(1, int(min(o.CheckpointBytes, logSparesBytesMax)/o.LogSegmentBytes))
}
