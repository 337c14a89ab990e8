package benchcluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/cmd/godwit/benchnode"
	"github.com/godwitdb/godwit/cmd/godwit/benchshard"
	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/procedure"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/quorum"
)

// durableInMemory is the durability of a group whose members acknowledge what they have
// received.
const durableInMemory = "memory"

// host is what a member runs the workload on: a replica or an engine alone.
type host interface {
	// awaitLead returns an engine that executes, and what is closed when it does not any
	// more, if that is not done already.
	awaitLead(ctx context.Context) (e bench.Engine, over <-chan struct{}, err error)
	// snapshot returns a state that has everything at or below a timestamp.
	snapshot(ctx context.Context, atLeast hlc.Timestamp) (*benchshard.Snapshot, hlc.Timestamp, error)
	// look fills in what is known of the replica.
	look(ctx context.Context, s *Sample) error
	// slow makes each sync of the disk take so much longer.
	slow(sync time.Duration)
	close() error
}

const (
	// pendingBytesMax bounds what becomes one round, which has to fit into a frame, and
	// that into an outbox: a round that does not would never be replicated.
	pendingBytesMax = 8 << 20
	frameBytesMax   = 4 * pendingBytesMax
	outboxBytesMax  = 2 * frameBytesMax
)

// replica is a host in a group.
type replica struct {
	*shard.Replica
	rt       *quorum.Runtime
	stop     func()
	tcp      *env.TCP
	network  *counted
	endpoint *quorum.Endpoint
	arena    *arena.Arena
	disk     benchnode.Disk
	server   *procedure.Server
}

// startReplica opens a member's folder and has it take part. failed is told why it does
// not any more.
func startReplica(ctx context.Context, s *Setup, l net.Listener, logf func(string, ...any), failed func(error)) (_ *replica, err error) {
	r := &replica{disk: benchnode.Disk{FS: env.OS()}}
	if r.arena, err = arena.New(s.MemoryMiB << 20); err != nil {
		return nil, err
	}
	r.rt, r.stop = quorum.Start(s.ID)
	r.tcp = env.NewTCP(r.rt.Host(), s.Addrs, l)
	r.network = &counted{Network: r.tcp}
	err = r.rt.Run(ctx, "start", func(ctx context.Context) error {
		r.endpoint = quorum.NewEndpoint(r.rt, r.network, quorum.Options{Cluster: quorum.ClusterID(s.database()), FrameBytesMax: frameBytesMax, OutboxBytesMax: outboxBytesMax}, nil)
		var err error
		disk := shard.Disk{FS: &r.disk, Dir: s.Dir, Identity: shard.Identity{Cluster: s.database(), Node: s.ID}}
		if r.Replica, err = shard.Open(ctx, r.endpoint, disk, r.options(s, logf)); err != nil {
			return fmt.Errorf("open %s: %w", s.Dir, err)
		}
		callable, err := procedures(s.Workload, r.Replica)
		if err != nil {
			return err
		}
		r.server = procedure.Serve(ctx, r.endpoint, r.Replica, callable, procedure.ServerOptions{})
		r.endpoint.Listen()
		r.rt.Go("replica", func(ctx context.Context) error {
			err := r.Run(ctx)
			if ctx.Err() == nil {
				failed(fmt.Errorf("the replica has stopped: %w", err))
			}
			return err
		})
		return nil
	})
	if err != nil {
		r.stop()
		return nil, errors.Join(err, r.arena.Close())
	}
	return r, nil
}

func (r *replica) options(s *Setup, logf func(string, ...any)) shard.Options {
	d := stream.Disk
	if s.Durability == durableInMemory {
		d = stream.Memory
	}
	return s.Protocol.options(shard.Options{
		Group: stream.Options{
			Members:    stream.Members{Voters: slices.Sorted(maps.Keys(s.Addrs))},
			Durability: d, ElectionTimeout: s.ElectionTimeout, Logf: logf,
		},
		Arena: r.arena, Workers: s.Threads, Time: env.RealClock(), PendingBytesMax: pendingBytesMax,
	})
}

func (r *replica) awaitLead(ctx context.Context) (e bench.Engine, over <-chan struct{}, err error) {
	var l *shard.Leadership
	err = r.rt.Run(ctx, "await leadership", func(ctx context.Context) error {
		l, err = r.AwaitLeading(ctx, 0)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return benchshard.NewLeader(r.Replica, l), l.Done(), nil
}

func (r *replica) snapshot(ctx context.Context, atLeast hlc.Timestamp) (s *benchshard.Snapshot, at hlc.Timestamp, err error) {
	err = r.rt.Run(ctx, "snapshot", func(ctx context.Context) error {
		opened, err := r.Snapshot(ctx, atLeast)
		if err != nil {
			return err
		}
		s, at = benchshard.NewSnapshot(r.Engine(), opened), opened.Timestamp()
		return nil
	})
	return s, at, err
}

func (r *replica) look(ctx context.Context, s *Sample) error {
	return r.rt.Run(ctx, "look", func(context.Context) error {
		g, stats, engine := r.Group().Status(), r.Stats(), r.Engine().Stats()
		_, err := r.Leading()
		s.Leads, s.Epoch, s.Applied = err == nil, uint64(g.Epoch), uint64(r.Released())
		s.Commit, s.Rounds, s.Payload, s.Sent = uint64(g.Commit), stats.Rounds, stats.PayloadBytes, r.network.sent
		s.Writes, s.Conflicts = r.network.writes, engine.Conflicts
		s.Executed += r.server.Executed()
		return nil
	})
}

func (r *replica) slow(sync time.Duration) { r.disk.Set(benchnode.DiskOrder{SyncDelay: sync}) }

// close ends the member; nothing uses the engine any more.
func (r *replica) close() error {
	r.rt.Post(r.endpoint.Close)
	r.stop()
	r.tcp.Wait()
	return errors.Join(r.Close(), r.arena.Close())
}

// loner is a host without others.
type loner struct{ *benchshard.Alone }

func (l loner) awaitLead(context.Context) (bench.Engine, <-chan struct{}, error) {
	return l.Alone, nil, nil
}

func (l loner) snapshot(context.Context, hlc.Timestamp) (*benchshard.Snapshot, hlc.Timestamp, error) {
	opened, err := l.Engine().OpenSnapshot()
	if err != nil {
		return nil, 0, err
	}
	return benchshard.NewSnapshot(l.Engine(), opened), opened.Timestamp(), nil
}

func (loner) look(_ context.Context, s *Sample) error {
	s.Leads = true
	return nil
}

func (loner) slow(time.Duration) {}

func (l loner) close() error { return l.Close() }
