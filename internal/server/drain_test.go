package server

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
)

// told counts the lines of a log that have a text.
type told struct {
	text  string
	times atomic.Int64
}

func (l *told) Write(b []byte) (int, error) {
	if strings.Contains(string(b), l.text) {
		l.times.Add(1)
	}
	return len(b), nil
}

// A leader that stops gives the lead to a node that is there, without waiting for one that is not.
func TestDrainBesideADeadNode(t *testing.T) {
	refused := &told{text: "cannot be handed over"}
	s := newShard(t, true, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(refused, nil)) })
	lead := s.leader()
	for id := lead.id%3 + 1; ; id = id%3 + 1 {
		if id != lead.id && (id == 1 || lead.id == 1) { // the first that is listed
			s.stop(s.nodes[id])
			break
		}
	}
	c := dial(t, s.other(lead).addr)
	c.expect("SET k 1", "OK")
	s.stop(lead)
	if n := refused.times.Load(); n > 0 {
		t.Errorf("the lead was refused %d times", n)
	}
}
