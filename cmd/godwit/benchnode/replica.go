package benchnode

import (
	"context"
	"errors"
	"net"

	"github.com/godwitdb/godwit/cmd/godwit/benchshard"
	"github.com/godwitdb/godwit/cmd/godwit/internal/localmember"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/procedure"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/quorum"
)

// replica is a member of the group, with procedures.
type replica struct {
	*localmember.Member
	ended chan error // why it has ended by itself
}

// openReplica opens a replica's folder and has it take part.
func openReplica(ctx context.Context, s *Setup, fs env.FS, l net.Listener, logf func(string, ...any)) (_ *replica, err error) {
	r := &replica{ended: make(chan error, 1)}
	o := shard.Options{Workers: s.Threads, CheckpointBytes: s.CheckpointBytes,
		Group: stream.Options{Members: stream.Members{Voters: s.Voters}, ElectionTimeout: s.ElectionTimeout, Logf: logf}}
	if s.Memory {
		o.Group.Durability = stream.Memory
	}
	r.Member, err = localmember.Open(ctx, localmember.Config{
		ID: s.ID, Cluster: s.Database(), Addrs: s.Addrs, Listener: l, FS: fs, Dir: s.Dir, MemoryMiB: s.MemoryMiB, SegmentBytes: s.SegmentBytes, Shard: o,
		Serve: func(ctx context.Context, e *quorum.Endpoint, on *shard.Replica) error {
			callable, err := procedures(on.Engine())
			if err == nil {
				procedure.Serve(ctx, e, on, callable, procedure.ServerOptions{})
			}
			return err
		},
		Ended: func(why error) { r.ended <- why },
	})
	return r, err
}

func (r *replica) status(ctx context.Context) (s *Status, err error) {
	err = r.Runtime.Run(ctx, "status", func(context.Context) error {
		_, err := r.Leading()
		s = &Status{Status: r.Group().Status(), Leads: err == nil, Applied: uint64(r.Released())}
		return nil
	})
	return s, err
}

func (r *replica) change(ctx context.Context, c *Change) error {
	return r.Runtime.Run(ctx, "change", func(ctx context.Context) error {
		switch {
		case c.Add != 0:
			return r.Group().AddLearner(ctx, c.Add)
		case c.Promote != 0:
			return r.Group().Promote(ctx, c.Promote)
		}
		return r.Group().Remove(ctx, c.Remove)
	})
}

// check returns a checksum of all data at or above a timestamp.
func (r *replica) check(ctx context.Context, atLeast uint64) (sum benchshard.Checksum, at uint64, err error) {
	var s *benchshard.Snapshot
	err = r.Runtime.Run(ctx, "check", func(ctx context.Context) error {
		opened, err := r.Snapshot(ctx, hlc.Timestamp(atLeast))
		if err != nil {
			return err
		}
		s, at = benchshard.NewSnapshot(r.Engine(), opened), uint64(opened.Timestamp())
		return nil
	})
	if err != nil {
		return sum, 0, err
	}
	sum, err = s.Checksum(ctx)
	return sum, at, errors.Join(err, s.Close())
}
