//go:build unix

package env

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const errWouldBlock = unix.EWOULDBLOCK

func lockFile(f *os.File, alone bool) error {
	how := unix.LOCK_SH
	if alone {
		how = unix.LOCK_EX
	}
	return retry(func() error { return unix.Flock(int(f.Fd()), how|unix.LOCK_NB) })
}

func syncDir(d *os.File) error { return d.Sync() }

func isDiskFull(err error) bool { return errors.Is(err, unix.EDQUOT) }

func freeBytes(dir string) (int64, error) {
	var s unix.Statfs_t
	err := retry(func() error { return unix.Statfs(dir, &s) })
	return int64(s.Bavail) * int64(s.Bsize), err //nolint:unconvert // the types differ between systems
}

// retry runs a system call again that a signal has interrupted before it did
// anything.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
