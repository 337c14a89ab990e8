package benchnode

import (
	"sync/atomic"
	"syscall"
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

// Disk is a file system that gets slow, or full, when it is told to: then no file grows,
// and what is there can be written over.
type Disk struct {
	env.FS
	full      atomic.Bool
	syncDelay atomic.Int64 // nanoseconds
}

// Set says how the disk is from now on.
func (d *Disk) Set(o DiskOrder) {
	d.full.Store(o.Full)
	d.syncDelay.Store(int64(o.SyncDelay))
}

// FreeBytes implements env.FS.
func (d *Disk) FreeBytes(dir string) (int64, error) {
	if d.full.Load() {
		return 0, nil
	}
	return d.FS.FreeBytes(dir)
}

func (d *Disk) wrap(f env.File, err error) (env.File, error) {
	if err != nil {
		return nil, err
	}
	return &file{File: f, disk: d}, nil
}

// Create implements env.FS.
func (d *Disk) Create(name string) (env.File, error) {
	if d.full.Load() {
		return nil, syscall.ENOSPC
	}
	return d.wrap(d.FS.Create(name))
}

// Open implements env.FS.
func (d *Disk) Open(name string) (env.File, error) { return d.wrap(d.FS.Open(name)) }

// SyncDir implements env.FS.
func (d *Disk) SyncDir(dir string) error {
	d.wait()
	return d.FS.SyncDir(dir)
}

// wait is what a sync takes longer.
func (d *Disk) wait() {
	if more := time.Duration(d.syncDelay.Load()); more > 0 {
		time.Sleep(more)
	}
}

// file is an open file of a Disk.
type file struct {
	env.File
	disk *Disk
}

// room tells whether the file may have a size.
func (f *file) room(sizeBytes int64) error {
	if !f.disk.full.Load() {
		return nil
	}
	switch has, err := f.Size(); {
	case err != nil:
		return err
	case sizeBytes > has:
		return syscall.ENOSPC
	}
	return nil
}

// WriteAt implements env.File.
func (f *file) WriteAt(b []byte, at int64) (int, error) {
	if err := f.room(at + int64(len(b))); err != nil {
		return 0, err
	}
	return f.File.WriteAt(b, at)
}

// Preallocate implements env.File.
func (f *file) Preallocate(sizeBytes int64) error {
	if err := f.room(sizeBytes); err != nil {
		return err
	}
	return f.File.Preallocate(sizeBytes)
}

// Reserve implements env.File.
func (f *file) Reserve(sizeBytes int64) error {
	if err := f.room(sizeBytes); err != nil {
		return err
	}
	return f.File.Reserve(sizeBytes)
}

// Sync implements env.File.
func (f *file) Sync() error {
	f.disk.wait()
	return f.File.Sync()
}
