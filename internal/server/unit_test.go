package server

import (
	"bytes"
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
