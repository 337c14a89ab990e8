package server

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"slices"
	"testing"

	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

// TestLargeUnits: what a client may queue between MULTI and EXEC, another node takes, though it has more arguments than a
// request of a client.
func TestLargeUnits(t *testing.T) {
	if testing.Short() {
		t.Skip("a million arguments")
	}
	s, _ := startServer(t, nil)
	table := s.shared.Table
	call := command.Call{Command: table.Find([]byte("get")), Args: [][]byte{[]byte("GET"), []byte("k")}}
	u := &unit{kind: unitMulti, session: command.Session{Proto: 2}, calls: slices.Repeat([]command.Call{call}, resp.DefaultArgsMax/4+1)}
	args, err := resp.NewReader(bytes.NewReader(u.message()), unitLimits).ReadCommand()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parseUnit(table, args[2:]); err != nil || len(got.calls) != len(u.calls) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestNestedReplies: what a script may return, a node that follows passes on.
func TestNestedReplies(t *testing.T) {
	s := newCalmShard(t)
	lead := dial(t, s.leader().addr)
	follower := dial(t, s.follower().addr)
	for _, depth := range []string{"127", "999", "1000", "2000"} {
		nested := []string{"EVAL", "local t = {} for i = 1, ARGV[1] do t = {t} end return t", "0", depth}
		want, got := lead.ask(nested...), follower.ask(nested...)
		if got != want {
			t.Errorf("%s tables: %.100q, and the leader says %.100q", depth, got, want)
		}
	}
}

// TestTooLargeReplies: a reply that cannot be passed on is told from the end of a connection.
func TestTooLargeReplies(t *testing.T) {
	for text, want := range map[string]bool{"*17000000\r\n": true, "*1\r\n": false} {
		here, there := net.Pipe()
		u := &upstream{Conn: here, in: bufio.NewReader(here), done: make(chan struct{})}
		go func() {
			_, _ = io.WriteString(there, text)
			_ = there.Close()
		}()
		if u.read(); u.large != want {
			t.Errorf("%q: %v", text, u.large)
		}
	}
}
