package godwit

import (
	"context"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/speculate"
)

// logOptions says how the database's log works.
func (db *DB) logOptions(streams []*wal.Stream) wal.Options {
	o := wal.Options{
		FS:           db.store.FS,
		Clock:        env.RealClock(),
		Rand:         env.RealRand(),
		HLC:          db.clock,
		Dir:          db.store.logDir(),
		Reach:        db.store.reach(),
		ID:           wal.DatabaseID(db.store.id),
		Streams:      streams,
		SegmentBytes: db.opts.LogSegmentBytes,
		SparesMax:    db.opts.logSparesMax(),
		OnDurable:    db.logDurable,
		OnFailure:    db.logFailed,
		Reserve:      db.checkpointReserve,
	}
	if db.opts.Durability == DurabilityBackground {
		o.SyncInterval = db.opts.SyncInterval
	}
	if db.opts.Metrics != nil {
		o.OnSync = db.opts.Metrics.LogSynced
	}
	return o
}

// logOf is the database's log as the engine sees it, which is made before it is
// open.
type logOf struct{ db *DB }

func (l logOf) Throttle(ctx context.Context) error         { return l.db.log.Throttle(ctx) }
func (l logOf) Admit(ctx context.Context, bytes int) error { return l.db.log.Admit(ctx, bytes) }
func (l logOf) Done(bytes int)                             { l.db.log.Done(bytes) }

// replayLog applies what is in the log behind the checkpoint at from.
func (db *DB) replayLog(r *replay, from hlc.Timestamp) (*wal.Recovered, error) {
	return wal.Recover(context.Background(), wal.RecoverOptions{
		FS:       db.store.FS,
		Dir:      db.store.logDir(),
		Reach:    db.store.reach(),
		ID:       wal.DatabaseID(db.store.id),
		From:     from,
		FromFile: db.store.manifest(),
		Workers:  len(r.replayers),
		Apply:    r.apply,
		Due:      r.collectDue,
		Settle:   r.collect,
		Progress: db.reportProgress("replaying the log"),
	})
}

// logDurable is called by the log when more of it is durable.
func (db *DB) logDurable(w hlc.Timestamp) {
	if db.opts.Durability == DurabilityDisk {
		db.gate.Advance(speculate.Point(w))
	}
}

// logFailed is called by the log, once, when it can take no more.
func (db *DB) logFailed(err error) {
	db.logger.Error("the log failed; the database takes no more writes until it is reopened", "error", err)
	db.gate.Fail(err)
}

// unsettledLogBytes returns how much log a recovery would replay.
func (db *DB) unsettledLogBytes() int64 {
	return int64(db.log.Stats().Bytes) + db.replayedBytes - db.settledBytes.Load()
}

// logStatsOf returns the figures of a log that works.
func logStatsOf(s *wal.Stats) LogStats {
	return LogStats{
		Rounds:       s.Rounds,
		Syncs:        s.Syncs,
		WrittenBytes: int64(s.Bytes),
		PendingBytes: s.PendingBytes,
		Segments:     s.Segments,
		DiskBytes:    s.SegmentBytes,
		SyncP50:      s.SyncLatency.Quantile(0.5),
		SyncP99:      s.SyncLatency.Quantile(0.99),
	}
}

func (db *DB) logStats() LogStats {
	all := db.log.Stats()
	s := logStatsOf(&all)
	s.Failed = db.log.Failure()
	return s
}

// checkpointStatsOf returns the figures of the newest checkpoint, if there is one.
func checkpointStatsOf(m *checkpoint.Manifest, running bool) CheckpointStats {
	s := CheckpointStats{Running: running}
	if m != nil {
		total := m.Total()
		s.Timestamp, s.Created = Timestamp(m.Timestamp), m.Created
		s.Bytes, s.Records = total.Bytes, total.Entries
	}
	return s
}
