package server

import (
	"errors"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/resp"
)

// TestSubscriptionsChangeBeforeOthersAreServed has a message that was published right after UNSUBSCRIBE find nobody.
func TestSubscriptionsChangeBeforeOthersAreServed(t *testing.T) {
	s, _ := startServer(t, nil)
	client, nc := net.Pipe()
	defer func() { _ = client.Close() }()
	c := newConn(s, nc, 1<<40)
	c.admitted = true
	for _, text := range []string{"SUBSCRIBE c", "UNSUBSCRIBE", "PSUBSCRIBE c*", "PUNSUBSCRIBE", "SSUBSCRIBE c", "SUNSUBSCRIBE"} {
		c.turn = &turn{poller: s.poller}
		var args [][]byte
		for _, word := range strings.Fields(text) {
			args = append(args, []byte(word))
		}
		if c.request(args); c.turn.passed {
			t.Errorf("%s lets others be served first", text)
		}
	}
}

// TestTurnsFor: one more turn helps if it takes long to serve those that are ready, and sooner if there are many processors.
func TestTurnsFor(t *testing.T) {
	for _, c := range []struct {
		processors  int
		each        time.Duration
		ready, want int
	}{
		{2, 0, 50, 1},
		{2, 8 * time.Microsecond, 50, 1},
		{2, 20 * time.Microsecond, 60, 2},
		{2, time.Millisecond, 60, 2},
		{16, 8 * time.Microsecond, 50, 4},
		{1, time.Millisecond, 1000, 1},
	} {
		p := poller{turnsMax: c.processors}
		p.mu.each = c.each
		if got := p.turnsFor(c.ready); got != c.want {
			t.Errorf("%+v: %d turns", c, got)
		}
	}
}

// TestCloseBehindTheLastTurn: a connection that is closed as somebody has just served it, after all others have stopped serving,
// is seen to its end. Its turn has passed because it took long.
func TestCloseBehindTheLastTurn(t *testing.T) {
	s, addr := startServer(t, nil)
	dial(t, addr).expect("PING", "PONG")
	c, p := s.connections()[0], s.poller
	over := func() {
		for turns := 1; turns > 0; runtime.Gosched() {
			p.mu.Lock()
			turns = len(p.mu.turns)
			p.mu.Unlock()
		}
	}
	if err := p.file.Close(); err != nil {
		t.Fatal(err)
	}
	over()
	p.mu.Lock()
	c.polled.taken = true
	p.mu.Unlock()
	c.close()
	over()
	last := &turn{poller: p, passed: true}
	if last.next(c, false) != c {
		t.Error("nobody ends the connection")
	}
	p.remove(c)
	s.wg.Go(c.end)
}

// TestNobodyIsForgotten: clients that think for a while between requests all get their replies, though who serves them falls asleep and is
// woken at any moment of that.
func TestNobodyIsForgotten(t *testing.T) {
	requests := 3000
	if testing.Short() {
		requests = 300
	}
	for _, clients := range []int{1, 2, 3, 30} {
		addr := newTestServer(t, nil)
		var all sync.WaitGroup
		for i := range clients {
			c := dial(t, addr)
			random := rand.New(rand.NewPCG(uint64(clients), uint64(i)))
			one := request("INCR", "n"+strconv.Itoa(i))
			all.Go(func() {
				for n := range requests / min(clients, 10) {
					_, _ = c.conn.Write(one) // if it fails there is no reply
					_ = c.conn.SetReadDeadline(time.Now().Add(time.Minute))
					if v, err := resp.ReadReply(c.in, resp.ReplyLimits{}); err != nil || v.Int != int64(n+1) {
						t.Errorf("reply %d of client %d of %d is %v, %v", n, i, clients, v, err)
						return
					}
					think := time.Duration(random.Int64N(2 * int64(pollHere)))
					if n%4 > 0 { // just as who serves it falls asleep
						think = pollHere + think/16
					}
					_ = c.conn.SetReadDeadline(time.Now().Add(think)) // nothing comes unasked
					if _, err := c.in.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("behind reply %d: %v", n, err)
						return
					}
				}
			})
		}
		all.Wait()
	}
}

// TestReadersHoldNobodyUp: while a leader asks others, who do not answer, whether it still leads, it serves those that need no answer.
func TestReadersHoldNobodyUp(t *testing.T) {
	s := newShard(t, true, nil)
	lead := s.leader()
	ping := dial(t, lead.addr)
	ping.expect("SET a 1", "OK")
	gone := s.stopFollowers(lead)
	p := lead.server.poller
	p.mu.Lock()
	p.mu.watcher.Stop()
	p.mu.watched = true // so nobody takes a turn from who keeps it
	p.mu.Unlock()
	var readers []*testClient
	for range p.turnsMax + 1 {
		for _, read := range [][]string{{"GET", "a"}, {"EVAL", "return redis.call('get', 'a')", "0"}, {"SET", "a", "2", "NX", "GET"}} {
			c := dial(t, lead.addr)
			c.send(read...)
			readers = append(readers, c)
		}
	}
	_ = ping.conn.SetReadDeadline(time.Now().Add(20 * time.Second)) // if it fails, the reply may be waited for in vain
	for range 10 {                                                  // the reads have come by then
		ping.expect("PING", "PONG")
	}
	for _, id := range gone {
		s.start(id, listenAt(t, s.peers[id]))
	}
	for _, c := range readers {
		if got := c.receive(); got != `"1"` {
			t.Error(got)
		}
	}
}

// TestReadsApart: what was only read is not shown before others say that this node leads, also when it cannot be executed together
// with what comes behind. An invariant says so.
func TestReadsApart(t *testing.T) {
	s := newShard(t, true, func(o *Options) { o.ScriptTimeMax = 10 * time.Millisecond })
	c := dial(t, s.leader().addr)
	c.expect("SET a 1", "OK")
	c.expect("SET b 2", "OK")
	for range 5 {
		all := resp.AppendCommand(nil, []byte("GET"), []byte("a"))
		all = resp.AppendCommand(all, []byte("EVAL"), []byte("while true do end"), []byte("0"))
		all = resp.AppendCommand(all, []byte("GET"), []byte("b"))
		if _, err := c.conn.Write(all); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"1"`, "!ERR Error running script: it has run for longer", `"2"`} {
			if got := c.receive(); !strings.HasPrefix(got, want) {
				t.Errorf("%s, want %s", got, want)
			}
		}
	}
}

// stopFollowers stops all nodes but one, and returns which.
func (s *testShard) stopFollowers(lead *testNode) (gone []godwit.NodeID) {
	for id, n := range maps.Clone(s.nodes) {
		if n != lead {
			gone = append(gone, id)
			s.stop(n)
		}
	}
	return gone
}
