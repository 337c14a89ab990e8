package shard

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// electionTimeout is that of the tests' groups: short, but longer than a pause of a busy machine.
const electionTimeout = time.Second

// cluster is a group of replicas in this process, which talk over TCP and keep their folders
// in memory.
type cluster struct {
	t         *testing.T
	addrs     map[quorum.NodeID]string
	listeners map[quorum.NodeID]net.Listener
	disks     map[quorum.NodeID]*faultfs.FS
	options   Options
	refill    bool
}

func newCluster(t *testing.T, members int) *cluster {
	t.Helper()
	c := &cluster{t: t, addrs: map[quorum.NodeID]string{}, listeners: map[quorum.NodeID]net.Listener{}, disks: map[quorum.NodeID]*faultfs.FS{}}
	c.options = Options{Workers: 2, Time: env.RealClock(), CheckpointBytes: -1, Group: stream.Options{ElectionTimeout: electionTimeout}}
	for i := range members {
		var config net.ListenConfig
		l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		id := quorum.NodeID(i + 1)
		t.Cleanup(func() { _ = l.Close() })
		c.addrs[id], c.listeners[id], c.disks[id] = l.Addr().String(), l, faultfs.New(uint64(i+1))
		c.options.Group.Members.Voters = append(c.options.Group.Members.Voters, id)
	}
	return c
}

// node is a replica that runs.
type node struct {
	*Replica
	c        *cluster
	rt       *quorum.Runtime
	endpoint *quorum.Endpoint
	ended    chan error // what Run has returned
	stop     func()     // also closes the replica
}

// start opens a member's replica and has it take part.
func (c *cluster) start(id quorum.NodeID) *node {
	c.t.Helper()
	n, err := c.open(id)
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

func (c *cluster) open(id quorum.NodeID) (*node, error) {
	a, err := arena.New(64 << 20)
	if err != nil {
		return nil, err
	}
	n := &node{c: c, ended: make(chan error, 1)}
	var stop func()
	n.rt, stop = quorum.Start(id)
	l := c.listeners[id]
	if l == nil { // of a replica that was started before
		var config net.ListenConfig
		if l, err = config.Listen(c.t.Context(), "tcp", c.addrs[id]); err != nil {
			return nil, err
		}
	}
	c.listeners[id] = nil
	tcp := env.NewTCP(n.rt.Host(), c.addrs, l)
	err = n.rt.Run(c.t.Context(), "start", func(ctx context.Context) error {
		n.endpoint = quorum.NewEndpoint(n.rt, tcp, quorum.Options{}, nil)
		o := c.options
		o.Arena = a
		var err error
		d := Disk{FS: c.disks[id], Dir: "replica", Identity: Identity{Cluster: wal.DatabaseID{1}, Node: id}, SegmentBytes: 1 << 20, Refill: c.refill}
		if n.Replica, err = Open(ctx, n.endpoint, d, o); err != nil {
			return err
		}
		n.endpoint.Listen()
		n.rt.Go("replica", func(ctx context.Context) error {
			err := n.Run(ctx)
			n.ended <- err
			return err
		})
		return nil
	})
	n.stop = sync.OnceFunc(func() {
		if n.endpoint != nil {
			n.rt.Post(n.endpoint.Close)
		}
		stop()
		tcp.Wait()
		if n.Replica != nil {
			if err := n.Close(); err != nil {
				c.t.Errorf("close n%d: %v", id, err)
			}
		}
		if err := a.Close(); err != nil {
			c.t.Error(err)
		}
	})
	if err != nil {
		_ = l.Close()
		n.stop()
		return nil, err
	}
	c.t.Cleanup(n.stop)
	return n, nil
}

// on runs f as a task of the node.
func (n *node) on(f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return n.rt.Run(ctx, "test", f)
}

// must is on for what has to succeed.
func (n *node) must(f func(ctx context.Context) error) {
	n.c.t.Helper()
	if err := n.on(f); err != nil {
		n.c.t.Fatal(err)
	}
}

// leader waits until one of the nodes leads.
func leader(t *testing.T, nodes ...*node) *node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	found := make(chan *node, len(nodes))
	var all sync.WaitGroup
	for _, n := range nodes {
		all.Go(func() {
			if n.rt.Run(ctx, "await", func(ctx context.Context) error { _, err := n.AwaitLeading(ctx, 0); return err }) == nil {
				found <- n
				cancel()
			}
		})
	}
	all.Wait()
	select {
	case n := <-found:
		return n
	default:
		t.Fatal("nobody leads")
		return nil
	}
}

func testTable(t *testing.T, n *node) *occ.Table {
	t.Helper()
	table, err := n.Engine().AddTable(occ.MakeTableID(1, true))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// put executes the write of one key.
func (n *node) put(key string, value []byte) (Executed, error) {
	table := testTable(n.c.t, n)
	return n.Execute(n.c.t.Context(), func(tx *occ.Tx) error { return tx.Put(table, []byte(key), value) })
}

// mustPut writes one key and waits until that is certain.
func (n *node) mustPut(key string, value []byte) Executed {
	n.c.t.Helper()
	x, err := n.put(key, value)
	if err == nil {
		ctx, cancel := context.WithTimeout(n.c.t.Context(), 30*time.Second)
		defer cancel()
		err = x.Wait(ctx)
	}
	if err != nil {
		n.c.t.Fatal(err)
	}
	return x
}

// get reads a key from a snapshot at or above a timestamp; nil if there is none.
func (n *node) get(key string, at *Executed) (value []byte) {
	n.c.t.Helper()
	table := testTable(n.c.t, n)
	n.must(func(ctx context.Context) error {
		s, err := n.Snapshot(ctx, at.TS)
		if err != nil {
			return err
		}
		defer s.Close()
		tx, err := s.Begin(ctx)
		if err != nil {
			return err
		}
		defer tx.End()
		v, err := tx.Get(table, []byte(key))
		if errors.Is(err, occ.ErrNotFound) {
			return nil
		}
		value = append([]byte{}, v...)
		return err
	})
	return value
}

func testArena(t *testing.T) *arena.Arena {
	t.Helper()
	a, err := arena.New(64 << 20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}
