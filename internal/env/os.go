package env

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/godwitdb/godwit/internal/dberr"
)

const (
	// zeroBytes is how much Preallocate writes at once, syncZeroBytes after how
	// much it syncs: often, so that a sync of another file does not have to wait
	// behind a whole segment of zeros in the disk's queue.
	zeroBytes     = 1 << 20
	syncZeroBytes = 4 << 20

	fileMode = 0o644
	dirMode  = 0o755
)

// OS returns the machine's file system.
func OS() FS { return &osFS{} }

// osFS keeps a buffer of zeros for Preallocate, which is rare and long enough
// not to mind taking turns.
type osFS struct {
	zeros struct {
		sync.Mutex
		buf []byte
	}
}

func (o *osFS) open(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, fileMode)
	if err != nil {
		return nil, err
	}
	return &osFile{File: f, fd: f.Fd(), fs: o}, nil
}

func (o *osFS) Create(name string) (File, error) {
	return o.open(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

func (o *osFS) Open(name string) (File, error) { return o.open(name, os.O_RDWR) }

func (o *osFS) OpenRead(name string) (File, error) { return o.open(name, os.O_RDONLY) }

func (o *osFS) FreeBytes(dir string) (int64, error) {
	free, err := freeBytes(dir)
	if err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return free, nil
}

func (o *osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (o *osFS) Remove(name string) error { return os.Remove(name) }

func (o *osFS) MkdirAll(dir string) error { return os.MkdirAll(dir, dirMode) }

func (o *osFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // in order
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (o *osFS) Stat(name string) (Info, error) {
	info, err := os.Stat(name)
	if err != nil {
		return Info{}, err
	}
	return Info{SizeBytes: info.Size(), IsDir: info.IsDir()}, nil
}

func (o *osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return syncDir(d)
}

func (o *osFS) Lock(name string) (io.Closer, error) {
	return lock(name, os.O_RDWR|os.O_CREATE, true)
}

func (o *osFS) LockShared(name string) (io.Closer, error) { return lock(name, os.O_RDONLY, false) }

func lock(name string, flag int, alone bool) (io.Closer, error) {
	f, err := os.OpenFile(name, flag, fileMode)
	if err != nil {
		return nil, err
	}
	// The lock belongs to the open file, not to the process, so it also keeps
	// out a second caller in this process.
	if err := lockFile(f, alone); err != nil {
		if errors.Is(err, errWouldBlock) {
			err = fmt.Errorf("%w: %s", dberr.ErrLocked, name)
		} else {
			err = &os.PathError{Op: "lock", Path: name, Err: err}
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// osFile is a file of the operating system.
type osFile struct {
	*os.File
	fd uintptr // of File, taken once because asking costs an allocation
	fs *osFS
	// direct is whether the system is told to go past its memory.
	direct atomic.Bool
	// unsynced is whether something may have been written that no sync has made durable.
	unsynced atomic.Bool
	// waitsOnly is whether the system can sync this file only while somebody waits.
	waitsOnly atomic.Bool
}

// ReadAt implements File.
func (f *osFile) ReadAt(p []byte, at int64) (int, error) {
	if err := f.indirect(); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, at)
}

// WriteAt implements File.
func (f *osFile) WriteAt(p []byte, at int64) (int, error) {
	if !aligned(p, at) {
		if err := f.indirect(); err != nil {
			return 0, err
		}
	}
	n, err := f.writeAt(p, at)
	if err == nil || !f.direct.Load() || !errors.Is(err, syscall.EINVAL) {
		return n, err
	}
	// This file's blocks are larger, or its system finds out only now that it cannot.
	if err := f.indirect(); err != nil {
		return n, err
	}
	more, err := f.writeAt(p[n:], at+int64(n))
	return n + more, err
}

// WriteDurablyAt implements DurableWriter.
func (f *osFile) WriteDurablyAt(p []byte, at int64) error {
	// What a durable write vouches for is its own data alone.
	if f.direct.Load() && !f.unsynced.Load() && !f.waitsOnly.Load() && aligned(p, at) {
		f.unsynced.Store(true)
		n, err := f.writeDurably(p, at)
		switch {
		case err == nil && n == len(p):
			f.unsynced.Store(false)
			return nil
		case err == nil: // some of it
		case errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL):
			f.waitsOnly.Store(true)
		default:
			return &os.PathError{Op: "write", Path: f.Name(), Err: err}
		}
	}
	if _, err := f.WriteAt(p, at); err != nil {
		return err
	}
	return f.Sync()
}

func (f *osFile) writeAt(p []byte, at int64) (int, error) {
	n, err := f.File.WriteAt(p, at)
	f.unsynced.Store(true) // a sync that has begun before this may not have it
	return n, err
}

// directBytes is the least unit of a direct write.
const directBytes = 4 << 10

// aligned tells whether a write can be direct.
func aligned(p []byte, at int64) bool {
	place := uintptr(unsafe.Pointer(unsafe.SliceData(p)))
	return (uint64(place)|uint64(len(p))|uint64(at))%directBytes == 0
}

// Direct implements File.
func (f *osFile) Direct() { f.direct.Store(f.setDirect(true) == nil) }

// indirect takes back Direct.
func (f *osFile) indirect() error {
	if !f.direct.Load() {
		return nil
	}
	if err := f.setDirect(false); err != nil {
		return &os.PathError{Op: "set flags", Path: f.Name(), Err: err}
	}
	f.direct.Store(false)
	return nil
}

func (f *osFile) Size() (int64, error) {
	info, err := f.File.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f *osFile) Sync() error {
	f.unsynced.Store(false) // what is written beside this sync counts as not synced
	if err := f.syncData(); err != nil {
		f.unsynced.Store(true)
		return &os.PathError{Op: "sync", Path: f.Name(), Err: err}
	}
	return nil
}

func (f *osFile) Preallocate(sizeBytes int64) error {
	from, err := f.Size()
	if err != nil || from >= sizeBytes {
		return err
	}
	// Reserving first finds out at once that the disk is full, and gets one
	// piece of disk.
	if err := f.reserve(sizeBytes); err != nil {
		err = &os.PathError{Op: "preallocate", Path: f.Name(), Err: err}
		return errors.Join(err, f.Truncate(from))
	}
	if err := f.zero(from, sizeBytes); err != nil {
		return errors.Join(err, f.Truncate(from))
	}
	return nil
}

// Reserve implements File.
func (f *osFile) Reserve(sizeBytes int64) error {
	from, err := f.Size()
	if err != nil || from >= sizeBytes {
		return err
	}
	if err := f.reserve(sizeBytes); err != nil {
		return errors.Join(&os.PathError{Op: "reserve", Path: f.Name(), Err: err}, f.Truncate(from))
	}
	size, err := f.Size()
	if err == nil && size >= sizeBytes {
		return f.Sync()
	}
	return errors.Join(err, f.Preallocate(sizeBytes)) // the system cannot
}

// zero writes zeros from one offset to another and syncs them. They go past the system's
// memory: nobody reads them, and to find so much of it free takes more time than the rest.
func (f *osFile) zero(from, to int64) (err error) {
	if !f.direct.Load() {
		f.Direct()
		defer func() { err = errors.Join(err, f.indirect()) }()
	}
	z := &f.fs.zeros
	z.Lock()
	defer z.Unlock()
	if z.buf == nil {
		z.buf = make([]byte, zeroBytes)
	}
	for at, synced := from, from; at < to; {
		n, err := f.WriteAt(z.buf[:min(zeroBytes, to-at)], at)
		if err != nil {
			return err
		}
		at += int64(n)
		if at-synced >= syncZeroBytes || at == to {
			if err := f.Sync(); err != nil {
				return err
			}
			synced = at
		}
	}
	return nil
}

// IsDiskFull tells whether err says that the disk, or the user's share of it,
// has no room left.
func IsDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || isDiskFull(err)
}
