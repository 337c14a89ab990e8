package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

// ask sends a request and returns its reply.
func (c *testClient) ask(args ...string) string {
	c.t.Helper()
	c.send(args...)
	return c.receive()
}

// expect fails the test if a reply does not begin with what is wanted.
func (c *testClient) answersWith(want string, args ...string) {
	c.t.Helper()
	if got := c.ask(args...); !strings.HasPrefix(got, want) {
		c.t.Errorf("%.50q: got %.200s, want %s", args, got, want)
	}
}

// What comes at once is one transaction only as long as its replies are small: they are in memory together.
func TestLargeRepliesOfAPipeline(t *testing.T) {
	const requests = 16
	s, addr := startServer(t, nil)
	c := dial(t, addr)
	c.answersWith("OK", "SET", "large", strings.Repeat("x", 2*batchReplyBytes))
	before := s.db.Stats().Committed
	both := append(request("INCR", "n"), request("GET", "large")...) // only transactions that write are counted
	if _, err := c.conn.Write([]byte(strings.Repeat(string(both), requests))); err != nil {
		t.Fatal(err)
	}
	for range 2 * requests {
		c.receive()
	}
	if n := s.db.Stats().Committed - before; n < requests {
		t.Errorf("%d transactions for %d large replies", n, requests)
	}
}

// A transaction whose replies are too large fails as a whole, and the connection goes on.
func TestRepliesAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a GiB of memory")
	}
	const size = 32 << 20
	addr := newTestServer(t, nil)
	c := dial(t, addr)
	c.answersWith("1", "HSET", "other", "f", "v")
	c.answersWith("1", "HSET", "hash", "f", strings.Repeat("x", size))
	fields := []string{"HMGET", "hash"}
	for range command.ReplyBytesMax/size + 1 {
		fields = append(fields, "f")
	}
	const want = "!ERR the replies of a transaction have more than 512 MiB"
	c.answersWith(want, fields...)
	c.answersWith("OK", "MULTI")
	c.answersWith("QUEUED", "SET", "a", "1")
	c.answersWith("QUEUED", fields...)
	c.answersWith(want, "EXEC")
	c.answersWith("0", "EXISTS", "a")
	c.answersWith("2", "SADD", "set", "a", "b")
	c.answersWith("!OOM ", "SRANDMEMBER", "set", "-9223372036854775807") // what it reads is too much before what it replies is
}

// The memory of commands that wait for EXEC counts what their arguments take beside their bytes.
func TestQueuedMemory(t *testing.T) {
	const args = 1000
	c := dial(t, newTestServer(t, nil))
	c.answersWith("OK", "MULTI")
	c.answersWith("QUEUED", append([]string{"EXISTS"}, make([]string, args)...)...)
	line := dial(t, c.conn.RemoteAddr().String()).ask("CLIENT", "LIST")
	var most int
	for _, word := range strings.Fields(line) {
		var n int
		if _, err := fmt.Sscanf(word, "multi-mem=%d", &n); err == nil {
			most = max(most, n)
		}
	}
	if most < args*argBytes {
		t.Errorf("%d arguments take %d bytes: %s", args, most, line)
	}
}

// Many keys are watched, and waited for, in a time that grows as they do.
func TestManyKeys(t *testing.T) {
	keys := 200_000
	if testing.Short() {
		keys = 20_000
	}
	c := dial(t, newTestServer(t, nil))
	names := make([]string, 0, keys)
	for i := range keys {
		names = append(names, fmt.Sprintf("key %d", i))
	}
	c.answersWith("OK", append([]string{"WATCH"}, names...)...)
	c.answersWith("OK", append([]string{"WATCH"}, names...)...)
	c.answersWith("!ERR a connection watches at most", append([]string{"WATCH"}, make([]string, watchesMax-2)...)...)
	c.answersWith("OK", "UNWATCH")
	c.answersWith("nil[]", append(append([]string{"BLPOP"}, names...), "0.001")...)
}

