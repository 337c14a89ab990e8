package server

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/acl"
)

func (c *testClient) answers(want string, args ...string) {
	c.t.Helper()
	c.send(args...)
	if got := c.receive(); got != want {
		c.t.Errorf("%q: %s, want %s", args, got, want)
	}
}

// expectEnd waits for the server to end the connection.
func (c *testClient) expectEnd() {
	c.t.Helper()
	if _, err := io.Copy(io.Discard, c.in); err != nil && !strings.Contains(err.Error(), "reset") {
		c.t.Error(err)
	}
}

func TestAuthPassword(t *testing.T) {
	addr := newTestServer(t, func(o *Options) { o.Password = "a\x00b" })
	c := dial(t, addr)
	c.answers("!NOAUTH Authentication required.", "GET", "a")
	c.answers("!NOAUTH Authentication required.", "MULTI")
	c.answers("!NOAUTH Authentication required.", "ACL", "WHOAMI")
	c.answers("!NOAUTH Authentication required.", "EVAL", "return 1", "0")
	c.answers("!NOAUTH Authentication required.", "SUBSCRIBE", "ch")
	c.answers("!NOAUTH a cluster with users needs a secret that its nodes know each other by", "GODWIT", "PEER", "")
	for _, operators := range [][]string{{"STATUS"}, {"BACKUP"}, {"MEMBERS", "remove", "1"}, {"RUN"}, {"NODE", "1", "a:1"}} {
		c.answers("!NOAUTH Authentication required.", append([]string{"GODWIT"}, operators...)...)
	}
	c.answers("!WRONGPASS invalid username-password pair or user is disabled.", "AUTH", "a")
	c.answers("OK", "AUTH", "a\x00b")
	c.answers("nil", "GET", "a")
	c.answers("OK", "AUTH", "default", "a\x00b")
	c.answers("OK", "SET", "big", strings.Repeat("x", 1<<20))

	// Before it, requests are small.
	for _, begin := range []string{"*100\r\n", "*1\r\n$100000000\r\n"} {
		c := dial(t, addr)
		if _, err := io.WriteString(c.conn, begin); err != nil {
			t.Fatal(err)
		}
		if got := c.receive(); !strings.HasPrefix(got, "!ERR Protocol error: unauthenticated") {
			t.Error(got)
		}
		c.expectEnd()
	}
}

// What operators ask nodes for is no command that everybody may use.
func TestUsersThatAreNoOperators(t *testing.T) {
	addr := newTestServer(t, nil)
	c := dial(t, addr)
	c.answers("OK", "ACL", "SETUSER", "u", "on", ">p", "~*", "+get")
	c.answers("OK", "ACL", "SETUSER", "operator", "on", ">p", "+godwit")
	c.answers("OK", "AUTH", "u", "p")
	for _, operators := range []string{"STATUS", "BACKUP", "MEMBERS"} {
		c.answers("!NOPERM this user has no permissions to run the 'godwit' command", "GODWIT", operators)
	}
	c.answers("OK", "AUTH", "operator", "p")
	c.answers("!ERR GODWIT STATUS has no arguments", "GODWIT", "STATUS", "x")
}

// Clients whose user is deleted, or may not listen any more to what they do, are disconnected.
func TestUsersChange(t *testing.T) {
	addr := newTestServer(t, nil)
	admin := dial(t, addr)
	admin.answers("OK", "ACL", "SETUSER", "u", "on", ">pw", "&ch", "&more", "+subscribe", "+acl")
	idle, listener, other := dial(t, addr), dial(t, addr), dial(t, addr)
	idle.answers("OK", "AUTH", "u", "pw")
	listener.answers("OK", "AUTH", "u", "pw")
	other.answers("OK", "AUTH", "u", "pw")
	listener.send("SUBSCRIBE", "ch")
	listener.receive()
	other.send("SUBSCRIBE", "more")
	other.receive()
	admin.answers("OK", "ACL", "SETUSER", "u", "resetchannels", "&more")
	listener.expectEnd()
	admin.answers("1", "PUBLISH", "more", "m") // who may go on, does
	other.receive()
	idle.answers("1", "ACL", "DELUSER", "u") // the reply comes before the end
	idle.expectEnd()
	other.expectEnd()
	admin.answers(`"default"`, "ACL", "WHOAMI")
}

