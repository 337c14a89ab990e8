package env

import (
	"errors"

	"golang.org/x/sys/unix"
)

// syncData is fdatasync: it writes the size if that has changed, and spares the
// journal commit that the time of modification would cost.
func (f *osFile) syncData() error {
	for {
		if err := unix.Fdatasync(int(f.fd)); err != unix.EINTR {
			return err
		}
	}
}

// writeDurably writes, and waits until that is durable. errors.ErrUnsupported: the system knows no such
// write.
func (f *osFile) writeDurably(p []byte, at int64) (n int, err error) {
	err = retry(func() (err error) {
		n, err = unix.Pwritev2(int(f.fd), [][]byte{p}, at, unix.RWF_DSYNC)
		return err
	})
	return n, err
}

// reserve takes the disk space up to sizeBytes.
func (f *osFile) reserve(sizeBytes int64) error {
	err := retry(func() error { return unix.Fallocate(int(f.fd), 0, 0, sizeBytes) })
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil // the zeros will take it
	}
	return err
}

func (f *osFile) Evict() error {
	return retry(func() error { return unix.Fadvise(int(f.fd), 0, 0, unix.FADV_DONTNEED) })
}

// setDirect has reads and writes go past the system's memory, or not.
func (f *osFile) setDirect(on bool) error {
	flags, err := unix.FcntlInt(f.fd, unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	flags &^= unix.O_DIRECT
	if on {
		flags |= unix.O_DIRECT
	}
	_, err = unix.FcntlInt(f.fd, unix.F_SETFL, flags)
	return err
}
