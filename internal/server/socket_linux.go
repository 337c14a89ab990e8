package server

import (
	"net"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// socket is a client's connection of which Go's own epoll does not know: a thread that waits for everything there would be woken
// by each request, for nothing, since the poller finds it. Only when somebody has to wait for the client is it made known
// to Go, and stays so.
type socket struct {
	local, remote net.Addr

	mu struct {
		sync.RWMutex          // held for reading by who uses fd, which does not wait
		fd           int      // -1 when it is closed
		known        net.Conn // the same connection as Go knows it; nil before somebody has waited
	}
}

// takeOver makes the connection a socket if it can be one.
func (p *peekable) takeOver() {
	raw := rawOf(p.Conn)
	if raw == nil {
		return
	}
	fd, errno := uintptr(0), syscall.EBADF
	_ = raw.Control(func(known uintptr) {
		fd, _, errno = syscall.Syscall(syscall.SYS_FCNTL, known, syscall.F_DUPFD_CLOEXEC, 0)
	})
	if errno != 0 {
		return
	}
	s := &socket{local: p.LocalAddr(), remote: p.RemoteAddr()}
	s.mu.fd = int(fd)  //nolint:gosec // it is small
	_ = p.Conn.Close() // the other descriptor: so Go forgets the connection
	p.Conn, p.socket = s, s
}

// now makes a system call with bytes that does not wait; blocked tells that it would have had to. Go is not told of it: it would
// take the processor away from who makes it and look all the time whether to, which costs more than the call.
func (s *socket) now(call uintptr, bytes []byte) (n int, blocked bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.mu.fd < 0 {
		return 0, false, net.ErrClosed
	}
	for {
		got, _, errno := syscall.RawSyscall(call, uintptr(s.mu.fd), uintptr(unsafe.Pointer(unsafe.SliceData(bytes))), uintptr(len(bytes)))
		switch errno {
		case 0:
			return int(got), false, nil //nolint:gosec // it is at most len(bytes)
		case syscall.EAGAIN:
			return 0, true, nil
		case syscall.EINTR:
			continue
		}
		return 0, false, errno
	}
}

// control calls fn with the descriptor, which is open until it returns.
func (s *socket) control(fn func(fd int) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.mu.fd < 0 {
		return net.ErrClosed
	}
	return fn(s.mu.fd)
}

// waits returns the connection as Go knows it, whose descriptor takes the place of the one before.
func (s *socket) waits() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.mu.fd < 0:
		return nil, net.ErrClosed
	case s.mu.known != nil:
		return s.mu.known, nil
	}
	file := os.NewFile(uintptr(s.mu.fd), "socket")
	known, err := net.FileConn(file) // meanwhile calls may wait that must not: nobody makes any
	_ = file.Close()
	if err != nil {
		s.mu.fd = -1
		return nil, err
	}
	s.mu.known, s.mu.fd = known, descriptor(known)
	return known, nil
}

// Read implements net.Conn.
func (s *socket) Read(b []byte) (int, error) {
	known, err := s.waits()
	if err != nil {
		return 0, err
	}
	return known.Read(b)
}

// Write implements net.Conn.
func (s *socket) Write(b []byte) (int, error) {
	known, err := s.waits()
	if err != nil {
		return 0, err
	}
	return known.Write(b)
}

// Close implements net.Conn.
func (s *socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.fd < 0 {
		return net.ErrClosed
	}
	fd := s.mu.fd
	s.mu.fd = -1
	if s.mu.known != nil {
		return s.mu.known.Close() // who waits there is woken
	}
	return syscall.Close(fd)
}

// LocalAddr implements net.Conn.
func (s *socket) LocalAddr() net.Addr { return s.local }

// RemoteAddr implements net.Conn.
func (s *socket) RemoteAddr() net.Addr { return s.remote }

// SetDeadline implements net.Conn.
func (s *socket) SetDeadline(t time.Time) error {
	known, err := s.waits()
	if err != nil {
		return err
	}
	return known.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (s *socket) SetReadDeadline(t time.Time) error {
	known, err := s.waits()
	if err != nil {
		return err
	}
	return known.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (s *socket) SetWriteDeadline(t time.Time) error {
	known, err := s.waits()
	if err != nil {
		return err
	}
	return known.SetWriteDeadline(t)
}