func TestAccessLog(t *testing.T) {
	addr := newTestServer(t, nil)
	admin, c := dial(t, addr), dial(t, addr)
	admin.answers("OK", "ACL", "SETUSER", "u", "on", ">pw", "~a", "+get", "+eval", "+multi")
	c.answers("OK", "AUTH", "u", "pw")
	for _, call := range [][]string{
		{"SET", "a", "1"}, {"SET", "a", "1"}, {"GET", "b"}, {"EVAL", "redis.call('get', 'c')", "0"}, {"AUTH", "u", "no"}, {"MULTI"}, {"GET", "d"},
	} {
		c.send(call...)
		c.receive()
	}
	admin.send("ACL", "LOG")
	got := admin.receive()
	at := 0
	for _, want := range []string{
		`"count" 1 "reason" "key" "context" "multi" "object" "d" "username" "u"`,
		`"count" 1 "reason" "auth" "context" "toplevel" "object" "AUTH" "username" "u"`,
		`"count" 1 "reason" "key" "context" "lua" "object" "c" "username" "u"`,
		`"count" 1 "reason" "key" "context" "toplevel" "object" "b" "username" "u"`,
		`"count" 2 "reason" "command" "context" "toplevel" "object" "set" "username" "u"`,
	} {
		i := strings.Index(got[at:], want)
		if i < 0 {
			t.Fatalf("%s is not in its place in %s", want, got)
		}
		at += i
	}
	admin.send("ACL", "LOG", "1")
	if got := admin.receive(); strings.Count(got, `"count"`) != 1 {
		t.Error(got)
	}
}

func TestAccessLogIsBounded(t *testing.T) {
	server, client := net.Pipe()
	defer func() { _, _ = server.Close(), client.Close() }()
	c := &conn{net: &peekable{Conn: server}}
	var l accessLog
	for i := range 10 * accessLogMax {
		l.add(c, acl.Verdict{Reason: acl.DeniedKey, Object: strings.Repeat("x", i)}, "toplevel", "u")
	}
	if len(l.entries) != accessLogMax || len(l.entries[0].object) != accessLogObjectMax {
		t.Errorf("%d entries with %d bytes", len(l.entries), len(l.entries[0].object))
	}
}

// Users are data: a database that is opened again has them.
func TestUsersAreStored(t *testing.T) {
	dir := t.TempDir()
	for run := range 2 {
		db, err := godwit.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(Options{DB: db, Password: "first"})
		if err != nil {
			t.Fatal(err)
		}
		l := listen(t)
		done := make(chan error, 1)
		go func() { done <- s.Serve(l) }()
		c := dial(t, l.Addr().String())
		if run == 0 {
			c.answers("OK", "AUTH", "first")
			c.answers("OK", "ACL", "SETUSER", "default", "resetpass", ">second")
		} else {
			c.answers("!WRONGPASS invalid username-password pair or user is disabled.", "AUTH", "first")
			c.answers("OK", "AUTH", "second")
		}
		s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A user of whom the node has not heard yet, but has the data, is looked up.
func TestUserThatHasJustCome(t *testing.T) {
	s, addr := startServer(t, nil)
	c := dial(t, addr)
	table, err := s.openUsers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.db.Update(t.Context(), func(tx *godwit.Tx) error {
		return errors.Join(tx.Put(table, []byte("v"), []byte("on nopass ~* +@all")), tx.Put(table, []byte(usersVersion), binary.LittleEndian.AppendUint64(nil, 99)))
	}); err != nil {
		t.Fatal(err)
	}
	c.answers("OK", "AUTH", "v", "x")
	c.answers(`"v"`, "ACL", "WHOAMI")
	c.answers("!WRONGPASS invalid username-password pair or user is disabled.", "AUTH", "w", "x")
}

// All nodes have the same users, and requests that are forwarded are checked.
func TestUsersReplicated(t *testing.T) {
	s := newTestShard(t)
	lead := s.leader()
	var follower *testNode
	for _, n := range s.nodes {
		if n != lead {
			follower = n
		}
	}
	far, direct := dial(t, follower.addr), dial(t, lead.addr)
	far.answers("OK", "ACL", "SETUSER", "u", "on", "nopass", "~a", "+get", "+set", "+eval", "+acl|whoami")
	direct.answers("OK", "AUTH", "u", "x")
	for { // the follower hears of it a little later
		far.send("AUTH", "u", "x")
		if far.receive() == "OK" {
			break
		}
	}
	far.answers("OK", "SET", "a", "1")
	far.answers("!NOPERM this user has no permissions to access one of the keys used as arguments", "SET", "b", "1")
	far.answers("!NOPERM The user executing the script can't access at least one of the keys mentioned in the command arguments",
		"EVAL", "return redis.pcall('set', 'b', '1')", "0")
	s.stop(lead)
	far.answers(`"1"`, "GET", "a")
	far.answers(`"u"`, "ACL", "WHOAMI")
	next := dial(t, s.leader().addr)
	next.answers("OK", "AUTH", "u", "x")
}
