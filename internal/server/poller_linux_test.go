package server

import (
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
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

// TestTurnsFor: connections whose syncs can be one have one turn as long as it does not take long to serve them.
func TestTurnsFor(t *testing.T) {
	for _, c := range []struct {
		quick       bool
		each        time.Duration
		ready, want int
	}{
		{false, 0, 15, 1},
		{false, 0, 50, 4},
		{true, 5 * time.Microsecond, 50, 1},
		{true, 20 * time.Microsecond, 120, 3},
	} {
		var p poller
		p.mu.quick, p.mu.each = c.quick, c.each
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
