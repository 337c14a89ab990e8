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
