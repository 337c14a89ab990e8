package server

import (
	"net"
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
