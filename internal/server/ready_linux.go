package server

import (
	"io"
	"syscall"
	"unsafe"
)

// now makes a system call that does not wait. Go is not told of it: it would take the processor away from who makes it and
// look all the time whether to, which costs more than the call.
func now(call, fd uintptr, bytes []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(bytes))), uintptr(len(bytes)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil //nolint:gosec // it is at most len(bytes)
}

// transfer is a read or a write that does not wait. It is kept, so that the next one takes no memory. It belongs to who
// serves the connection.
type transfer struct {
	bytes []byte
	n     int
	err   error
	now   func(fd uintptr) bool // nil before the first
}

// begin makes the transfer one of other bytes by a system call.
func (t *transfer) begin(bytes []byte, call uintptr) {
	t.bytes = bytes
	if t.now == nil {
		t.now = func(fd uintptr) bool {
			t.n, t.err = now(call, fd, t.bytes)
			return true
		}
	}
}

// end returns what came of it. blocked tells that it would have had to wait.
func (t *transfer) end(closed error) (n int, blocked bool, err error) {
	t.bytes = nil
	switch {
	case closed != nil:
		return 0, false, closed
	case t.err == syscall.EAGAIN || t.err == syscall.EINTR: //nolint:errorlint // it is a number, as it was returned
		return 0, true, nil
	case t.err != nil:
		return 0, false, t.err
	}
	return t.n, false, nil
}

// ready is a connection that is read without waiting.
type ready struct{ *peekable }

// Read implements io.Reader. The error is errNothingCame rather than that it waits.
func (r ready) Read(b []byte) (int, error) {
	if len(r.held) > 0 {
		return r.peekable.Read(b)
	}
	r.reading.begin(b, syscall.SYS_READ)
	n, blocked, err := r.reading.end(r.raw.Read(r.reading.now))
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
	if p.raw == nil {
		return p.Write(b)
	}
	p.writing.begin(b, syscall.SYS_WRITE)
	n, _, err := p.writing.end(p.raw.Write(p.writing.now))
	p.stats.out.Add(uint64(n)) //nolint:gosec // it is not negative
	return n, err
}
