package server

import (
	"fmt"
	"sync"
	"testing"

	"github.com/godwitdb/godwit/internal/resp"
)

const allStale = `>["invalidate" nil]`

// A node that follows relays what the leader tells of; when the lead changes, all is stale.
func TestTrackingThroughAFollower(t *testing.T) {
	s := newTestShard(t)
	lead := s.leader()
	direct, far := dial(t, lead.addr), dial(t, s.follower().addr)
	far.send("HELLO", "3")
	far.receive()
	far.answers("OK", "CLIENT", "TRACKING", "ON")
	// read reads the key, after what may be told before.
	read := func() (got string) {
		t.Helper()
		far.send("GET", "a")
		for got = allStale; got[0] == '>'; got = far.receive() {
		}
		return got
	}
	// hears changes the key until the client hears of just that: that all is stale, since the lead has changed, says
	// the same of the first changes.
	hears := func(writer *testClient) {
		t.Helper()
		for got := allStale; got == allStale; {
			read()
			writer.answers("OK", "SET", "a", "1")
			if got = far.receive(); got != allStale && got != `>["invalidate" ["a"]]` {
				t.Fatalf("%s came", got)
			}
		}
	}
	hears(direct)
	if got := read(); got != `"1"` {
		t.Errorf("GET: %s", got)
	}
	s.stop(lead)
	far.gets(allStale)
	hears(dial(t, s.leader().addr))
	for _, n := range s.nodes {
		if n != s.leader() {
			c := dial(t, n.addr)
			c.send("CLIENT", "TRACKING", "ON", "BCAST")
			if got := c.receive(); got[0] != '!' {
				t.Errorf("a follower promised to tell of all changes: %s", got)
			}
		}
	}
}

// Whatever a client has in its cache when all is told is what the key has.
func TestTrackingLeavesNothingStale(t *testing.T) {
	addr := newTestServer(t, nil)
	const keys, changes = 3, 500
	var all sync.WaitGroup
	for key := range keys {
		writer := dial(t, addr)
		all.Go(func() {
			for range changes {
				writer.answers("OK", "SET", fmt.Sprint("k", key), fmt.Sprint(changes))
				writer.send("DEL", fmt.Sprint("k", key))
				writer.receive()
			}
			writer.answers("OK", "SET", fmt.Sprint("k", key), "last")
		})
	}
	reader := dial(t, addr)
	reader.send("HELLO", "3")
	reader.receive()
	reader.answers("OK", "CLIENT", "TRACKING", "ON")
	cache := map[string]string{}
	// next takes what comes: pushes until a reply, which it returns.
	next := func() string {
		for {
			v, err := resp.ReadReply(reader.in, resp.ReplyLimits{})
			if err != nil {
				t.Fatal(err)
			}
			if v.Kind != resp.KindPush {
				return show(v)
			}
			for _, e := range v.Elems[1].Elems {
				delete(cache, string(e.Bytes))
			}
		}
	}
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		default:
		}
		for key := range keys {
			name := fmt.Sprint("k", key)
			if _, known := cache[name]; !known {
				reader.send("GET", name)
				value := next()
				cache[name] = value
			}
		}
		reader.send("PING")
		next()
	}
	for name, value := range cache {
		reader.send("GET", name)
		if now := next(); cache[name] != "" && cache[name] != now {
			t.Errorf("%s is cached as %s and has become %s", name, value, now)
		}
	}
}

func TestTrackedKeysAreBounded(t *testing.T) {
	s, addr := startServer(t, nil)
	c := dial(t, addr)
	c.send("HELLO", "3")
	c.receive()
	c.answers("OK", "CLIENT", "TRACKING", "ON")
	c.answers("OK", "CONFIG", "SET", "tracking-table-max-keys", "2")
	c.answers("[nil nil nil]", "MGET", "a", "b", "c")
	c.receive() // one of them
	c.send("CONFIG", "SET", "tracking-table-max-keys", "1")
	c.receive() // another one
	c.gets("OK")
	c.answers("PONG", "PING")
	if _, keys, items, _ := s.tracking.sizes(); keys != 1 || items != 1 {
		t.Errorf("%d keys with %d readers are tracked", keys, items)
	}
	c.answers("OK", "CLIENT", "TRACKING", "OFF")
	if clients, keys, items, _ := s.tracking.sizes(); clients != 0 || keys != 0 || items != 0 {
		t.Errorf("%d keys with %d readers are tracked for %d clients that do not", keys, items, clients)
	}
}
