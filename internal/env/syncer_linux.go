//go:build amd64 || arm64

package env

import (
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// controlBlock is struct iocb of a little endian system: what to do.
type controlBlock struct {
	_        uint64 // data
	_        uint32 // key
	writeHow uint32 // RWF_DSYNC
	opcode   uint16
	_        int16 // priority
	fd       uint32
	buf      uint64
	bytes    uint64
	offset   int64
	_        uint64
	flags    uint32
	notify   uint32 // an eventfd
}

// completion is struct io_event: what was done.
type completion struct {
	_, _   uint64 // data, block
	result int64
	_      int64
}

const (
	opWrite      = 1 // IOCB_CMD_PWRITE
	flagNotify   = 1 // IOCB_FLAG_RESFD
	inFlightMax  = 1
	eventFDBytes = 8
)

// syncer is a Syncer with the system's asynchronous writes (io_submit). Only direct ones are
// asynchronous; another would be done before Start returns.
//
// RWF_DSYNC makes a write durable before it is done, with what is needed to read it back, as
// fdatasync does: if the file's size or its blocks have changed, by this write or one
// before (blocks that were only reserved, say), the system commits that to its journal too. But
// of the data it vouches for this write's alone: on a disk that can write past its
// cache, earlier writes may still be in there. So no durable one is started on a file that has
// some which were not synced.
type syncer struct {
	context uintptr
	// news is readable when something is done. Its descriptor is taken once, because
	// asking would make it block.
	news   *os.File
	newsFD uintptr
	ended  chan struct{} // closed when the goroutine has ended that waits for news

	// What was started:
	file   *osFile
	p      []byte
	offset int64
	// durable tells whether the write is.
	durable bool
	block   controlBlock
	wake    func()
	closed  atomic.Bool
}

// NewSyncer implements SyncerFS.
func (o *osFS) NewSyncer(wake func()) (Syncer, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	s := &syncer{newsFD: uintptr(fd), news: os.NewFile(uintptr(fd), "eventfd"), wake: wake, ended: make(chan struct{})}
	if _, _, errno := unix.Syscall(unix.SYS_IO_SETUP, inFlightMax, uintptr(unsafe.Pointer(&s.context)), 0); errno != 0 {
		return nil, errors.Join(errno, s.news.Close())
	}
	go s.listen()
	return s, nil
}

// listen wakes who waits when there is news that nobody has polled.
func (s *syncer) listen() {
	defer close(s.ended)
	b := make([]byte, eventFDBytes)
	for {
		if _, err := s.news.Read(b); err != nil || s.closed.Load() {
			return
		}
		s.wake()
	}
}

// Poll implements Syncer.
func (s *syncer) Poll() bool {
	// A thread of the system's completes the write. While all processors are at work it waits
	// for its turn, for longer than the disk takes. Here is one.
	_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
	var b [eventFDBytes]byte
	n, _, errno := unix.RawSyscall(unix.SYS_READ, s.newsFD, uintptr(unsafe.Pointer(&b)), eventFDBytes)
	return errno == 0 && n == eventFDBytes
}

// Start implements Syncer.
func (s *syncer) Start(f File, p []byte, offset int64, durable bool) bool {
	file, ok := f.(*osFile)
	if !ok || len(p) == 0 || durable && file.unsynced.Load() || file.waitsOnly.Load() || !file.direct.Load() || !aligned(p, offset) {
		return false
	}
	s.file, s.p, s.offset, s.durable = file, p, offset, durable
	how := uint32(0)
	if durable {
		how = unix.RWF_DSYNC
	}
	s.block = controlBlock{
		writeHow: how, opcode: opWrite, fd: uint32(file.fd),
		buf: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))), bytes: uint64(len(p)), offset: offset,
		flags: flagNotify, notify: uint32(s.newsFD),
	}
	block := &s.block
	n, _, errno := unix.Syscall(unix.SYS_IO_SUBMIT, s.context, 1, uintptr(unsafe.Pointer(&block)))
	if errno != 0 || n != 1 {
		// Nothing was begun. If the system does not know such a write, it never will.
		file.waitsOnly.Store(unknown(errno))
		s.file, s.p = nil, nil
		return false
	}
	file.unsynced.Store(true)
	return true
}

// Done implements Syncer.
func (s *syncer) Done() (bool, error) {
	var done completion
	if n, err := s.reap(&done, 0); n == 0 {
		return err != nil, err
	}
	return true, s.finish(done.result)
}

// reap waits for at least so many completions, and takes one if there is one.
func (s *syncer) reap(done *completion, least uintptr) (n uintptr, err error) {
	var noTime unix.Timespec
	timeout := &noTime
	if least > 0 {
		timeout = nil
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_IO_GETEVENTS, s.context, least, 1,
			uintptr(unsafe.Pointer(done)), uintptr(unsafe.Pointer(timeout)), 0)
		switch errno {
		case 0:
			return n, nil
		case unix.EINTR:
		default:
			return 0, &os.PathError{Op: "await write", Path: s.file.Name(), Err: errno}
		}
	}
}

// finish is what a write's result means.
func (s *syncer) finish(result int64) error {
	file, p := s.file, s.p
	runtime.KeepAlive(p)
	s.file, s.p = nil, nil
	err := unix.Errno(max(0, -result))
	switch {
	case result == int64(len(p)):
		if s.durable {
			file.unsynced.Store(false)
		}
		return nil
	case result < 0 && !unknown(err):
		return &os.PathError{Op: "write", Path: file.Name(), Err: err}
	}
	// Some of it, or nothing because the file's system cannot.
	file.waitsOnly.Store(result < 0)
	if _, err := file.WriteAt(p, s.offset); err != nil || !s.durable {
		return err
	}
	return file.Sync()
}

// unknown tells whether an error says that the system, or the file's, does not do such a write.
func unknown(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL)
}

// Close implements Syncer.
func (s *syncer) Close() error {
	var err error
	if s.file != nil {
		var done completion
		if _, err = s.reap(&done, 1); err == nil {
			err = s.finish(done.result)
		}
	}
	s.closed.Store(true)
	if _, _, errno := unix.Syscall(unix.SYS_IO_DESTROY, s.context, 0, 0); errno != 0 {
		err = errors.Join(err, os.NewSyscallError("io_destroy", errno))
	}
	err = errors.Join(err, s.news.Close())
	<-s.ended
	return err
}
