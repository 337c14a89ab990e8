package server

import (
	"bufio"
	"context"
	"testing"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/resp"
)

// say sends a request over a connection of a user and returns the reply as text.
func say(t *testing.T, s *Server, user string, args ...string) string {
	t.Helper()
	conn := s.Connect(user)
	defer conn.Close()
	raw := make([][]byte, len(args))
	for i, a := range args {
		raw[i] = []byte(a)
	}
	if _, err := conn.Write(resp.AppendCommand(nil, raw...)); err != nil {
		t.Fatal(err)
	}
	v, err := resp.ReadReply(bufio.NewReader(conn), resp.ReplyLimits{})
	if err != nil {
		t.Fatal(err)
	}
	return show(v)
}

// A console's connection has the rights of its user, and none if there is no such user (any more).
func TestConnect(t *testing.T) {
	var s *Server
	db, err := godwit.Open("", &godwit.Options{Durability: godwit.DurabilityNone})
	if err != nil {
		t.Fatal(err)
	}
	if s, err = New(Options{DB: db}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		s.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, step := range []struct {
		user, want string
		args       []string
	}{
		{"", "OK", []string{"SET", "a", "1"}},
		{"", "OK", []string{"ACL", "SETUSER", "ada", "on", ">secret", "~b*", "+get", "+readonly"}},
		{"ada", "nil", []string{"GET", "b"}},
		{"ada", "!NOPERM this user has no permissions to access one of the keys used as arguments", []string{"GET", "a"}},
		{"bob", "!NOAUTH Authentication required.", []string{"GET", "a"}},
		{"", "OK", []string{"ACL", "SETUSER", "default", "resetpass", ">secret"}},
		{"", "!NOAUTH Authentication required.", []string{"READONLY"}},
		{"", "OK", []string{"AUTH", "ada", "secret"}},
		{"default", "1", []string{"ACL", "DELUSER", "ada"}},
		{"ada", "!NOAUTH Authentication required.", []string{"GET", "b"}},
	} {
		if got := say(t, s, step.user, step.args...); got != step.want {
			t.Errorf("%s: %q: %s, want %s", step.user, step.args, got, step.want)
		}
	}
}

func TestFigures(t *testing.T) {
	db, err := godwit.Open("", &godwit.Options{Durability: godwit.DurabilityNone})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{DB: db})
	if err != nil {
		t.Fatal(err)
	}
	const requests = 200
	conn := s.Connect("")
	in := bufio.NewReader(conn)
	for range requests {
		if _, err := conn.Write(resp.AppendCommand(nil, []byte("INCR"), []byte("hot"))); err != nil {
			t.Fatal(err)
		}
		if _, err := resp.ReadReply(in, resp.ReplyLimits{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := say(t, s, "", "LPUSH", "hot", "x"); got[0] != '!' {
		t.Errorf("LPUSH on a number: %s", got)
	}
	f := s.Figures(context.Background())
	if f.Released < requests || f.Executed < f.Released || f.InFlight != 0 {
		t.Errorf("%d executed, %d released, %d in flight", f.Executed, f.Released, f.InFlight)
	}
	if n := f.ReleasedIn.Total(); n < requests {
		t.Errorf("%d times of %d", n, requests)
	}
	if n := f.ExecutedIn.Total(); n == 0 || n > requests {
		t.Errorf("%d are a sample of %d", n, requests)
	}
	if len(f.HotKeys) != 1 || f.HotKeys[0].Key != "hot" {
		t.Errorf("hot keys are %v", f.HotKeys)
	}
	if len(f.Errors) != 1 || f.Errors[0].Name != "WRONGTYPE" || f.Errors[0].Count != 1 {
		t.Errorf("errors are %v", f.Errors)
	}
	// What nobody hears of is not in flight for ever.
	_ = conn.Close()
	s.Close()
	if _, _, inFlight := s.Pulse(); inFlight != 0 {
		t.Errorf("%d in flight when nobody is connected", inFlight)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
