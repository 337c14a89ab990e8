package benchnode

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/godwitdb/godwit/cmd/godwit/benchshard"
	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/procedure"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/quorum"
)

// replica is a member of the group, with procedures.
type replica struct {
	*shard.Replica
	rt       *quorum.Runtime
	stop     func()
	tcp      *env.TCP
	endpoint *quorum.Endpoint
	arena    *arena.Arena
	ended    chan error // what Run has returned
}

// openReplica opens a replica's folder and has it take part.
func openReplica(ctx context.Context, s *Setup, fs env.FS, l net.Listener, logf func(string, ...any)) (_ *replica, err error) {
	r := &replica{ended: make(chan error, 1)}
	if r.arena, err = arena.New(s.MemoryMiB << 20); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	r.rt, r.stop = quorum.Start(s.ID)
	r.tcp = env.NewTCP(r.rt.Host(), s.Addrs, l)
	err = r.rt.Run(ctx, "start", func(ctx context.Context) (err error) {
		r.endpoint = quorum.NewEndpoint(r.rt, r.tcp, quorum.Options{Cluster: quorum.ClusterID(s.Database())}, nil)
		d := shard.Disk{FS: fs, Dir: s.Dir, Identity: shard.Identity{Cluster: s.Database(), Node: s.ID}, SegmentBytes: s.SegmentBytes}
		o := shard.Options{Arena: r.arena, Workers: s.Threads, Time: env.RealClock(), CheckpointBytes: s.CheckpointBytes,
			Group: stream.Options{Members: stream.Members{Voters: s.Voters}, ElectionTimeout: s.ElectionTimeout, Logf: logf}}
		if s.Memory {
			o.Group.Durability = stream.Memory
		}
		if r.Replica, err = shard.Open(ctx, r.endpoint, d, o); err != nil {
			return fmt.Errorf("open %s: %w", s.Dir, err)
		}
		callable, err := procedures(r.Engine())
		if err != nil {
			return err
		}
		procedure.Serve(ctx, r.endpoint, r.Replica, callable, procedure.ServerOptions{})
		r.endpoint.Listen()
		r.rt.Go("replica", func(ctx context.Context) error {
			r.ended <- r.Run(ctx)
			return nil
		})
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// close ends the replica.
func (r *replica) close() error {
	r.rt.Post(r.tcp.Close)
	r.stop()
	r.tcp.Wait()
	var err error
	if r.Replica != nil {
		err = r.Close()
	}
	return errors.Join(err, r.arena.Close())
}

func (r *replica) status(ctx context.Context) (s *Status, err error) {
	err = r.rt.Run(ctx, "status", func(context.Context) error {
		_, err := r.Leading()
		s = &Status{Status: r.Group().Status(), Leads: err == nil, Applied: uint64(r.Released())}
		return nil
	})
	return s, err
}

func (r *replica) change(ctx context.Context, c *Change) error {
	return r.rt.Run(ctx, "change", func(ctx context.Context) error {
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
	err = r.rt.Run(ctx, "check", func(ctx context.Context) error {
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
