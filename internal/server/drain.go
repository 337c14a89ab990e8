package server

import (
	"context"
	"time"
)

// drainLinger is how long a node that has handed over the lead still says so to the others, until they
// know themselves.
const drainLinger = 10 * leadEvery

// drainPause is how often a server that drains looks whether all replies are sent.
const drainPause = 5 * time.Millisecond

// Drain ends the server so that clients notice little: no new ones come, the lead is handed over, what was
// asked is answered, by the next leader if it has to be, and then the connections end. ctx bounds it; Close is its rest.
func (s *Server) Drain(ctx context.Context) {
	s.mu.Lock()
	s.mu.draining = true
	for l := range s.mu.listeners {
		_ = l.Close()
	}
	s.mu.Unlock()
	if status, err := s.db.Status(ctx); err == nil && status.Leading {
		if err := s.db.HandOver(ctx); err != nil {
			s.log.Warn("the lead cannot be handed over", "error", err)
		} else {
			_ = s.pause(ctx, drainLinger)
		}
	}
	for s.busy() && s.pause(ctx, drainPause) == nil {
	}
	s.Close()
}

// busy tells whether a client waits for a reply, and not for somebody else.
func (s *Server) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.mu.conns {
		if c.working.Load() && !c.blocked() || !c.outbox.empty() {
			return true
		}
	}
	return false
}
