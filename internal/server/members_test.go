package server

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/resp"
)

// follower returns a node that does not lead.
func (s *testShard) follower() *testNode {
	s.t.Helper()
	lead := s.leader()
	for _, n := range s.nodes {
		if n != lead {
			return n
		}
	}
	s.t.Fatal("there is one node only")
	return nil
}

func TestMembers(t *testing.T) {
	s := newTestShard(t)
	follower := s.follower()
	c := dial(t, follower.addr)
	ask := func(want string, args ...string) {
		t.Helper()
		c.send(args...)
		if got := c.receive(); !strings.HasPrefix(got, want) {
			t.Errorf("%q: %s, want %s", args, got, want)
		}
	}
	ask("OK", "SET", "a", "1") // so that the follower knows who leads

	// A fourth node is added through one that follows.
	listener := listen(t)
	s.peers[4] = listener.Addr().String()
	s.join = true
	s.start(4, listener)
	ask("OK", "GODWIT", "MEMBERS", "ADD", "4", s.peers[4])
	status, err := s.leader().db.Status(t.Context())
	if err != nil || fmt.Sprint(status.Members) != "[1 2 3 4]" {
		t.Errorf("members %v, %v", status.Members, err)
	}
	// Nodes that follow have heard where it is.
	if peers, err := follower.server.peers(t.Context()); err != nil || peers[4] != s.peers[4] {
		t.Errorf("peers %v, %v", peers, err)
	}

	ask("OK", "GODWIT", "MEMBERS", "TRANSFER", fmt.Sprint(follower.id))
	// The one that led may not know for a moment that it does no more.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := follower.db.AwaitLeading(ctx); err != nil {
		t.Errorf("node %d does not lead: %v", follower.id, err)
	}
	ask("OK", "GODWIT", "MEMBERS", "REMOVE", "4")
	ask("!ERR node 4 is no member", "GODWIT", "MEMBERS", "REMOVE", "4")
	if removed, err := s.nodes[4].db.Removed(t.Context()); !removed {
		t.Error("a node that was removed does not hear so:", err)
	}
	if removed, err := follower.db.Removed(t.Context()); removed || err != nil {
		t.Errorf("a member was removed: %v, %v", removed, err)
	}
	ask("!ERR usage: ", "GODWIT", "MEMBERS")
	ask("!ERR usage: ", "GODWIT", "MEMBERS", "ADD", "4")
	ask("!ERR usage: ", "GODWIT", "MEMBERS", "RENAME", "4")
	ask("!ERR 'x' is no number of a node", "GODWIT", "MEMBERS", "REMOVE", "x")
	ask("!ERR '4000' is no HOST:PORT", "GODWIT", "MEMBERS", "ADD", "4", "4000")
	ask("!ERR ", "GODWIT", "MEMBERS", "TRANSFER", "9")
}

func TestStatus(t *testing.T) {
	s := newTestShard(t)
	lead := s.leader()
	c := dial(t, lead.addr)
	c.send("SET", "a", "1")
	c.receive()
	got := lead.server.Status(t.Context())
	for got.Clients != 1 { // other nodes connect
		runtime.Gosched()
		got = lead.server.Status(t.Context())
	}
	if got.Role != RoleLeader || got.Node != lead.id || got.Leader != lead.id || got.LeaderAt != lead.addr || got.Commands != 1 || got.Released == 0 {
		t.Errorf("%+v", got)
	}
	if other := s.follower().server.Status(t.Context()); other.Role != RoleFollower || fmt.Sprint(other.Members) != "[1 2 3]" {
		t.Errorf("%+v", other)
	}
	alone := dial(t, newTestServer(t, nil))
	alone.send("GODWIT", "STATUS")
	if got := alone.receive(); !strings.Contains(got, `\"role\":\"alone\"`) {
		t.Errorf("%s", got)
	}
	alone.send("GODWIT", "MEMBERS", "REMOVE", "1")
	if got := alone.receive(); got != "!ERR this database is alone: it has no members" {
		t.Errorf("%s", got)
	}
}

func TestRedirect(t *testing.T) {
	s := newTestShard(t)
	s.adapt = func(o *Options) { o.Redirect = true }
	follower := s.follower()
	peers := s.peers[follower.id]
	s.stop(follower)
	s.start(follower.id, listenAt(t, peers))
	follower = s.nodes[follower.id]
	c := dial(t, follower.addr)
	lead := s.leader()
	direct := dial(t, lead.addr)
	direct.send("SET", "foo", "1")
	direct.receive()
	for deadline := time.Now().Add(10 * time.Second); ; { // it forwards until it has heard who leads
		c.send("GET", "foo")
		got := c.receive()
		if got == fmt.Sprintf("!MOVED 12182 %s", lead.addr) {
			break
		}
		if got != `"1"` || time.Now().After(deadline) {
			t.Fatal(got)
		}
	}
	c.answers("OK", "READONLY")
	for got := ""; got != `"1"`; got = c.receive() { // it may be a little behind
		c.send("GET", "foo")
	}
	for _, step := range [][2]string{{"GET foo", `"1"`}, {"SET foo 2", "!MOVED 12182 " + lead.addr}, {"PING", "PONG"}} {
		c.send(strings.Fields(step[0])...)
		if got := c.receive(); got != step[1] {
			t.Errorf("%s: %s, want %s", step[0], got, step[1])
		}
	}
}

func TestBackup(t *testing.T) {
	c := dial(t, newTestServer(t, nil))
	big := strings.Repeat("x", 3*backupChunkBytes)
	c.send("SET", "big", big)
	c.receive()
	c.send("GODWIT", "BACKUP")
	var file bytes.Buffer
	chunks := 0
	for {
		v, err := resp.ReadReply(c.in, resp.ReplyLimits{})
		if err != nil {
			t.Fatal(err)
		}
		if v.Kind != resp.KindBulk {
			if got := show(v); got != "OK" {
				t.Fatal(got)
			}
			break
		}
		chunks++
		file.Write(v.Bytes)
	}
	if chunks < 3 {
		t.Errorf("%d chunks", chunks)
	}
	dir := filepath.Join(t.TempDir(), "copy")
	if err := godwit.Restore(t.Context(), dir, &file); err != nil {
		t.Fatal(err)
	}
	db, err := godwit.Open(dir, &godwit.Options{MemoryLimit: 64 << 20, LogSegmentBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	copied := dial(t, newTestServer(t, func(o *Options) { o.DB = db }))
	copied.send("STRLEN", "big")
	if got := copied.receive(); got != fmt.Sprint(len(big)) {
		t.Errorf("%s", got)
	}
}
