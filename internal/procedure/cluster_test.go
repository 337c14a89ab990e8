package procedure

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// cluster is three replicas in this process that serve procedures over TCP, and keep their
// folders in memory.
type cluster struct {
	t     *testing.T
	addrs map[quorum.NodeID]string
	disks map[quorum.NodeID]*faultfs.FS
	nodes map[quorum.NodeID]*node
	o     ServerOptions
}

type node struct {
	*shard.Replica
	rt     *quorum.Runtime
	server *Server
	stop   func()
}

func newCluster(t *testing.T, o ServerOptions) *cluster {
	t.Helper()
	c := &cluster{t: t, addrs: map[quorum.NodeID]string{}, disks: map[quorum.NodeID]*faultfs.FS{}, nodes: map[quorum.NodeID]*node{}, o: o}
	listeners := map[quorum.NodeID]net.Listener{}
	for id := quorum.NodeID(1); id <= 3; id++ {
		listeners[id] = listen(t, "127.0.0.1:0")
		c.addrs[id], c.disks[id] = listeners[id].Addr().String(), faultfs.New(uint64(id))
	}
	for id, l := range listeners {
		c.start(id, l)
	}
	return c
}

func listen(t *testing.T, at string) net.Listener {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (c *cluster) start(id quorum.NodeID, l net.Listener) {
	c.t.Helper()
	a, err := arena.New(64 << 20)
	if err != nil {
		c.t.Fatal(err)
	}
	n := &node{}
	rt, stop := quorum.Start(id)
	n.rt = rt
	tcp := env.NewTCP(n.rt.Host(), c.addrs, l)
	var e *quorum.Endpoint
	err = n.rt.Run(c.t.Context(), "start", func(ctx context.Context) (err error) {
		e = quorum.NewEndpoint(n.rt, tcp, quorum.Options{}, nil)
		d := shard.Disk{FS: c.disks[id], Dir: "replica", Identity: shard.Identity{Cluster: wal.DatabaseID{1}, Node: id}, SegmentBytes: 1 << 20}
		o := shard.Options{Workers: 2, Time: env.RealClock(), Arena: a, Group: stream.Options{ElectionTimeout: time.Second, Members: stream.Members{Voters: []quorum.NodeID{1, 2, 3}}}}
		if n.Replica, err = shard.Open(ctx, e, d, o); err != nil {
			return err
		}
		procedures, err := counters(n.Engine())
		if err != nil {
			return err
		}
		n.server = Serve(ctx, e, n.Replica, procedures, c.o)
		e.Listen()
		n.rt.Go("replica", n.Run)
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	n.stop = sync.OnceFunc(func() {
		n.rt.Post(e.Close)
		stop()
		tcp.Wait()
		if err := errors.Join(n.Close(), a.Close()); err != nil {
			c.t.Error(err)
		}
	})
	c.nodes[id] = n
	c.t.Cleanup(n.stop)
}

// counters are procedures that count: the argument is the key.
func counters(e *occ.Engine) (map[string]Func, error) {
	table, err := e.AddTable(occ.MakeTableID(1, true))
	if err != nil {
		return nil, err
	}
	read := func(tx *occ.Tx, key []byte) ([]byte, error) {
		v, err := tx.Get(table, key)
		if errors.Is(err, occ.ErrNotFound) {
			return make([]byte, 8), nil
		}
		return append([]byte(nil), v...), err
	}
	return map[string]Func{
		"read": read,
		"add": func(tx *occ.Tx, key []byte) ([]byte, error) {
			v, err := read(tx, key)
			if err != nil {
				return nil, err
			}
			v = binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(v)+1)
			return v, tx.Put(table, key, v)
		},
		"refuse": func(*occ.Tx, []byte) ([]byte, error) { return nil, errors.New("no, thanks") },
	}, nil
}

// caller is a client with a runtime of its own.
type caller struct {
	*Client
	t  *testing.T
	rt *quorum.Runtime
}

// callerNode is the name of the client's node.
const callerNode = 100

func newCaller(t *testing.T, addrs map[quorum.NodeID]string, o quorum.Options) *caller {
	t.Helper()
	rt, stop := quorum.Start(callerNode)
	tcp := env.NewTCP(rt.Host(), addrs, nil)
	o.RedialMax = 50 * time.Millisecond
	e := quorum.NewEndpoint(rt, tcp, o, nil)
	c := &caller{t: t, rt: rt}
	c.do(func(ctx context.Context) error {
		c.Client = NewClient(ctx, e, ClientOptions{Replicas: slices.Sorted(maps.Keys(addrs))})
		return nil
	})
	t.Cleanup(func() {
		rt.Post(e.Close)
		stop()
		tcp.Wait()
	})
	return c
}

// within runs f as a task, for so long.
func (c *caller) within(d time.Duration, f func(ctx context.Context) error) error {
	return c.rt.Run(context.Background(), "test", func(ctx context.Context) error {
		ctx, cancel := quorum.WithTimeout(ctx, d)
		defer cancel()
		return f(ctx)
	})
}

// long is enough for everything on a busy machine.
const long = 30 * time.Second

// do is within for what has to succeed.
func (c *caller) do(f func(ctx context.Context) error) {
	c.t.Helper()
	if err := c.within(long, f); err != nil {
		c.t.Fatal(err)
	}
}
