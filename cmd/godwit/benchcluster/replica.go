package benchcluster

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/cmd/godwit/benchnode"
	"github.com/godwitdb/godwit/cmd/godwit/benchshard"
	"github.com/godwitdb/godwit/cmd/godwit/internal/localmember"
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
	Close() error
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
	*localmember.Member
	network *counted
	disk    benchnode.Disk
	server  *procedure.Server
}

// startReplica opens a member's folder and has it take part. failed is told why it does
// not any more.
func startReplica(ctx context.Context, s *Setup, l net.Listener, logf func(string, ...any), failed func(error)) (_ *replica, err error) {
	r := &replica{disk: benchnode.Disk{FS: env.OS()}}
	r.Member, err = localmember.Open(ctx, localmember.Config{
		ID: s.ID, Cluster: s.database(), Addrs: s.Addrs, Listener: l, FS: &r.disk, Dir: s.Dir, MemoryMiB: s.MemoryMiB, Shard: options(s, logf),
		Endpoint: quorum.Options{FrameBytesMax: frameBytesMax, OutboxBytesMax: outboxBytesMax},
		Network: func(n env.Network) env.Network {
			r.network = &counted{Network: n}
			return r.network
		},
		Serve: func(ctx context.Context, e *quorum.Endpoint, on *shard.Replica) error {
			callable, err := procedures(s.Workload, on)
			if err == nil {
				r.server = procedure.Serve(ctx, e, on, callable, procedure.ServerOptions{})
			}
			return err
		},
		Ended: func(why error) { failed(fmt.Errorf("the replica has stopped: %w", why)) },
	})
	return r, err
}

func options(s *Setup, logf func(string, ...any)) shard.Options {
	d := stream.Disk
	if s.Durability == durableInMemory {
		d = stream.Memory
	}
	return s.Protocol.options(shard.Options{
		Group: stream.Options{
			Members:    stream.Members{Voters: slices.Sorted(maps.Keys(s.Addrs))},
			Durability: d, ElectionTimeout: s.ElectionTimeout, Logf: logf,
		},
		Workers: s.Threads, PendingBytesMax: pendingBytesMax,
	})
}

func (r *replica) awaitLead(ctx context.Context) (e bench.Engine, over <-chan struct{}, err error) {
	var l *shard.Leadership
	err = r.Runtime.Run(ctx, "await leadership", func(ctx context.Context) error {
		l, err = r.AwaitLeading(ctx, 0)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return benchshard.NewLeader(r.Replica, l), l.Done(), nil
}

func (r *replica) snapshot(ctx context.Context, atLeast hlc.Timestamp) (s *benchshard.Snapshot, at hlc.Timestamp, err error) {
	err = r.Runtime.Run(ctx, "snapshot", func(ctx context.Context) error {
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
	return r.Runtime.Run(ctx, "look", func(context.Context) error {
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
