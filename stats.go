package godwit

import (
	"time"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/occ"
)

// Stats describe a database at one moment. Counts are since it was opened.
type Stats struct {
	// Committed counts transactions that wrote and are executed, Conflicts
	// attempts that had to be run again.
	Committed, Conflicts uint64
	// Favoured counts attempts for which all other writers waited, because the
	// transaction had been overtaken often.
	Favoured uint64
	// Executed is the newest timestamp: no transaction has a larger one, and it follows
	// the clock. Released is the one up to which everything is released; while nothing
	// is executed it rests, at or above that of the newest transaction.
	Executed, Released Timestamp
	// Streams is how many the log is made of: one for each of Options.Workers.
	Streams int
	// Waiting is how many callers wait for a release.
	Waiting int

	// Records is how many keys exist: in all tables, in dropped ones that are not
	// freed yet, in the catalog, which has one for each table and one more, and one for
	// each client that UpdateOnce remembers.
	Records int64
	// DeletedRecords is how many deleted keys still take memory, OldVersions how
	// many replaced versions snapshots keep.
	DeletedRecords, OldVersions int64
	// Snapshots is how many are open, OldestSnapshot the age of the oldest.
	Snapshots      int
	OldestSnapshot time.Duration

	// MemoryLimitBytes bounds MemoryUsedBytes: the pages in use.
	// MemoryLiveBytes is what the objects in them take, MemoryRetiredBytes the
	// part of that which waits for running transactions to end.
	MemoryLimitBytes, MemoryUsedBytes, MemoryLiveBytes, MemoryRetiredBytes int64

	// Log describes the log, on a replica the one on its own disk. It is zero with DurabilityNone.
	Log LogStats
	// Checkpoint describes the newest checkpoint, on a replica its own.
	Checkpoint CheckpointStats
}

// LogStats describe the log.
type LogStats struct {
	Rounds, Syncs uint64 // rounds of group commit, and syncs
	WrittenBytes  int64  // with headers and padding
	PendingBytes  int64  // executed and not yet written
	Segments      int    // files
	DiskBytes     int64  // of these files
	// SyncP50 and SyncP99 are percentiles of the time of a sync.
	SyncP50, SyncP99 time.Duration
	// Failed is why no more writes are taken, nil normally. On a replica it is why that has stopped.
	Failed error
}

// CheckpointStats describe the newest checkpoint.
type CheckpointStats struct {
	Timestamp Timestamp // 0: there is none
	Created   time.Time
	Bytes     int64
	Records   int64
	Running   bool // one is being made
}

// Stats returns the current figures.
func (db *DB) Stats() Stats {
	if db.replica != nil {
		s := db.replica.stats()
		s.Streams = db.opts.Workers
		return s
	}
	s := statsOf(db.engine, db.arena)
	s.Streams = db.opts.Workers
	s.Executed, s.Released, s.Waiting = Timestamp(db.clock.Last()), Timestamp(db.released()), db.gate.Waiting()
	if db.log != nil {
		s.Log = db.logStats()
		s.Checkpoint = checkpointStatsOf(db.lastCheckpoint.Load(), db.checkpointRuns.Load())
	}
	return s
}

// statsOf returns the figures of an engine and its memory.
func statsOf(engine *occ.Engine, a *arena.Arena) Stats {
	e := engine.Stats()
	s := Stats{
		Committed:          e.Commits,
		Conflicts:          e.Conflicts,
		Favoured:           e.Favoured,
		Records:            e.Records,
		DeletedRecords:     e.Deleted,
		OldVersions:        e.Versions,
		Snapshots:          e.Snapshots,
		MemoryLimitBytes:   a.LimitBytes(),
		MemoryUsedBytes:    a.UsedBytes(),
		MemoryLiveBytes:    a.LiveBytes(),
		MemoryRetiredBytes: e.Retired,
	}
	if e.Snapshots > 0 {
		s.OldestSnapshot = time.Since(e.OldestSnapshot.Time())
	}
	return s
}