// A client that does not read what it is told of its subscriptions is not read from.
func TestSubscriberDoesNotRead(t *testing.T) {
	requests := 40_000
	if testing.Short() {
		requests = 15_000 // of 1 kB and more: what may wait, what the system's buffers take, and more
	}
	s, addr := startServer(t, nil)
	c := dial(t, addr)
	channel := strings.Repeat("c", 1000)
	both := append(request("SUBSCRIBE", channel), request("UNSUBSCRIBE", channel)...)
	go func() {
		for range requests {
			if _, err := c.conn.Write(both); err != nil {
				return
			}
		}
	}()
	waiting := func() int {
		n := 0
		for _, o := range s.connections() {
			_, bytes := o.outbox.size()
			n += bytes
		}
		return n
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for last, same := 0, 0; same < 200; {
		<-tick.C
		n := waiting()
		if same++; n != last || n < outboxBytesMax {
			same = 0
		}
		if last = n; n > outboxBytesMax+4*batchReplyBytes {
			t.Fatalf("%d bytes wait for a client that does not read", n)
		}
	}
	dial(t, addr).answersWith("PONG", "PING")
	for range 2 * requests {
		c.receive()
	}
}

func TestSubscriptionsAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("names of 40 MiB")
	}
	c := dial(t, newTestServer(t, nil))
	channel := strings.Repeat("c", 40<<20)
	c.answersWith("%", "HELLO", "3")
	c.answersWith("!ERR the names of a connection's subscriptions have at most", "SUBSCRIBE", channel+"1", channel+"2")
	c.send("SUBSCRIBE", channel)
	c.receive()
	c.answersWith("!ERR the names of a connection's subscriptions have at most", "SUBSCRIBE", channel+"1")
	c.send("UNSUBSCRIBE")
	c.receive()
	c.send("SUBSCRIBE", channel+"1")
	c.receive()
	c.answersWith("PONG", "PING")
}

// When clients take too much memory, the connection of the one that takes most is closed, and the others go on.
func TestClientsMemory(t *testing.T) {
	s, addr := startServer(t, func(o *Options) { o.ClientsMemory = 4 << 20 })
	good := dial(t, addr)
	spared := dial(t, addr)
	spared.answersWith("OK", "CLIENT", "NO-EVICT", "ON")
	half := func(c *testClient) {
		t.Helper()
		if _, err := c.conn.Write([]byte("*2\r\n$4\r\nECHO\r\n$30000000\r\n" + strings.Repeat("x", 20_000_000))); err != nil {
			t.Log("closed while it was sending", err)
		}
	}
	bad := dial(t, addr)
	half(bad)
	if _, err := resp.ReadReply(bad.in, resp.ReplyLimits{}); err == nil {
		t.Error("a client that takes too much memory is answered")
	}
	good.answersWith("OK", "SET", "a", "1")
	if n := s.stats.evicted.Load(); n != 1 {
		t.Errorf("%d connections were closed", n)
	}
	half(spared)
	good.answersWith("OK", "CONFIG", "SET", "maxmemory-clients", "64mb")
	if _, err := spared.conn.Write([]byte(strings.Repeat("x", 10_000_000) + "\r\n")); err != nil {
		t.Error(err)
	}
	if got := spared.receive(); len(got) != 30_000_000+len(`""`) {
		t.Errorf("%d bytes came back", len(got))
	}
	good.answersWith(`["maxmemory-clients" "67108864"]`, "CONFIG", "GET", "maxmemory-clients")
}

// A script that takes too long is ended, with all that it has done.
func TestScriptTimeMax(t *testing.T) {
	addr := newTestServer(t, func(o *Options) { o.ScriptTimeMax = time.Nanosecond })
	c := dial(t, addr)
	c.answersWith("!ERR Error running script: it has run for longer than the server allows", "EVAL", endlessScript, "0")
	c.answersWith("0", "EXISTS", "k")
}

// Every command says so when it has too few or too many arguments.
func TestWrongNumberOfArguments(t *testing.T) {
	s, addr := startServer(t, nil)
	c := dial(t, addr)
	for _, cmd := range s.shared.Table.Numbered() {
		if len(cmd.Subcommands) > 0 {
			continue
		}
		name := strings.Split(cmd.Name, "|")
		counts := []int{-cmd.Arity - 1}
		if cmd.Arity > 0 {
			counts = []int{cmd.Arity - 1, cmd.Arity + 1}
		}
		for _, n := range counts {
			if n < len(name) {
				continue // it would be another command, or none
			}
			args := append([]string{}, name...)
			for len(args) < n {
				args = append(args, "a")
			}
			want := "!ERR wrong number of arguments for '" + cmd.Name + "' command"
			if cmd.Name == "exec" {
				want = "!EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"
			}
			if got := c.ask(args...); got != want {
				t.Errorf("%q: %s, want %s", args, got, want)
			}
		}
	}
	c.answersWith("PONG", "PING")
	c.answersWith("0", "DBSIZE")
}
