package server

import (
	"context"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/godwitdb/godwit"
)

// testNode is one of the replicas of a testShard, with its server.
type testNode struct {
	id     godwit.NodeID
	db     *godwit.DB
	server *Server
	addr   string
	serve  chan error
}

// testShard are three replicas that serve clients.
type testShard struct {
	t     *testing.T
	dir   string
	id    godwit.ClusterID
	peers map[godwit.NodeID]string
	join  bool           // nodes that start are new
	adapt func(*Options) // of nodes that start; nil for nothing
	calm  bool           // a busy machine does not change the lead
	nodes map[godwit.NodeID]*testNode
}

func newTestShard(t *testing.T) *testShard { t.Helper(); return newShard(t, false, nil) }

// newCalmShard is newTestShard with a lead that stays where it is, though the machine is busy, until somebody is asked to hand it over.
func newCalmShard(t *testing.T) *testShard { t.Helper(); return newShard(t, true, nil) }

// newAdaptedShard starts the nodes with other options than usual.
func newAdaptedShard(t *testing.T, adapt func(*Options)) *testShard {
	t.Helper()
	return newShard(t, false, adapt)
}

func newShard(t *testing.T, calm bool, adapt func(*Options)) *testShard {
	t.Helper()
	s := &testShard{t: t, calm: calm, dir: t.TempDir(), id: godwit.NewClusterID(), peers: map[godwit.NodeID]string{}, nodes: map[godwit.NodeID]*testNode{}, adapt: adapt}
	listeners := map[godwit.NodeID]net.Listener{}
	for id := godwit.NodeID(1); id <= 3; id++ {
		listeners[id] = listen(t)
		s.peers[id] = listeners[id].Addr().String()
	}
	for id, l := range listeners {
		s.start(id, l)
	}
	t.Cleanup(func() {
		for _, n := range s.nodes { // the one that leads last: then there is nobody to hand over to
			if status, err := n.db.Status(context.Background()); err == nil && !status.Leading {
				s.stop(n)
			}
		}
		for _, n := range s.nodes {
			s.stop(n)
		}
	})
	return s
}

func listen(t *testing.T) net.Listener { return listenAt(t, "127.0.0.1:0") }

func listenAt(t *testing.T, addr string) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (s *testShard) start(id godwit.NodeID, peers net.Listener) {
	s.t.Helper()
	election := 200 * time.Millisecond
	if s.calm {
		election = 2 * time.Second
	}
	db, err := godwit.Open(filepath.Join(s.dir, fmt.Sprint(id)), &godwit.Options{
		MemoryLimit: 256 << 20, LogSegmentBytes: 1 << 20,
		Cluster: &godwit.Cluster{ID: s.id, Node: id, Peers: maps.Clone(s.peers), Listener: peers, Join: s.join, ElectionTimeout: election},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	clients := listen(s.t)
	n := &testNode{id: id, db: db, addr: clients.Addr().String(), serve: make(chan error, 1)}
	opts := Options{DB: db, Advertise: n.addr, Secret: "s3", LeaderWait: time.Minute} // a slow machine is no outage
	if s.adapt != nil {
		s.adapt(&opts)
	}
	if n.server, err = New(opts); err != nil {
		s.t.Fatal(err)
	}
	go func() { n.serve <- n.server.Serve(clients) }()
	s.nodes[id] = n
}

// stop stops a node, which hands the lead over if it has it.
func (s *testShard) stop(n *testNode) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	n.server.Drain(ctx)
	if err := <-n.serve; err != nil {
		s.t.Error(err)
	}
	if err := n.db.Close(); err != nil {
		s.t.Error(err)
	}
	delete(s.nodes, n.id)
}

// leader waits for a node that leads.
func (s *testShard) leader() *testNode {
	s.t.Helper()
	found := make(chan *testNode, len(s.nodes))
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	for _, n := range s.nodes {
		go func() {
			if n.db.AwaitLeading(ctx) == nil {
				found <- n
			}
		}()
	}
	return <-found
}

func TestForward(t *testing.T) {
	s := newTestShard(t)
	lead := s.leader()
	direct := dial(t, lead.addr)
	expect := func(c *testClient, want string, args ...string) {
		t.Helper()
		c.send(args...)
		if got := c.receive(); got != want {
			t.Errorf("%q: %s, want %s", args, got, want)
		}
	}
	var follower *testNode
	for _, n := range s.nodes {
		if n != lead {
			follower = n
		}
	}
	far := dial(t, follower.addr)
	expect(far, "OK", "SET", "a", "1")
	expect(direct, `"1"`, "GET", "a")
	expect(far, "2", "INCR", "a")
	expect(far, "OK", "SELECT", "1")
	expect(far, "nil", "GET", "a")
	expect(far, "OK", "SELECT", "0")
	expect(far, "!ERR value is not an integer or out of range", "SET", "b", "1", "EX", "x")
	expect(far, "OK", "WATCH", "a")
	expect(far, "OK", "MULTI")
	expect(far, "QUEUED", "INCR", "a")
	expect(far, "QUEUED", "GET", "a")
	expect(far, `[3 "3"]`, "EXEC")
	expect(far, "OK", "WATCH", "a")
	expect(direct, "4", "INCR", "a")
	expect(far, "OK", "MULTI")
	expect(far, "QUEUED", "INCR", "a")
	expect(far, "nil[]", "EXEC")

	for got := ""; got != `"# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n"`; got = far.receive() { // of what it has, a little ago
		far.send("INFO", "keyspace")
	}

	// Whoever is not a node may not say so.
	expect(direct, "!WRONGPASS the nodes of a cluster have the same secret; this one is another", "GODWIT", "PEER", "guess")
	expect(direct, "!NOPERM only other nodes may do this", "GODWIT", "RUN", "2")

	// The leader stops: the next one goes on, and the client of a follower hears nothing of it.
	s.stop(lead)
	expect(far, "5", "INCR", "a")
	expect(far, `"5"`, "GET", "a")
	next := s.leader()
	expect(dial(t, next.addr), `"5"`, "GET", "a")
}

// TestWaitersFollowTheLead has a client wait on a node that hands the lead over: it goes on to wait where its key will be
// seen.
func TestWaitersFollowTheLead(t *testing.T) {
	s := newCalmShard(t)
	lead := s.leader()
	b := &blockingTest{T: t, server: lead.server, addr: lead.addr}
	w := b.wait("BLPOP l 0")
	var next *testNode
	for _, n := range s.nodes {
		if n != lead {
			next = n
		}
	}
	if err := lead.db.Transfer(t.Context(), next.id); err != nil {
		t.Fatal(err)
	}
	(&blockingTest{T: t, server: next.server}).until(1)
	dial(t, next.addr).expect("RPUSH l x", "1")
	w.gets(`["l" "x"]`)
}
