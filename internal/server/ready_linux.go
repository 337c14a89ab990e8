package server

import (
	"io"
	"syscall"
)

// ready is a connection that is read without waiting.
type ready struct{ *peekable }

// Read implements io.Reader. The error is errNothingCame rather than that it waits.
func (r ready) Read(b []byte) (int, error) {
	if len(r.held) > 0 {
		return r.peekable.Read(b)
	}
	n, blocked, err := r.socket.now(syscall.SYS_READ, b)
	switch {
	case err != nil:
		return 0, err
	case blocked:
		return 0, errNothingCame
	case n == 0:
		return 0, io.EOF
	}
	r.stats.in.Add(uint64(n)) //nolint:gosec // it is positive
	return n, nil
}

// writeNow writes what can be written without waiting, or waits if that is the only way.
func (p *peekable) writeNow(b []byte) (int, error) {
	if p.socket == nil {
		return p.Write(b)
	}
	n, _, err := p.socket.now(syscall.SYS_WRITE, b)
	p.stats.out.Add(uint64(n)) //nolint:gosec // it is not negative
	return n, err
}
