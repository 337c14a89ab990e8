package server

import (
	"fmt"
	"strings"
	"testing"
)

// other returns a node that is not this one.
func (s *testShard) other(than *testNode) *testNode {
	for _, n := range s.nodes {
		if n != than {
			return n
		}
	}
	return nil
}

func TestWaitAlone(t *testing.T) {
	c := dial(t, newTestServer(t, nil))
	c.expect("SET k v", "OK")
	c.expect("WAIT 0 0", "0")
	c.expect("WAIT 1 1", "0")
	c.expect("WAIT x 1", "!ERR value is not an integer or out of range")
	c.expect("WAIT 1 x", "!ERR timeout is not an integer or out of range")
	c.expect("WAIT 1 -1", "!ERR timeout is negative")
	c.expect("MULTI", "OK")
	c.expect("WAIT 1 0", "QUEUED")
	c.expect("EXEC", "[0]")
}

// WAIT counts the nodes that have what the connection has written, and no others.
func TestWait(t *testing.T) {
	s := newCalmShard(t)
	lead := s.leader()
	fed(lead, 2)
	stopped := s.other(lead)
	direct := dial(t, lead.addr)
	for n := range 20 {
		direct.expect(fmt.Sprintf("SET k %d", n), "OK")
		direct.expect("WAIT 2 0", "2")
		for _, node := range s.nodes {
			c := dial(t, node.addr)
			c.expect("READONLY", "OK")
			c.expect("GET k", fmt.Sprintf(`"%d"`, n))
		}
	}
	s.stop(stopped)
	fed(lead, 1)
	far := dial(t, s.other(lead).addr)
	for _, c := range []*testClient{direct, far} {
		c.expect("SET k v", "OK")
		c.expect("WAIT 1 0", "1")
		c.expect("WAIT 2 20", "1")
		c.expect("WAIT x 0", "!ERR value is not an integer or out of range")
	}
}

// A client of a node that follows is known to wait there, and can be woken there.
func TestUnblockElsewhere(t *testing.T) {
	s := newCalmShard(t)
	lead := s.leader()
	b := &blockingTest{T: t, server: lead.server, addr: s.other(lead).addr}
	c := b.dial()
	for kind, want := range map[string]string{"": "nil[]", " ERROR": "!UNBLOCKED client unblocked via CLIENT UNBLOCK"} {
		w := b.dial()
		id := w.call("CLIENT ID")
		c.expect("CLIENT UNBLOCK "+id+kind, "0")
		w.send("BLPOP", "l", "0")
		b.until(1)
		if info := c.call("INFO clients"); !strings.Contains(info, `blocked_clients:1\r\n`) {
			t.Errorf("nobody waits: %s", info)
		}
		c.expect("CLIENT UNBLOCK "+id+kind, "1")
		w.gets(want)
		b.until(0)
	}
}

// CLIENT UNBLOCK ends a WAIT, also that of a client of another node.
func TestUnblockWait(t *testing.T) {
	s := newCalmShard(t)
	lead := s.leader()
	fed(lead, 2)
	for _, addr := range []string{lead.addr, s.other(lead).addr} {
		c, w := dial(t, addr), dial(t, addr)
		for kind, want := range map[string]string{" TIMEOUT": "2", " ERROR": "!UNBLOCKED client unblocked via CLIENT UNBLOCK"} {
			w.expect("SET k v", "OK")
			id := w.call("CLIENT ID")
			w.expect("WAIT 2 0", "2")
			w.send("WAIT", "3", "0")
			for c.call("CLIENT UNBLOCK "+id+kind) == "0" { // it does not wait yet
				continue
			}
			w.gets(want)
			w.expect("PING", "PONG")
		}
	}
}
