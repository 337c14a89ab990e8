package env

import (
	"errors"
	"io"
	"net"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// piecesMax bounds the pieces of one write, as the system does.
const piecesMax = 1024

// writeNow writes as much of frames as the system takes at once.
func writeNow(conn syscall.RawConn, frames [][]byte) (n int, err error) {
	pieces := make([]unix.Iovec, 0, 8)
	for _, f := range frames[:min(len(frames), piecesMax)] {
		if len(f) > 0 {
			p := unix.Iovec{Base: &f[0]}
			p.SetLen(len(f))
			pieces = append(pieces, p)
		}
	}
	if len(pieces) == 0 {
		return 0, nil
	}
	closed := conn.Write(func(fd uintptr) bool {
		n, err = now(unix.SYS_WRITEV, fd, unsafe.Pointer(&pieces[0]), len(pieces))
		return true
	})
	runtime.KeepAlive(frames)
	if errors.Is(err, unix.EAGAIN) {
		err = nil
	}
	if err == nil {
		err = closed
	}
	return n, err
}

// now makes a system call that does not wait, without Go's knowledge.
func now(call, fd uintptr, p unsafe.Pointer, count int) (n int, err error) {
	err = retry(func() error {
		done, _, errno := syscall.RawSyscall(call, fd, uintptr(p), uintptr(count)) //nolint:gosec // it is not negative
		if errno != 0 {
			return errno
		}
		n = int(done) //nolint:gosec // it is at most what there is
		return nil
	})
	return n, err
}

// rawReader reads from a connection and waits until something has come.
type rawReader struct {
	conn syscall.RawConn
	into []byte
	n    int
	err  error
	read func(fd uintptr) bool
}

func reader(_ net.Conn, raw syscall.RawConn) io.Reader {
	r := &rawReader{conn: raw}
	r.read = func(fd uintptr) bool {
		r.n, r.err = now(unix.SYS_READ, fd, unsafe.Pointer(unsafe.SliceData(r.into)), len(r.into))
		return !errors.Is(r.err, unix.EAGAIN)
	}
	return r
}

// Read implements io.Reader.
func (r *rawReader) Read(b []byte) (int, error) {
	r.into = b
	closed := r.conn.Read(r.read)
	r.into = nil
	switch {
	case closed != nil:
		return 0, closed
	case r.err != nil:
		return 0, r.err
	case r.n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return r.n, nil
}
