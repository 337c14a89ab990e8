package shard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/internal/image"
	"github.com/godwitdb/godwit/quorum"
)

const (
	// checkpointLook is how often the log's size is looked at, checkpointRetry how long to
	// wait after a checkpoint that failed.
	checkpointLook  = 100 * time.Millisecond
	checkpointRetry = 10 * time.Second
)

// keepCheckpoints makes checkpoints as the log grows.
func (r *Replica) keepCheckpoints(ctx context.Context) error {
	for {
		wait := checkpointLook
		if r.group.Status().Full {
			r.group.Discard(r.kept + 1) // there is no room for what others might lack
		}
		if r.due() {
			if err := r.Checkpoint(ctx); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				r.options.Group.Logf("checkpoint failed; the log is kept: %v", err)
				wait = checkpointRetry
			}
		}
		if err := quorum.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// due tells whether a checkpoint should be made now. On a full disk that is so as soon as it makes
// the log smaller: not before what the last one made superfluous has gone, which is the room for the next.
func (r *Replica) due() bool {
	unsettled, most := r.logBytes-r.settledBytes, r.options.CheckpointBytes
	if most <= 0 {
		return false
	}
	s := r.group.Status()
	return unsettled >= most && !r.lends() || unsettled > 0 && s.Full && s.Discarded > r.kept
}

// lends tells whether another replica is fetching the newest checkpoint: the next one, which
// would take its place, waits until that has it, or until the log is lentLogs times as long
// as it should be.
func (r *Replica) lends() bool {
	const lentLogs = 4
	return r.lent > 0 && r.rt.Elapsed()-r.lent < lentFor && r.logBytes-r.settledBytes < lentLogs*r.options.CheckpointBytes
}

// ErrBusy: a checkpoint is being made already.
var ErrBusy = errors.New("shard: a checkpoint is being made")

// Checkpoint writes all data as of now to the disk, so that the log before is not needed
// any more but for members that are behind, and returns when that is durable. Replicas do
// it by themselves (Options.CheckpointBytes), each on its own. If ctx ends, it goes on all
// the same.
func (r *Replica) Checkpoint(ctx context.Context) error {
	if r.checkpointing {
		return ErrBusy
	}
	// It goes on if ctx ends: what it writes and reads is given back when the job is over.
	return r.rt.Go("shard write checkpoint", r.writeCheckpoint).Wait(ctx)
}

func (r *Replica) writeCheckpoint(ctx context.Context) error {
	began := r.rt.Elapsed()
	// Everything of the rounds up to base is in any snapshot that is opened from now on.
	settles := r.logBytes
	base := groupBase{}
	var err error
	if base.Base, err = r.bases.first(r.Released()); err != nil {
		return err
	}
	base.Members = r.group.MembersAt(base.Number)
	attachment, err := base.encode()
	if err != nil {
		return err
	}
	snap, err := r.Snapshot(ctx, 0)
	if err != nil {
		return err
	}
	defer snap.Close()
	// Only now: who waits for a snapshot must not keep a checkpoint from coming in. The log
	// is discarded up to the last base, so the next one is not before that.
	if r.checkpointing || base.Number < r.kept {
		return ErrBusy
	}
	r.checkpointing = true
	r.writing.Store(true)
	defer func() { r.checkpointing = false; r.writing.Store(false) }()
	f, now, last := r.folder, r.rt.Host().Now(), int64(0)
	old := int64(0)
	if m := r.newest.Load(); m != nil {
		old = m.Total().Bytes
	}
	f.missing.Store(max(0, r.options.Arena.LiveBytes()-old))
	defer func() { f.written.Store(0); f.missing.Store(0) }()
	stop := make(chan struct{}) // the job outlives a Runtime's end by a little
	defer close(stop)
	err = r.job(ctx, "shard checkpoint", func() error {
		ctx := context.Background() // the task's is for its Runtime alone; stop ends the job
		pause := r.pauses(stop)
		tables, err := r.tablesOf(snap)
		if err != nil {
			return err
		}
		b, err := checkpoint.Begin(f.FS, f.Path(folder.Checkpoint), checkpoint.Options{
			Database: checkpoint.DatabaseID(f.id.Cluster), Timestamp: snap.Timestamp(), Tables: image.Describe(tables),
			Godwit: r.options.Version, Attachment: attachment,
			AfterBlock: func(bytes, _ int64) error {
				if bytes < last { // they are counted anew for each part
					last = 0
				}
				f.written.Add(bytes - last)
				last = bytes
				return pause(ctx)
			},
		})
		if err != nil {
			return err
		}
		m, err := image.Write(ctx, b, snap, tables, func() time.Time { return now })
		if err != nil {
			return err
		}
		r.newest.Store(&m)
		f.written.Store(0) // the next one gets the room of the one before
		_, err = checkpoint.Cleanup(f.FS, f.Path(folder.Checkpoint))
		return err
	})
	f.stuck.Store(env.IsDiskFull(err))
	if err != nil {
		if f.stuck.Load() {
			err = fmt.Errorf("there is no room for it: %w", err)
		}
		return err
	}
	if r.options.OnCheckpoint != nil {
		r.options.OnCheckpoint(r.rt.Elapsed()-began, r.newest.Load().Total().Bytes)
	}
	r.settledBytes = settles
	// The log between the last two checkpoints stays, for members that are behind.
	r.group.Discard(r.kept + 1)
	r.kept = base.Number
	return nil
}

// pauses returns what a checkpoint does behind each block: it fails when stop is closed, and
// lets transactions keep their pace where there is a clock (Options.Time).
func (r *Replica) pauses(stop <-chan struct{}) func(context.Context) error {
	pace := func(ctx context.Context) error { return ctx.Err() }
	if r.options.Time != nil {
		p := checkpoint.NewPacer(r.options.Time, r.transactions)
		pace = func(ctx context.Context) error { return p.Pause(ctx, stop) }
	}
	return func(ctx context.Context) error {
		err := pace(ctx)
		select {
		case <-stop:
			return ErrStopped
		default:
			return err
		}
	}
}

// transactions returns how many this replica has executed or replayed since it was opened.
// Any goroutine may call it.
func (r *Replica) transactions() uint64 { return r.engine.Stats().Commits + r.applier.records.Load() }
