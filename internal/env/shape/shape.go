package shape

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

// Shaper relays connections between nodes.
type Shaper struct {
	start   time.Time
	running sync.WaitGroup
	dialing context.Context // ends with Close
	hangUp  context.CancelFunc
	mu      struct {
		sync.Mutex
		lines     map[way]*line
		listeners []net.Listener
		relays    map[*relay]struct{}
		closed    bool
	}
}

// way is from one node to another.
type way struct{ from, to env.NodeID }

// New returns a Shaper whose links do nothing yet.
func New() *Shaper {
	s := &Shaper{start: time.Now()}
	s.dialing, s.hangUp = context.WithCancel(context.Background())
	s.mu.lines, s.mu.relays = map[way]*line{}, map[*relay]struct{}{}
	return s
}

func (s *Shaper) now() time.Duration { return time.Since(s.start) }

// line returns the line from one node to another. s.mu is held.
func (s *Shaper) line(from, to env.NodeID) *line {
	l := s.mu.lines[way{from, to}]
	if l == nil {
		l = newLine()
		s.mu.lines[way{from, to}] = l
	}
	return l
}

// Set says how bytes get from one node to another from now on.
func (s *Shaper) Set(from, to env.NodeID, link Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line(from, to).set(link)
}

// Reset breaks all connections between two nodes: both sides notice at once.
func (s *Shaper) Reset(a, b env.NodeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.mu.relays {
		if r.way == (way{a, b}) || r.way == (way{b, a}) {
			r.crash()
		}
	}
}

// Via returns the address at which a node finds another one that listens at target.
func (s *Shaper) Via(from, to env.NodeID, target string) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(s.dialing, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return "", errors.Join(net.ErrClosed, listener.Close())
	}
	s.mu.listeners = append(s.mu.listeners, listener)
	s.running.Add(1)
	go s.accept(listener, way{from, to}, target)
	return listener.Addr().String(), nil
}

// Close ends all connections and waits until nothing runs any more.
func (s *Shaper) Close() {
	s.mu.Lock()
	s.mu.closed = true
	for _, l := range s.mu.listeners {
		_ = l.Close() // nobody can connect any more, whatever it says
	}
	for r := range s.mu.relays {
		r.crash()
	}
	s.mu.Unlock()
	s.hangUp()
	s.running.Wait()
}

func (s *Shaper) accept(listener net.Listener, w way, target string) {
	defer s.running.Done()
	for {
		near, err := listener.Accept()
		if err != nil {
			return
		}
		if r := s.relay(near, w); r != nil {
			go r.run(target)
		}
	}
}

// relay returns the relay of a connection; nil if the Shaper is closed.
func (s *Shaper) relay(near net.Conn, w way) *relay {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		_ = near.Close() // nothing was sent
		return nil
	}
	r := &relay{s: s, way: w, forth: s.line(w.from, w.to), back: s.line(w.to, w.from), broken: make(chan struct{})}
	r.mu.conns = []net.Conn{near}
	s.mu.relays[r] = struct{}{}
	s.running.Add(1)
	return r
}

func (s *Shaper) forget(r *relay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.relays, r)
}
