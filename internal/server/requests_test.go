package server

import (
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/resp"
)

// lossy is what nodes reach each other's servers through. When it is told to, the next replies get lost, and with them
// the connection.
type lossy struct {
	t     *testing.T
	mu    sync.Mutex
	lose  func() // runs when replies are there that get lost; nil if none are to
	least int    // bytes of replies that get lost: others, of connections that are not meant, may come before
	lost  chan struct{}
	near  []net.Conn
	deaf  bool // servers do not hear that a connection has ended, until they answer
}

// cut ends all connections, of which the servers hear nothing.
func (l *lossy) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deaf = true
	for _, c := range l.near {
		_ = c.Close()
	}
}

// sendAll sends requests at once.
func (c *testClient) sendAll(requests ...string) {
	c.t.Helper()
	var all []byte
	for _, r := range requests {
		var args [][]byte
		for _, word := range strings.Fields(r) {
			args = append(args, []byte(word))
		}
		all = resp.AppendCommand(all, args...)
	}
	if _, err := c.conn.Write(all); err != nil {
		c.t.Fatal(err)
	}
}

// serve takes connections for a server, and returns where.
func (l *lossy) serve(server string) string {
	listener := listen(l.t)
	l.t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", server)
			if err != nil {
				_ = near.Close()
				continue
			}
			l.mu.Lock()
			l.near = append(l.near, near)
			l.mu.Unlock()
			go func() {
				_, _ = io.Copy(far, near)
				l.mu.Lock()
				defer l.mu.Unlock()
				if !l.deaf {
					_ = far.Close()
				}
			}()
			go l.replies(near, far)
		}
	}()
	return listener.Addr().String()
}

func (l *lossy) replies(near, far net.Conn) {
	defer near.Close()
	defer far.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := far.Read(buf)
		if err != nil {
			return
		}
		l.mu.Lock()
		lose := l.lose
		if n < l.least {
			lose = nil
		} else {
			l.lose = nil
		}
		l.mu.Unlock()
		if lose != nil {
			lose()
			close(l.lost)
			return
		}
		if _, err := near.Write(buf[:n]); err != nil {
			return
		}
	}
}

// arm has the next replies get lost, after then.
func (l *lossy) arm(then func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lose, l.lost = then, make(chan struct{})
}

func (l *lossy) atLeast(bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.least = bytes
}

