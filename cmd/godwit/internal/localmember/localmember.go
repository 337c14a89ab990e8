// Package localmember is a replica in a process that is measured or maltreated, with a loop,
// connections and memory of its own.
package localmember

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// Config is what a member is opened with.
type Config struct {
	ID       env.NodeID
	Cluster  wal.DatabaseID
	Addrs    map[env.NodeID]string // as this node finds the members
	Listener net.Listener          // which Open takes over
	// Network, if set, is put between the connections and who uses them.
	Network   func(env.Network) env.Network
	Endpoint  quorum.Options // without the cluster
	FS        env.FS
	Dir       string
	MemoryMiB int64
	// SegmentBytes is the size of the log's segments; 0 is the default.
	SegmentBytes int64
	Shard        shard.Options // without the memory and the time
	// Serve, if set, makes the endpoint serve more than the replica does, before it
	// listens. It is called on the loop.
	Serve func(ctx context.Context, e *quorum.Endpoint, r *shard.Replica) error
	// Ended is told, on the loop, why the replica has ended by itself: not by Close.
	Ended func(why error)
}

// Member is a replica that takes part in its group until Close.
type Member struct {
	*shard.Replica
	Runtime  *quorum.Runtime
	stop     func()
	tcp      *env.TCP
	endpoint *quorum.Endpoint
	arena    *arena.Arena
}

// Open opens a member's folder and has it take part.
func Open(ctx context.Context, c Config) (_ *Member, err error) {
	m := &Member{}
	if m.arena, err = arena.New(c.MemoryMiB << 20); err != nil {
		return nil, errors.Join(err, c.Listener.Close())
	}
	m.Runtime, m.stop = quorum.Start(c.ID)
	m.tcp = env.NewTCP(m.Runtime.Host(), c.Addrs, c.Listener)
	if err := m.Runtime.Run(ctx, "start", func(ctx context.Context) error { return m.start(ctx, &c) }); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *Member) start(ctx context.Context, c *Config) (err error) {
	var network env.Network = m.tcp
	if c.Network != nil {
		network = c.Network(network)
	}
	c.Endpoint.Cluster = quorum.ClusterID(c.Cluster)
	m.endpoint = quorum.NewEndpoint(m.Runtime, network, c.Endpoint, nil)
	d := shard.Disk{FS: c.FS, Dir: c.Dir, Identity: shard.Identity{Cluster: c.Cluster, Node: c.ID}, SegmentBytes: c.SegmentBytes}
	c.Shard.Arena, c.Shard.Time = m.arena, env.RealClock()
	if m.Replica, err = shard.Open(ctx, m.endpoint, d, c.Shard); err != nil {
		return fmt.Errorf("open %s: %w", c.Dir, err)
	}
	if c.Serve != nil {
		if err := c.Serve(ctx, m.endpoint, m.Replica); err != nil {
			return err
		}
	}
	m.endpoint.Listen()
	m.Runtime.Go("replica", func(ctx context.Context) error {
		err := m.Run(ctx)
		if ctx.Err() == nil {
			c.Ended(err)
		}
		return err
	})
	return nil
}

// Addr returns where the member is found.
func (m *Member) Addr() string { return m.tcp.Addr() }

// Close ends the member; nothing uses its engine any more.
func (m *Member) Close() error {
	m.Runtime.Post(func() {
		if m.endpoint == nil {
			m.tcp.Close()
			return
		}
		m.endpoint.Close()
	})
	m.stop()
	m.tcp.Wait()
	var err error
	if m.Replica != nil {
		err = m.Replica.Close()
	}
	return errors.Join(err, m.arena.Close())
}
