package consoletest

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/console"
	"github.com/godwitdb/godwit/internal/resp"
	"github.com/godwitdb/godwit/internal/server"
)

// node is one of three that replicate a shard.
type node struct {
	db   *godwit.DB
	addr string // where clients connect
	url  string // of its console
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// startShard starts three nodes in this process and returns them when one leads.
func startShard(t *testing.T) []*node {
	t.Helper()
	peers := map[godwit.NodeID]string{}
	for id := godwit.NodeID(1); id <= 3; id++ {
		l := listen(t)
		peers[id] = l.Addr().String()
		_ = l.Close()
	}
	var nodes []*node
	for id := godwit.NodeID(1); id <= 3; id++ {
		nodes = append(nodes, startNode(t, id, peers))
	}
	for { // the test's deadline bounds it
		status, err := nodes[0].db.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if status.Leader != 0 {
			return nodes
		}
	}
}

func startNode(t *testing.T, id godwit.NodeID, peers map[godwit.NodeID]string) *node {
	t.Helper()
	db, err := godwit.Open(t.TempDir(), &godwit.Options{MemoryLimit: 1 << 30, Cluster: &godwit.Cluster{ID: godwit.ClusterID{1}, Node: id, Peers: peers}})
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	s, err := server.New(server.Options{DB: db, Advertise: l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	c := console.New(s, console.Options{})
	web := httptest.NewServer(c)
	t.Cleanup(func() {
		c.Close()
		web.Close()
		s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &node{db, l.Addr().String(), web.URL}
}

// load keeps clients busy until stop is called.
func load(t *testing.T, addr string, clients int) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			if err := busy(ctx, addr, uint64(i)); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// busy is one client: a shop, whose front page is asked for more than anything else.
func busy(ctx context.Context, addr string, seed uint64) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	in := bufio.NewReader(conn)
	r := rand.New(rand.NewPCG(seed, 1))
	for ctx.Err() == nil {
		user := fmt.Sprintf("user:%d", int(r.ExpFloat64()*400))
		requests := [][]string{
			{"GET", "page:front"},
			{"HINCRBY", user, "visits", "1"},
			{"SET", "session:" + fmt.Sprint(r.IntN(5000)), user, "EX", "1800"},
			{"ZINCRBY", "leaderboard", "1", user},
			{"INCR", "visits:today"},
			{"LPUSH", "jobs:mail", user},
			{"RPOP", "jobs:mail"},
			{"SADD", "online", user},
			{"GET", "page:front"},
			{"INCR", user}, // it is a hash: an error
		}
		n := len(requests)
		if r.IntN(20) > 0 {
			n--
		}
		var out []byte
		for _, words := range requests[:n] {
			args := make([][]byte, len(words))
			for i, w := range words {
				args[i] = []byte(w)
			}
			out = resp.AppendCommand(out, args...)
		}
		if _, err := conn.Write(out); err != nil {
			return err
		}
		for range n {
			if _, err := resp.ReadReply(in, resp.ReplyLimits{}); err != nil {
				return err
			}
		}
		pause := time.NewTimer(time.Duration(2+r.IntN(6)) * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
	return nil
}