// TestForwardedOnce loses the replies to what a follower has forwarded: it is asked for again, and was carried out once.
func TestForwardedOnce(t *testing.T) {
	l := &lossy{t: t}
	s := newShard(t, true, func(o *Options) { o.Advertise = l.serve(o.Advertise) })
	lead := s.leader()
	var others []*testNode
	for _, n := range s.nodes {
		if n != lead {
			others = append(others, n)
		}
	}
	far, direct := dial(t, others[0].addr), dial(t, lead.addr)
	far.expect("SET warm up", "OK") // the nodes know each other
	stay := func() {}
	lost := func() { <-l.lost }

	l.arm(stay)
	far.expect("INCR a", "1")
	lost()
	direct.expect("GET a", `"1"`)

	l.arm(stay)
	far.sendAll("INCR a", "SELECT 1", "INCR a", "LPUSH a x", "INCRBY a x")
	for _, want := range []string{"2", "OK", "1", "!WRONGTYPE Operation against a key holding the wrong kind of value", "!ERR value is not an integer or out of range"} {
		if got := far.receive(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	lost()
	far.expect("GET a", `"1"`) // the database is selected
	far.expect("SELECT 0", "OK")
	direct.expect("GET a", `"2"`)

	far.expect("WATCH a", "OK")
	far.expect("MULTI", "OK")
	far.expect("INCR a", "QUEUED")
	l.arm(stay)
	far.expect("EXEC", "[3]")
	lost()

	l.arm(stay)
	far.expect("GET a", `"3"`)
	lost()
	l.arm(stay)
	far.expect("WATCH a", "OK")
	lost()
	far.expect("UNWATCH", "OK")

	// A client that waits is served by somebody else's transaction.
	b := &blockingTest{T: t, server: lead.server, addr: others[0].addr}
	w := b.wait("BLPOP q 0")
	l.arm(stay)
	direct.expect("RPUSH q x y", "2")
	lost()
	w.gets(`["q" "x"]`)
	direct.expect("LRANGE q 0 -1", `["y"]`)

	l.atLeast(1000) // what the client that waited makes a connection say comes any time
	l.arm(stay)
	far.send("EVAL", "redis.call('INCR', KEYS[1]) return string.rep('x', 20000)", "1", "long")
	if got := far.receive(); !strings.HasPrefix(got, "!UNCERTAIN it was carried out, once") {
		t.Errorf("replies that are too long to be remembered: %.80s", got)
	}
	lost()
	l.atLeast(0)
	direct.expect("GET long", `"1"`)

	// What is too much for one transaction is asked for one by one.
	far.expect("SETRANGE big 1500000 x", "1500001")
	l.arm(stay)
	far.sendAll("GET big", "INCR beside", "GET big", "INCR beside")
	for i := range 4 {
		switch got := far.receive(); {
		case i%2 == 0 && len(got) < 1500001, i == 1 && got != "1", i == 3 && got != "2":
			t.Errorf("reply %d to requests with large replies: %.80s", i, got)
		}
	}
	lost()
	direct.expect("GET beside", `"2"`)

	// The lead goes to another node before the request comes again: first to one that forwards, then to the one that is asked.
	for _, to := range []*testNode{others[1], others[0]} {
		was := s.leader()
		l.arm(func() {
			if err := was.db.Transfer(t.Context(), to.id); err != nil {
				t.Error(err)
			}
		})
		far.send("INCR", "moved")
		want := "1"
		if to == others[0] {
			want = "2"
		}
		if got := far.receive(); got != want {
			t.Errorf("INCR while the lead moves: %s, want %s", got, want)
		}
		lost()
	}
}

// TestLeadMoves has the lead go round while clients of all nodes count: each answer is the truth, and nobody hears what is
// said between nodes only.
func TestLeadMoves(t *testing.T) {
	s := newTestShard(t)
	s.leader()
	const clients, increments = 6, 30
	var counting sync.WaitGroup
	var mu sync.Mutex
	counted := 0
	nodes := []*testNode{s.nodes[1], s.nodes[2], s.nodes[3]}
	for i := range clients {
		c := dial(t, nodes[i%3].addr)
		counting.Go(func() {
			for range increments {
				c.sendAll("WATCH other", "MULTI", "INCR n", "EXEC")
				var got string
				for range 4 {
					got = c.receive()
				}
				mu.Lock()
				switch {
				case strings.HasPrefix(got, "["):
					counted++
				case !strings.HasPrefix(got, "!TRYAGAIN") && !strings.HasPrefix(got, "!EXECABORT"):
					t.Errorf("EXEC: %s", got)
				}
				mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		counting.Wait()
	}()
	s.move(nodes, done)
	<-done
	want := "nil"
	if counted > 0 {
		want = `"` + strconv.Itoa(counted) + `"`
	}
	dial(t, nodes[0].addr).expect("GET n", want)
}

// TestReadsWhileLeadMoves: who reads while the lead goes round sees all that was acknowledged before, and hears of no error,
// whichever node he asks.
func TestReadsWhileLeadMoves(t *testing.T) {
	s := newTestShard(t)
	s.leader()
	nodes := []*testNode{s.nodes[1], s.nodes[2], s.nodes[3]}
	dial(t, nodes[0].addr).expect("SET n 0", "OK")
	var acknowledged atomic.Int64
	var reading sync.WaitGroup
	const readers, reads = 12, 150
	for i := range readers {
		c := dial(t, nodes[i%3].addr)
		reading.Go(func() {
			for range reads {
				least := acknowledged.Load()
				c.sendAll("SELECT 0", "GET n")
				_ = c.receive()
				got, err := strconv.ParseInt(strings.Trim(c.receive(), `"`), 10, 64)
				if err != nil || got < least {
					t.Errorf("GET: %d, though %d was acknowledged: %v", got, least, err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		reading.Wait()
	}()
	var writing sync.WaitGroup
	writer := dial(t, nodes[0].addr)
	writing.Go(func() {
		for n := int64(1); ; {
			select {
			case <-done:
				return
			default:
			}
			writer.sendAll("SET n " + strconv.FormatInt(n, 10))
			if got := writer.receive(); got == "OK" {
				acknowledged.Store(n)
				n++
			}
		}
	})
	s.move(nodes, done)
	<-done
	writing.Wait()
}

// move has the lead go round until done is closed, or for a while.
func (s *testShard) move(nodes []*testNode, done chan struct{}) {
	const moves = 60
	for i := range moves {
		select {
		case <-done:
			return
		default:
		}
		lead := s.leader()
		if to := nodes[i%len(nodes)]; to != lead {
			_ = lead.db.Transfer(s.t.Context(), to.id) // it may have lost the lead by itself
		}
	}
}

// TestNoLeader leaves one node of three: what needs no data is answered, the rest is refused clearly, and when another node
// is back all goes on.
func TestNoLeader(t *testing.T) {
	s := newAdaptedShard(t, func(o *Options) { o.LeaderWait = 300 * time.Millisecond })
	lead := s.leader()
	c := dial(t, lead.addr)
	for c.call("SET a 1") != "OK" { // the machine may be slow
	}
	var gone []godwit.NodeID
	for _, n := range s.nodes {
		if n != lead {
			gone = append(gone, n.id)
		}
	}
	for _, id := range gone {
		s.stop(s.nodes[id])
	}
	// What was asked before it was known that no node leads may have happened.
	for {
		got := c.call("SET a 2")
		if strings.HasPrefix(got, "!CLUSTERDOWN ") {
			break
		}
		if got != "OK" && !strings.HasPrefix(got, "!UNCERTAIN ") {
			t.Fatalf("SET without a majority: %s", got)
		}
	}
	c.expect("PING", "PONG")
	c.expect("SELECT 1", "OK")
	c.expect("SELECT 0", "OK")
	c.expect("CLIENT GETNAME", "nil")
	for _, command := range []string{"HELLO 2", "INFO", "ROLE", "CONFIG GET maxclients"} {
		if got := c.call(command); strings.HasPrefix(got, "!") {
			t.Errorf("%s without a majority: %s", command, got)
		}
	}
	for _, command := range []string{"GET a", "BLPOP l 0", "WATCH a", "DBSIZE"} {
		if got := c.call(command); !strings.HasPrefix(got, "!CLUSTERDOWN ") {
			t.Errorf("%s without a majority: %s", command, got)
		}
	}
	c.expect("READONLY", "OK")
	if got := c.call("GET a"); got != `"1"` && got != `"2"` {
		t.Errorf("GET of what the node has: %s", got)
	}
	c.expect("READWRITE", "OK")
	s.start(gone[0], listenAt(t, s.peers[gone[0]]))
	for c.call("SET a 3") != "OK" { // until there is a leader
	}
	c.expect("GET a", `"3"`)
}

// TestUsersNotKnown starts one node of three that were never together.
func TestUsersNotKnown(t *testing.T) {
	s := &testShard{t: t, dir: t.TempDir(), id: godwit.NewClusterID(), peers: map[godwit.NodeID]string{}, nodes: map[godwit.NodeID]*testNode{}}
	s.adapt = func(o *Options) { o.LeaderWait = time.Millisecond }
	listeners := map[godwit.NodeID]net.Listener{}
	for id := godwit.NodeID(1); id <= 3; id++ {
		listeners[id] = listen(t)
		s.peers[id] = listeners[id].Addr().String()
	}
	s.start(1, listeners[1])
	t.Cleanup(func() { s.stop(s.nodes[1]) })
	c := dial(t, s.nodes[1].addr)
	c.expect("PING", "PONG")
	for _, command := range []string{"GET a", "HELLO 3", "NOSUCHCOMMAND"} {
		if got := c.call(command); !strings.HasPrefix(got, "!LOADING ") {
			t.Errorf("%s: %s", command, got)
		}
	}
	c.expect("PING x", `"x"`)
	if got := c.call("GODWIT STATUS"); !strings.Contains(got, `"node":1`) && !strings.Contains(got, `\"node\":1`) {
		t.Errorf("GODWIT STATUS: %s", got)
	}
	for _, command := range []string{"GODWIT MEMBERS", "GODWIT BACKUP", "GODWIT PEER s3"} {
		if got := c.call(command); !strings.HasPrefix(got, "!LOADING ") {
			t.Errorf("%s: %s", command, got)
		}
	}
	_ = listeners[2].Close()
	_ = listeners[3].Close()
}

// TestQueueWhileLeadMoves has clients push and pop through nodes that follow and lead in turn: nothing is popped twice, and
// nothing is missing.
func TestQueueWhileLeadMoves(t *testing.T) {
	s := newTestShard(t)
	s.leader()
	nodes := []*testNode{s.nodes[1], s.nodes[2], s.nodes[3]}
	const pushers, poppers, items = 3, 3, 60
	var mu sync.Mutex
	popped := map[string]int{}
	pushed := map[string]bool{}
	var pushing, popping sync.WaitGroup
	for i := range pushers {
		c := dial(t, nodes[i%3].addr)
		pushing.Go(func() {
			for n := range items {
				item := strconv.Itoa(i) + "-" + strconv.Itoa(n)
				if got := c.call("LPUSH q " + item); strings.HasPrefix(got, "!") {
					if !strings.HasPrefix(got, "!TRYAGAIN") {
						t.Errorf("LPUSH: %s", got)
					}
					continue
				}
				mu.Lock()
				pushed[item] = true
				mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	for i := range poppers {
		c := dial(t, nodes[i%3].addr)
		popping.Go(func() {
			for {
				got := c.call("BRPOP q 0.2")
				mu.Lock()
				switch {
				case strings.HasPrefix(got, "!TRYAGAIN"):
				case strings.HasPrefix(got, "!"):
					t.Errorf("BRPOP: %s", got)
				case got != "nil[]":
					if popped[got]++; popped[got] == 2 {
						t.Errorf("%s was popped twice", got)
					}
				}
				mu.Unlock()
				select {
				case <-done:
					if got == "nil[]" {
						return
					}
				default:
				}
			}
		})
	}
	go func() {
		defer close(done)
		pushing.Wait()
	}()
	s.move(nodes, done)
	popping.Wait()
	for item := range pushed {
		if popped[`["q" "`+item+`"]`] == 0 {
			t.Errorf("%s is missing", item)
		}
	}
}

// A client waits through a follower, whose connection is lost without the leader's hearing of it: it asks again, and what
// the first request is given while the second waits is the client's.
func TestForwardedWaitIsServedOnce(t *testing.T) {
	l := &lossy{t: t}
	s := newShard(t, true, func(o *Options) { o.Advertise = l.serve(o.Advertise) })
	lead := s.leader()
	b := &blockingTest{T: t, server: lead.server, addr: s.other(lead).addr}
	far, direct := b.dial(), dial(t, lead.addr)
	far.expect("SET warm up", "OK") // the nodes know each other
	far.send("BLPOP", "q", "0")
	b.until(1)
	l.cut()
	b.until(2)
	direct.expect("RPUSH q x", "1")
	direct.expect("LLEN q", "0")
	far.gets(`["q" "x"]`)
}
