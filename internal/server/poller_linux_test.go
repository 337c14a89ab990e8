package server

import (
	"net"
	"strings"
	"testing"
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
