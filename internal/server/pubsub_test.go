package server

import (
	"fmt"
	"testing"

	"github.com/godwitdb/godwit/internal/resp"
)

// Clients that publish to themselves and each other in pipelines get all messages of a publisher in order.
func TestPublishPipelines(t *testing.T) {
	const clients, messages = 3, 2000
	addr := newTestServer(t, nil)
	var all []*testClient
	for range clients {
		c := dial(t, addr)
		c.send("HELLO", "3")
		c.receive()
		c.send("SUBSCRIBE", "ch")
		c.receive()
		all = append(all, c)
	}
	for id, c := range all {
		var requests []byte
		for n := range messages {
			requests = resp.AppendCommand(requests, []byte("PUBLISH"), []byte("ch"), fmt.Appendf(nil, "%d %d", id, n))
		}
		go func() { _, _ = c.conn.Write(requests) }()
	}
	for _, c := range all {
		var next [clients]int
		replies := 0
		for range clients*messages + messages {
			v, err := resp.ReadReply(c.in, resp.ReplyLimits{})
			if err != nil {
				t.Fatal(err)
			}
			if v.Kind == resp.KindInt {
				replies++
				continue
			}
			var id, n int
			if _, err := fmt.Sscanf(string(v.Elems[2].Bytes), "%d %d", &id, &n); err != nil || n != next[id] {
				t.Fatalf("message %s of client %d, want number %d", v.Elems[2].Bytes, id, next[id])
			}
			next[id]++
		}
		if replies != messages {
			t.Errorf("%d replies, want %d", replies, messages)
		}
	}
}

// What a client publishes is received though it ends its connection without waiting for the reply.
func TestPublisherLeaves(t *testing.T) {
	addr := newTestServer(t, nil)
	c := dial(t, addr)
	c.send("SUBSCRIBE", "ch")
	c.receive()
	for n := range 100 {
		p := dial(t, addr)
		p.send("PUBLISH", "ch", fmt.Sprint(n))
		_ = p.conn.Close()
		if got, want := c.receive(), fmt.Sprintf(`["message" "ch" "%d"]`, n); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}
