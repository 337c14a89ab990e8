package godwit

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/image"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/speculate"
)

const (
	// checkpointPoll is how often the log's size is looked at: often enough to see
	// a disk become full.
	checkpointPoll = 100 * time.Millisecond
	// checkpointRetry is how long to wait after one that failed.
	checkpointRetry = 10 * time.Second
	// openingsDue is how many segments there may be beside those that CheckpointBytes
	// fill. Each opening that writes begins one, and recovery looks into all: many
	// short ones would pile up files that hold next to nothing. When there are more, a
	// checkpoint is made in the background, which no short opening comes to the end of.
	// So Open makes one itself when there are more than openingsMax: often enough to
	// keep them few, seldom enough to be an exception.
	openingsDue = 64
	openingsMax = 4 * openingsDue
	// checkpointShareOfData: as space gets scarce, a checkpoint is made when the
	// log has this part of the data's size, or when the disk is full.
	checkpointShareOfData = 4
)

// Checkpoint writes all data as of now to disk, so that the log before it is
// not needed any more, and returns when that is durable. Transactions go on
// meanwhile. It happens by itself as the log grows (Options.CheckpointBytes).
func (db *DB) Checkpoint(ctx context.Context) error {
	if db.replica != nil {
		return db.task(ctx, "checkpoint", func(ctx context.Context, n *openReplica) error { return n.Checkpoint(ctx) })
	}
	if db.store == nil {
		return errors.New("godwit: a database with DurabilityNone has no checkpoints")
	}
	if err := db.checkpointing.enter(ctx); err != nil {
		return err
	}
	defer db.checkpointing.leave()
	start := time.Now()
	settles := db.unsettledLogBytes()
	snap, tables, err := db.snapshotAll(ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	db.checkpointRuns.Store(true)
	defer func() {
		db.checkpointRuns.Store(false)
		db.checkpointBytes.Store(0)
	}()
	// The log is durable up to the snapshot before the checkpoint counts: a
	// checkpoint holds nothing that could still be lost. But if the log has no room,
	// it may get it by this checkpoint, which then is what makes that durable.
	if err := db.log.Sync(ctx); err != nil && !errors.Is(err, ErrDiskFull) {
		return err
	}
	if err := db.log.DropSpares(); err != nil {
		return fmt.Errorf("godwit: make room for a checkpoint: %w", err)
	}
	m, err := db.writeCheckpoint(ctx, snap, tables)
	if err != nil {
		if env.IsDiskFull(err) {
			db.checkpointStuck.Store(true)
			err = fmt.Errorf("%w: %w", ErrDiskFull, err)
		}
		return fmt.Errorf("godwit: checkpoint: %w", err)
	}
	db.lastCheckpoint.Store(m)
	db.settledBytes.Add(settles)
	db.checkpointStuck.Store(false)
	db.gate.Advance(speculate.Point(snap.Timestamp()))
	if err := db.log.TruncateBefore(snap.Timestamp()); err != nil {
		return fmt.Errorf("godwit: truncate the log: %w", err)
	}
	took := time.Since(start)
	total := m.Total()
	db.logger.Info("checkpoint", "timestamp", uint64(m.Timestamp), "records", total.Entries, "bytes", total.Bytes, "took", took)
	if db.opts.Metrics != nil {
		db.opts.Metrics.Checkpointed(took, total.Bytes)
	}
	return nil
}

// checkpointWhenDue makes checkpoints as the log grows.
func (db *DB) checkpointWhenDue() {
	if db.opts.CheckpointBytes < 0 {
		return
	}
	var failed time.Time
	tick := time.NewTicker(checkpointPoll)
	defer tick.Stop()
	for {
		select {
		case <-db.closed:
			return
		case <-tick.C:
			if !db.checkpointDue() || time.Since(failed) < checkpointRetry {
				continue
			}
			if err := db.Checkpoint(context.Background()); err != nil && !errors.Is(err, ErrClosed) {
				db.logger.Error("checkpoint failed; the log is kept", "error", err, "again in", checkpointRetry)
				failed = time.Now()
			}
		}
	}
}

// checkpointDue tells whether the log is to be made superfluous: because it has
// grown, or because its space is needed.
func (db *DB) checkpointDue() bool {
	unsettled := db.unsettledLogBytes()
	if unsettled >= db.opts.CheckpointBytes {
		return true
	}
	// Who has stayed for as long as the recovery took, which is about what a checkpoint
	// takes, may stay as long again. Else it would be begun for nothing each time.
	if db.manyOpenings(openingsDue) && time.Since(db.opened) >= db.recoveryTook {
		return true
	}
	if db.log.Stats().Segments < 2 {
		return false // a checkpoint would free nothing
	}
	if db.log.Full() {
		return true
	}
	// Sooner than when the log has no room but what is reserved. But begun over and
	// over again, checkpoints would take the disk's time instead of its space.
	reserve := db.checkpointReserve()
	if reserve == 0 || unsettled < max(2*db.opts.LogSegmentBytes, reserve/checkpointShareOfData) {
		return false
	}
	free, err := db.store.FS.FreeBytes(db.dir)
	return err == nil && free < reserve+2*max(db.opts.LogSegmentBytes, reserve/checkpointShareOfData)
}

// manyOpenings tells whether the log has more than that many segments too much for its
// size.
func (db *DB) manyOpenings(most int64) bool {
	return int64(db.log.Stats().Segments) > db.opts.CheckpointBytes/db.opts.LogSegmentBytes+most
}

// settleOpenings makes a checkpoint if there were so many openings since the last
// one that none can have been long enough to make one.
func (db *DB) settleOpenings() {
	if db.opts.CheckpointBytes < 0 || !db.manyOpenings(openingsMax) {
		return
	}
	if err := db.Checkpoint(context.Background()); err != nil {
		db.logger.Error("checkpoint failed; the log is kept", "error", err)
	}
}

// checkpointReserve returns how much of the disk the log has to leave free: what
// the next checkpoint takes, or what the running one has still to write. The next
// checkpoint is written beside this one, and makes the log smaller only when it
// is complete. It takes less than the data does in memory.
func (db *DB) checkpointReserve() int64 {
	if db.opts.CheckpointBytes < 0 || db.checkpointStuck.Load() {
		return 0
	}
	return max(0, db.arena.LiveBytes()-db.checkpointBytes.Load())
}

// snapshotAll opens a snapshot and returns it with the tables that it sees, the
// catalog first.
func (db *DB) snapshotAll(ctx context.Context) (*occ.Snapshot, []*Table, error) {
	// No table comes or goes between the snapshot and the list.
	if err := db.catalog.changes.enter(ctx); err != nil {
		return nil, nil, err
	}
	defer db.catalog.changes.leave()
	snap, err := db.engine.OpenSnapshot()
	if err != nil {
		return nil, nil, err
	}
	return snap, withInternal(db.engine, db.catalog.table, db.catalog.at(snap.Timestamp())), nil
}

// catalogName is the catalog's name in checkpoints. No user's table can have it,
// since names have no NUL in them.
const catalogName = "\x00catalog"

func images(tables []*Table) []image.Table {
	out := make([]image.Table, len(tables))
	for i, t := range tables {
		out[i] = image.Table{Name: t.name, In: t.in.Load()}
	}
	return out
}

// writeCheckpoint writes and publishes the snapshot.
func (db *DB) writeCheckpoint(ctx context.Context, snap *occ.Snapshot, tables []*Table) (*checkpoint.Manifest, error) {
	pace := newPacer(db.engine)
	shown := images(tables)
	var attachment string
	if db.attach != nil {
		var err error
		if attachment, err = db.attach(snap.Timestamp()); err != nil {
			return nil, err
		}
	}
	last := int64(0) // bytes are counted anew for each part
	b, err := checkpoint.Begin(db.store.FS, db.store.checkpointDir(), checkpoint.Options{
		Database:   db.store.id,
		Timestamp:  snap.Timestamp(),
		Tables:     image.Describe(shown),
		Godwit:     version(),
		Attachment: attachment,
		AfterBlock: func(bytes, _ int64) error {
			if bytes < last {
				last = 0
			}
			db.checkpointBytes.Add(bytes - last)
			last = bytes
			return db.pause(ctx, pace)
		},
	})
	if err != nil {
		return nil, err
	}
	m, err := image.Write(ctx, b, snap, shown, time.Now)
	if err != nil {
		return nil, err
	}
	if _, err := checkpoint.Cleanup(db.store.FS, db.store.checkpointDir()); err != nil {
		db.logger.Warn("an old checkpoint was not removed", "error", err)
	}
	return &m, nil
}

// newPacer returns what slows a walk through all data down while transactions run.
func newPacer(e *occ.Engine) *checkpoint.Pacer {
	return checkpoint.NewPacer(env.RealClock(), func() uint64 { return e.Stats().Commits })
}

// pause is called after every block. ErrClosed: Close was called.
func (db *DB) pause(ctx context.Context, p *checkpoint.Pacer) error {
	err := p.Pause(ctx, db.closed)
	select {
	case <-db.closed:
		return ErrClosed
	default:
		return err
	}
}

// version is the program's version as far as the build knows it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
