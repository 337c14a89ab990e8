package main

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/internal/resp"
)

// TestDifferential compares the servers by commands that are always the same: new seeds, which may find what nobody has
// seen, are for runs by hand.
func TestDifferential(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); errors.Is(err, exec.ErrNotFound) {
		t.Skip("redis-server is not installed (Debian: apt-get install redis-server)")
	}
	commands := "10000"
	if testing.Short() {
		commands = "3000"
	}
	var out strings.Builder
	err := run(t.Context(), []string{"-seed", "1", "-commands", commands, "-for", "8s"}, &out)
	t.Log(out.String())
	if err != nil {
		t.Fatal(err)
	}
}

// Every template makes commands, and the same seed the same ones.
func TestTemplates(t *testing.T) {
	a, b := newGenerator(1), newGenerator(1)
	for _, template := range templates() {
		for range 20 {
			args, again := a.expand(template), b.expand(template)
			if len(args) == 0 || !slices.Equal(args, again) {
				t.Errorf("%s: %q and %q", template, args, again)
			}
			if strings.ContainsAny(args[0], "{}|<>()*+") {
				t.Errorf("%s: %q", template, args)
			}
		}
	}
}

// What is not the same is found, whatever the order of what has none.
func TestSame(t *testing.T) {
	text := func(s string) resp.Value { return resp.Value{Kind: resp.KindBulk, Bytes: []byte(s)} }
	list := func(elems ...resp.Value) resp.Value { return resp.Value{Kind: resp.KindArray, Elems: elems} }
	ab, ba := list(text("a"), text("b")), list(text("b"), text("a"))
	for _, c := range []struct {
		command string
		a, b    resp.Value
		want    bool
	}{
		{"SMEMBERS", ab, ba, true},
		{"LRANGE", ab, ba, false},
		{"LRANGE", ab, ab, true},
		{"SMEMBERS", ab, list(text("a")), false},
		{"HGETALL", list(text("a"), text("1"), text("b"), text("2")), list(text("b"), text("2"), text("a"), text("1")), true},
		{"HGETALL", list(text("a"), text("1"), text("b"), text("2")), list(text("b"), text("1"), text("a"), text("2")), false},
		{"GET", text("a"), text("b"), false},
		{"GET", text("1"), resp.Value{Kind: resp.KindInt, Int: 1}, false},
		{"GET", text(""), resp.Value{Kind: resp.KindNull}, false},
	} {
		if got := same([]string{c.command}, c.a, c.b); got != c.want {
			t.Errorf("%s: %s and %s: %v", c.command, show(c.a), show(c.b), got)
		}
	}
}
