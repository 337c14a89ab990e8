package env

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// writeNow writes as much of frames as the system takes at once.
func writeNow(conn syscall.RawConn, frames [][]byte) (n int, err error) {
	closed := conn.Write(func(fd uintptr) bool {
		err = retry(func() (err error) {
			n, err = unix.Writev(int(fd), frames)
			return err
		})
		return true
	})
	if errors.Is(err, unix.EAGAIN) {
		err = nil
	}
	if err == nil {
		err = closed
	}
	return max(n, 0), err
}
