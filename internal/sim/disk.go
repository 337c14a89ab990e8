package sim

import (
	"io"
	"io/fs"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
)

// Disk says how a node's disk behaves.
type Disk struct {
	WriteDelay time.Duration // of an operation that does not sync
	SyncDelay  time.Duration
	Spread     float64 // delays vary by up to this factor
	// StallChance is the chance that an operation takes StallTime more.
	StallChance float64
	StallTime   time.Duration
	// FailSync is the chance that a sync fails.
	FailSync float64
	// Misdirect is the chance that a write goes to another sector.
	Misdirect float64
	// CrashChance is the chance that the node loses its power at an operation.
	CrashChance float64
}

// fileSystem is the FS of one node from one start to the next crash. Each
// operation takes its time and then happens, unless the node has crashed by
// then.
type fileSystem struct {
	n    *Node
	host *host
	fs   *faultfs.FS
}

var _ env.FS = (*fileSystem)(nil)

// op lets the time of an operation pass.
func (f *fileSystem) op(delay time.Duration) {
	n, w := f.n, f.n.w
	if f.host.dead {
		panic(stopped{})
	}
	j := n.job
	if j == nil {
		panic("sim: a file operation on the event loop: it would block all tasks of the node")
	}
	d := &n.Disk
	if d.Spread > 1 {
		delay = time.Duration(float64(delay) * (1 + w.rng.Float64()*(d.Spread-1)))
	}
	if d.StallChance > 0 && w.rng.Float64() < d.StallChance {
		w.Logf("n%d: the disk stalls for %v", n.id, d.StallTime)
		delay += d.StallTime
	}
	n.disk = max(n.disk, w.now) + delay
	if !j.yield(n.disk) {
		panic(stopped{})
	}
	w.note(noteDisk, uint64(n.id), uint64(w.now))
	if d.CrashChance > 0 && w.rng.Float64() < d.CrashChance {
		n.Crash(true)
		panic(stopped{})
	}
}

func (f *fileSystem) write() { f.op(f.n.Disk.WriteDelay) }

// sync passes the time of a sync and tells whether it fails.
func (f *fileSystem) sync() error {
	f.op(f.n.Disk.SyncDelay)
	if p := f.n.Disk.FailSync; p > 0 && f.n.w.rng.Float64() < p {
		f.n.w.Logf("n%d: a sync fails", f.n.id)
		return fs.ErrInvalid
	}
	return nil
}

func (f *fileSystem) handle(h env.File, name string, err error) (env.File, error) {
	if err != nil {
		return nil, err
	}
	return &file{File: h, fs: f, name: name}, nil
}

func (f *fileSystem) Create(name string) (env.File, error) {
	f.write()
	h, err := f.fs.Create(name)
	return f.handle(h, name, err)
}

func (f *fileSystem) Open(name string) (env.File, error) {
	f.write()
	h, err := f.fs.Open(name)
	return f.handle(h, name, err)
}

func (f *fileSystem) OpenRead(name string) (env.File, error) {
	f.write()
	h, err := f.fs.OpenRead(name)
	return f.handle(h, name, err)
}

func (f *fileSystem) Rename(from, to string) error { f.write(); return f.fs.Rename(from, to) }

func (f *fileSystem) Remove(name string) error { f.write(); return f.fs.Remove(name) }

func (f *fileSystem) List(dir string) ([]string, error) { f.write(); return f.fs.List(dir) }

func (f *fileSystem) MkdirAll(dir string) error { f.write(); return f.fs.MkdirAll(dir) }

func (f *fileSystem) Stat(name string) (env.Info, error) { f.write(); return f.fs.Stat(name) }

func (f *fileSystem) FreeBytes(dir string) (int64, error) { f.write(); return f.fs.FreeBytes(dir) }

func (f *fileSystem) Lock(name string) (io.Closer, error) { f.write(); return f.fs.Lock(name) }

func (f *fileSystem) LockShared(name string) (io.Closer, error) {
	f.write()
	return f.fs.LockShared(name)
}

func (f *fileSystem) SyncDir(dir string) error {
	if err := f.sync(); err != nil {
		return err
	}
	return f.fs.SyncDir(dir)
}

// file is a handle.
type file struct {
	env.File
	fs   *fileSystem
	name string
}

func (h *file) ReadAt(p []byte, at int64) (int, error) { h.fs.write(); return h.File.ReadAt(p, at) }

func (h *file) WriteAt(p []byte, at int64) (int, error) {
	h.fs.write()
	n := h.fs.n
	if chance := n.Disk.Misdirect; chance > 0 && n.w.rng.Float64() < chance {
		elsewhere := int64(n.w.rng.IntN(8)) * faultfs.SectorBytes
		n.w.Logf("n%d: a write to %s at %d goes to %d", n.id, h.name, at, elsewhere)
		at = elsewhere
	}
	return h.File.WriteAt(p, at)
}

func (h *file) Sync() error {
	if err := h.fs.sync(); err != nil {
		// The disk has dropped what was to be synced.
		h.fs.fs.Fail(faultfs.OpSync, 1, 1, err)
	}
	return h.File.Sync()
}

func (h *file) Preallocate(bytes int64) error { h.fs.write(); return h.File.Preallocate(bytes) }
func (h *file) Truncate(bytes int64) error    { h.fs.write(); return h.File.Truncate(bytes) }
func (h *file) Size() (int64, error)          { h.fs.write(); return h.File.Size() }
func (h *file) Evict() error                  { h.fs.write(); return h.File.Evict() }
