package server

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// peekable is a connection whose end can be noticed while nobody reads requests.
type peekable struct {
	net.Conn
	socket *socket // the same; nil if somebody who reads or writes has to wait
	stats  *stats
	held   []byte // was read by watch
}

const (
	// peekBytes is how much is read at once to notice the end.
	peekBytes = 4096
	// watchAfter is how long something takes before it matters that its client has gone.
	watchAfter = time.Second
	// heldBytesMax bounds what a client may send meanwhile for its end to be noticed behind it.
	heldBytesMax = 64 << 10
)

// descriptor returns the number of a connection's descriptor, -1 if it has none.
func descriptor(nc net.Conn) int {
	n := -1
	if raw := rawOf(nc); raw != nil {
		_ = raw.Control(func(fd uintptr) { n = int(fd) }) //nolint:gosec // a small number
	}
	return n
}

// rawOf returns a connection's descriptor, nil if it has none.
func rawOf(nc net.Conn) syscall.RawConn {
	s, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// Read implements io.Reader.
func (p *peekable) Read(b []byte) (int, error) {
	if len(p.held) > 0 {
		n := copy(b, p.held)
		p.held = p.held[n:]
		return n, nil
	}
	p.held = nil
	n, err := p.Conn.Read(b)
	p.stats.in.Add(uint64(n)) //nolint:gosec // never negative
	return n, err
}

// Write implements io.Writer.
func (p *peekable) Write(b []byte) (int, error) {
	n, err := p.Conn.Write(b)
	p.stats.out.Add(uint64(n)) //nolint:gosec // never negative
	return n, err
}

// watch calls gone if the connection ends before stop is called, which must be. Nobody may read meanwhile.
func (p *peekable) watch(gone func()) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if p.peek() {
			gone()
		}
	}()
	return func() {
		_ = p.SetReadDeadline(time.Unix(1, 0))
		<-done
		_ = p.SetReadDeadline(time.Time{})
	}
}

// watchLong is watch from a while on, for what is usually over before.
func (p *peekable) watchLong(gone func()) (stop func()) {
	watched := make(chan func(), 1)
	timer := time.AfterFunc(watchAfter, func() { watched <- p.watch(gone) })
	return func() {
		if !timer.Stop() {
			(<-watched)()
		}
	}
}

// peek reads until the connection ends, when it returns true, or it is not to read on.
func (p *peekable) peek() bool {
	for len(p.held) < heldBytesMax {
		buf := make([]byte, peekBytes)
		n, err := p.Conn.Read(buf)
		p.held = append(p.held, buf[:n]...)
		p.stats.in.Add(uint64(n)) //nolint:gosec // never negative
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return false
		}
		if err != nil {
			return true
		}
	}
	return false
}
