package server

import (
	"regexp"
	"testing"
)

// sees compares what a monitor is shown, without times and addresses.
func (c *testClient) sees(want ...string) {
	c.t.Helper()
	variable := regexp.MustCompile(`^\d+\.\d{6} \[(\d+) (?:127\.0\.0\.1:\d+|(lua))\] `)
	for _, w := range want {
		if got := variable.ReplaceAllString(c.receive(), "$1$2 "); got != w {
			c.t.Errorf("saw %s, want %s", got, w)
		}
	}
}

func TestMonitor(t *testing.T) {
	b := newBlockingTest(t)
	m, c := b.dial(), b.dial()
	m.expect("MONITOR", "OK")
	c.send("SET", "k", "a\"\\\n\x00é")
	c.gets("OK")
	c.expect("get k1", "nil")
	c.expect("SELECT 3", "OK")
	c.expect("MULTI", "OK")
	c.expect("INCR n", "QUEUED")
	c.expect("INCR k k", "!ERR wrong number of arguments for 'incr' command")
	c.expect("DISCARD", "OK")
	c.expect("CONFIG GET nothing", "[]") // what operators do is not shown
	c.expect("MULTI", "OK")
	c.expect("INCR n", "QUEUED")
	c.expect("EXEC", "[1]")
	c.send("EVAL", "redis.call('SET', KEYS[1], ARGV[1])", "1", "k", "v")
	c.gets("nil")
	c.call("AUTH name password")
	c.call("HELLO 2 AUTH name password")
	m.sees(`0 "SET" "k" "a\"\\\n\x00\xc3\xa9"`, `0 "get" "k1"`, `0 "SELECT" "3"`, `3 "MULTI"`, `3 "DISCARD"`, `3 "MULTI"`, `3 "INCR" "n"`, `3 "EXEC"`,
		`3 "EVAL" "redis.call('SET', KEYS[1], ARGV[1])" "1" "k" "v"`, `3lua "SET" "k" "v"`,
		`3 "AUTH" "(redacted)" "(redacted)"`, `3 "HELLO" "2" "AUTH" "(redacted)" "(redacted)"`)

	// A command that waits is seen when it begins to.
	w := b.wait("BLPOP l 0")
	m.sees(`0 "BLPOP" "l" "0"`)
	c.expect("SELECT 0", "OK")
	c.expect("RPUSH l x", "1")
	w.gets(`["l" "x"]`)
	c.expect("PING", "PONG")
	m.sees(`3 "SELECT" "0"`, `0 "RPUSH" "l" "x"`, `0 "PING"`)

	m.expect("RESET", "RESET")
	c.expect("PING", "PONG")
	m.expect("MULTI", "OK")
	m.expect("MONITOR", "QUEUED")
	m.expect("EXEC", "[!ERR MONITOR isn't allowed for DENY BLOCKING client]")
}

// Monitors of a node see what its clients ask for, though another one executes it.
func TestMonitorElsewhere(t *testing.T) {
	s := newCalmShard(t)
	addr := s.other(s.leader()).addr
	m, c := dial(t, addr), dial(t, addr)
	m.expect("MONITOR", "OK")
	c.expect("SET k v", "OK")
	c.expect("MULTI", "OK")
	c.expect("GET k", "QUEUED")
	c.expect("EXEC", `["v"]`)
	m.sees(`0 "SET" "k" "v"`, `0 "MULTI"`, `0 "GET" "k"`, `0 "EXEC"`)
}

// TestMonitorFromItsReplyOn: what is asked for when a monitor has its reply is seen.
func TestMonitorFromItsReplyOn(t *testing.T) {
	b := newBlockingTest(t)
	c := b.dial()
	c.expect("SET k v", "OK")
	for range 300 {
		m := b.dial()
		m.expect("MONITOR", "OK")
		c.expect("GET k", `"v"`)
		m.sees(`0 "GET" "k"`)
		m.expect("RESET", "RESET")
	}
}
