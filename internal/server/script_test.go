package server

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/resp"
)

const endlessScript = "redis.call('set', 'k', 'v') while true do redis.pcall('get', 'k') end"

// killScript ends the scripts that run, as soon as there is one.
func killScript(c *testClient) {
	c.t.Helper()
	for {
		c.send("SCRIPT", "KILL")
		switch reply := c.receive(); {
		case reply == "OK":
			return
		case !strings.HasPrefix(reply, "!NOTBUSY"):
			c.t.Fatal(reply)
		}
	}
}

func TestScriptKill(t *testing.T) {
	addr := newTestServer(t, func(o *Options) { o.ScriptBusy = time.Nanosecond })
	a, b := dial(t, addr), dial(t, addr)
	const want = "!ERR Error running script: Script killed by user with SCRIPT KILL. Nothing of it has happened"

	// What it has written is gone, and others do not wait for it.
	a.send("EVAL", endlessScript, "0")
	b.send("SET", "other", "x")
	if got := b.receive(); got != "OK" {
		t.Error(got)
	}
	killScript(b)
	if got := a.receive(); got != want {
		t.Error(got)
	}
	a.send("EXISTS", "k")
	if got := a.receive(); got != "0" {
		t.Error(got)
	}

	// It is ended once for all, though what came with it runs again.
	words := func(args ...string) (raw [][]byte) {
		for _, arg := range args {
			raw = append(raw, []byte(arg))
		}
		return raw
	}
	batch := resp.AppendCommand(nil, words("INCR", "n")...)
	batch = resp.AppendCommand(batch, words("EVAL", endlessScript, "0")...)
	batch = resp.AppendCommand(batch, words("INCR", "n")...)
	if _, err := a.conn.Write(batch); err != nil {
		t.Fatal(err)
	}
	killScript(b)
	for _, want := range []string{"1", want, "2"} {
		if got := a.receive(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}

	// With a transaction, which is answered by one error.
	a.send("MULTI")
	a.send("INCR", "n")
	a.send("EVAL", endlessScript, "0")
	a.send("EXEC")
	killScript(b)
	for _, want := range []string{"OK", "QUEUED", "QUEUED", want} {
		if got := a.receive(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	a.send("GET", "n")
	if got := a.receive(); got != `"2"` {
		t.Error(got)
	}
}

// Scripts that change the same keys run as if one after the other.
func TestScriptsConflict(t *testing.T) {
	addr := newTestServer(t, nil)
	const clients, each = 8, 50
	var all []*testClient
	for range clients {
		c := dial(t, addr)
		all = append(all, c)
		for range each {
			c.send("EVAL", "local n = tonumber(redis.call('get', 'n') or 0) redis.call('set', 'n', n + 1) return n + 1", "0")
		}
	}
	seen := map[string]bool{}
	for _, c := range all {
		for range each {
			seen[c.receive()] = true
		}
	}
	if len(seen) != clients*each {
		t.Errorf("%d different numbers of %d", len(seen), clients*each)
	}
}

// A script whose client has gone ends, also one that was forwarded.
func TestScriptEndsWithItsClient(t *testing.T) {
	s := newShard(t, true, nil)
	lead := s.leader()
	for _, n := range []*testNode{lead, s.follower()} {
		c := dial(t, n.addr)
		var others []*testClient
		for _, n := range s.nodes {
			others = append(others, dial(t, n.addr))
		}
		running := func() bool { // wherever the lead is
			return slices.ContainsFunc(others, func(other *testClient) bool {
				_, scripts, _ := strings.Cut(other.call("INFO memory"), "running_scripts:")
				return strings.HasPrefix(scripts, "1")
			})
		}
		c.send("EVAL", "while true do end", "0")
		for !running() {
		}
		if err := c.conn.Close(); err != nil {
			t.Fatal(err)
		}
		for running() {
		}
	}
}
