package shard

import (
	"context"
	"errors"
	"time"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/quorum"
)

// snapshotLook is how often a snapshot that is waited for looks whether this replica
// leads meanwhile.
const snapshotLook = 10 * time.Millisecond

// Snapshot returns a snapshot that shows everything at or below a timestamp, and perhaps
// more: of what is certain and there when it is opened, on any replica (DESIGN §4.5). It
// waits until that is so. Close must follow.
func (r *Replica) Snapshot(ctx context.Context, atLeast hlc.Timestamp) (*occ.Snapshot, error) {
	if err := r.applied.Wait(ctx, uint64(atLeast)); err != nil {
		return nil, err
	}
	for {
		if l, err := r.Leading(); err == nil {
			s, err := r.snapshotOfLeader(ctx, l)
			if !errors.Is(err, ErrNotLeader) {
				return s, err
			}
		}
		if !r.moving {
			return r.engine.OpenSnapshotAt(r.Released())
		}
		r.wanted++
		err := quorum.WaitFor(ctx, r.still.Reached(r.still.Value()+1), snapshotLook)
		r.wanted--
		if err != nil && !errors.Is(err, quorum.ErrTimeout) {
			return nil, err
		}
	}
}

// snapshotOfLeader opens a snapshot of what is executed and waits until that is certain.
// ErrNotLeader: this replica was deposed before.
func (r *Replica) snapshotOfLeader(ctx context.Context, l *Leadership) (*occ.Snapshot, error) {
	s, err := r.openSnapshot(ctx)
	if err != nil {
		return nil, notLeader(err)
	}
	r.wake() // a round with a watermark above it
	certain := quorum.NewValue[struct{}](ctx, "shard snapshot")
	l.Notify(s.Timestamp(), func(err error) {
		r.rt.Post(func() {
			if err != nil {
				certain.Fail(err)
				return
			}
			certain.Set(struct{}{})
		})
	})
	for err == nil && r.leading.Load() == l && !certain.Decided() {
		_, err = quorum.Select(ctx, certain, r.still.Reached(r.still.Value()+1))
	}
	switch {
	case err != nil:
	case r.leading.Load() != l:
		err = ErrNotLeader // it is void if it was above what was certain then
	default:
		err = certain.Err()
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// openSnapshot opens a snapshot of what is executed. It waits for commit phases, which the loop must not.
func (r *Replica) openSnapshot(ctx context.Context) (*occ.Snapshot, error) {
	opened := quorum.Blocking(ctx, quorum.KindJob, "shard snapshot", r.engine.OpenSnapshot)
	s, err := opened.Wait(ctx)
	if !opened.Decided() {
		r.rt.Go("shard late snapshot", func(ctx context.Context) error {
			s, err := opened.Wait(ctx)
			if err == nil {
				s.Close()
			}
			return err
		})
	}
	return s, err
}

// Read waits until everything that was released anywhere before the call is certain and
// there: what a transaction on the leader reads afterwards is linearizable, without a
// round in the log.
func (r *Replica) Read(ctx context.Context) error {
	if _, err := r.Leading(); err != nil {
		return err
	}
	err := r.group.Confirm(ctx)
	if errors.Is(err, stream.ErrNotLeader) {
		return ErrNotLeader
	}
	return err
}

// Applied waits until everything at or below ts is certain and there.
func (r *Replica) Applied(ctx context.Context, ts hlc.Timestamp) error {
	return r.applied.Wait(ctx, uint64(ts))
}
