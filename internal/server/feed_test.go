package server

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// fed waits until a node that leads has so many feeds.
func fed(n *testNode, feeds int) {
	for n.server.feeds.count() != feeds {
		runtime.Gosched()
	}
}

// Who listens at any node hears what is published at any node, once and in the order of each publisher.
func TestPublishEverywhere(t *testing.T) {
	const messages = 300
	s := newCalmShard(t)
	fed(s.leader(), len(s.nodes)-1)
	var listeners, patterns, publishers []*testClient
	for _, n := range s.nodes {
		l, p := dial(t, n.addr), dial(t, n.addr)
		l.expect("SUBSCRIBE ch", `["subscribe" "ch" 1]`)
		p.expect("PSUBSCRIBE c?", `["psubscribe" "c?" 1]`)
		p.expect("SSUBSCRIBE ch", `["ssubscribe" "ch" 1]`)
		listeners, patterns, publishers = append(listeners, l), append(patterns, p), append(publishers, dial(t, n.addr))
	}
	for id, p := range publishers {
		for n := range messages {
			p.send("PUBLISH", "ch", fmt.Sprintf("%d:%d", id, n))
		}
	}
	for _, p := range publishers { // each counts those of its own node
		for range messages {
			p.gets("2")
		}
	}
	for at, l := range listeners {
		var next [3]int
		for range len(publishers) * messages {
			var id, n int
			if _, err := fmt.Sscanf(strings.ReplaceAll(l.receive(), `"`, ""), "[message ch %d:%d]", &id, &n); err != nil || n != next[id] {
				t.Fatalf("message %d of publisher %d, want %d: %v", n, id, next[id], err)
			}
			next[id]++
			patterns[at].receive()
		}
	}
	for _, p := range publishers {
		p.expect("SPUBLISH ch shard", "1")
		p.expect("MULTI", "OK")
		p.expect("PUBLISH ch last", "QUEUED")
		p.expect("EXEC", "[2]")
		for _, l := range patterns {
			l.gets(`["smessage" "ch" "shard"]`)
			l.gets(`["pmessage" "c?" "ch" "last"]`)
		}
	}
}

// Each node's own setting says which events of keys its clients hear of, wherever the keys are changed.
func TestEventsEverywhere(t *testing.T) {
	s := newCalmShard(t)
	lead := s.leader()
	fed(lead, len(s.nodes)-1)
	var follower, other *testNode
	for _, n := range s.nodes {
		if n != lead {
			follower, other = n, follower
		}
	}
	here, there, deaf := dial(t, lead.addr), dial(t, follower.addr), dial(t, other.addr)
	dial(t, lead.addr).expect("CONFIG SET notify-keyspace-events Kg", "OK")
	dial(t, follower.addr).expect("CONFIG SET notify-keyspace-events E$gx", "OK")
	for _, c := range []*testClient{here, there, deaf} {
		c.expect("PSUBSCRIBE *", `["psubscribe" "*" 1]`)
	}
	c := dial(t, other.addr)
	c.expect("SET k v", "OK")
	c.expect("DEL k", "1")
	c.expect("SET k v PX 1", "OK")
	here.gets(`["pmessage" "*" "__keyspace@0__:k" "del"]`)
	here.gets(`["pmessage" "*" "__keyspace@0__:k" "expire"]`)
	there.gets(`["pmessage" "*" "__keyevent@0__:set" "k"]`)
	there.gets(`["pmessage" "*" "__keyevent@0__:del" "k"]`)
	there.gets(`["pmessage" "*" "__keyevent@0__:set" "k"]`)
	there.gets(`["pmessage" "*" "__keyevent@0__:expire" "k"]`)
	there.gets(`["pmessage" "*" "__keyevent@0__:expired" "k"]`)
	c.expect("PUBLISH ch end", "1")
	for _, c := range []*testClient{here, there, deaf} {
		c.gets(`["pmessage" "*" "ch" "end"]`)
	}

	// The next leader is asked for the same.
	s.stop(lead)
	fed(s.leader(), len(s.nodes)-1)
	c.expect("DEL k", "0")
	c.expect("SET l v", "OK")
	there.gets(`["pmessage" "*" "__keyevent@0__:set" "l"]`)
}

// A node that does not read what it has asked for is given up, and nobody else misses anything.
func TestFeedThatDoesNotRead(t *testing.T) {
	s := newCalmShard(t)
	lead := s.leader()
	fed(lead, len(s.nodes)-1)
	stuck := dial(t, lead.addr)
	stuck.expect("GODWIT FEED KEA", "!NOPERM only other nodes may do this")
	stuck.call("GODWIT PEER s3")
	stuck.expect("GODWIT FEED KEA", "OK")
	fed(lead, len(s.nodes))
	p := dial(t, lead.addr)
	large := strings.Repeat("x", 1<<20)
	for sent := 0; lead.server.feeds.count() == len(s.nodes); sent++ {
		if sent == 4*pushBytesMax>>20 {
			t.Fatalf("%d MiB wait for a node that does not read", sent)
		}
		p.send("PUBLISH", "nobody", large)
		p.receive()
	}
}
