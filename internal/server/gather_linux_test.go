package server

import "testing"

// Who takes long does not keep the replies of others that were served before, also while somebody waits for more of them.
func TestGatheredRepliesAreNotHeldUp(t *testing.T) {
	s, addr := startServer(t, nil)
	client := dial(t, addr)
	client.send("PING")
	client.receive()
	c, p := s.connections()[0], s.poller
	stuck := &turn{poller: p, served: 1, seen: 1, gathered: []*conn{c}}
	c.outbox.mu.Lock()
	c.outbox.gathered = []byte("+held\r\n")
	c.outbox.mu.Unlock()
	p.mu.Lock()
	p.mu.turns[stuck] = struct{}{}
	p.mu.Unlock()
	p.watch()
	if got := client.receive(); got != "held" {
		t.Error(got)
	}
	p.mu.Lock()
	delete(p.mu.turns, stuck)
	p.mu.Unlock()
}
