package sim

import (
	"errors"
	"io"
	"math/rand/v2"
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
	// CrashChance is the chance that the node loses its power at an operation.
	CrashChance float64
}

// ErrSync is why a sync has failed.
var ErrSync = errors.New("sim: the disk has lost a write")

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
	if !j.on.yield(n.disk) {
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
		return ErrSync
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

func (f *fileSystem) Rename(from, to string) error {
	f.write()
	f.n.w.Logf("n%d renames %s to %s", f.n.id, from, to)
	return f.fs.Rename(from, to)
}

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
	if n.w.out != nil {
		n.w.Logf("n%d writes %d bytes to %s at %d", n.id, len(p), h.name, at)
	}
	if n.astray {
		n.astray = false
		elsewhere := n.w.elsewhere(at)
		n.w.Logf("n%d: the write to %s at %d goes to %d", n.id, h.name, at, elsewhere)
		if err := h.fs.fs.Misplace(h.name, elsewhere, p); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	return h.File.WriteAt(p, at)
}

// elsewhere draws where a write goes instead of its place: to a sector before it,
// so that what comes later does not cover it up; one at the beginning of a file
// to one behind.
func (w *World) elsewhere(at int64) int64 {
	if at == 0 {
		return int64(1+w.rng.IntN(8)) * faultfs.SectorBytes
	}
	sectors := (at + faultfs.SectorBytes - 1) / faultfs.SectorBytes
	return w.rng.Int64N(sectors) * faultfs.SectorBytes
}

func (h *file) Sync() error {
	if n := h.fs.n; n.w.out != nil {
		n.w.Logf("n%d syncs %s", n.id, h.name)
	}
	if err := h.fs.sync(); err != nil {
		// The disk has dropped what was to be synced.
		h.fs.fs.Fail(faultfs.OpSync, 1, 1, err)
	}
	return h.File.Sync()
}

func (h *file) Preallocate(bytes int64) error { h.fs.write(); return h.File.Preallocate(bytes) }
func (h *file) Reserve(bytes int64) error     { h.fs.write(); return h.File.Reserve(bytes) }
func (h *file) Truncate(bytes int64) error    { h.fs.write(); return h.File.Truncate(bytes) }
func (h *file) Size() (int64, error)          { h.fs.write(); return h.File.Size() }
func (h *file) Evict() error                  { h.fs.write(); return h.File.Evict() }

// StallDisk makes the node's disk do nothing for d.
func (n *Node) StallDisk(d time.Duration) {
	n.w.Logf("n%d: the disk stalls for %v", n.id, d)
	n.disk = max(n.disk, n.w.now) + d
}

// FillDisk leaves room bytes on the node's disk; less than 0 is no limit.
func (n *Node) FillDisk(room int64) {
	if room < 0 {
		n.fs.SetCapacity(0)
		return
	}
	n.w.Logf("n%d: the disk has room for %d bytes", n.id, room)
	n.fs.SetCapacity(n.fs.UsedBytes() + max(1, room))
}

// Misdirect makes the next write of a node that is Exposed go to the wrong place,
// where it is on the disk at once.
func (n *Node) Misdirect() { n.astray = n.Exposed != nil }

// rot turns over a bit of a node that is Exposed.
func (n *Node) rot(rng *rand.Rand) {
	if n.Exposed == nil {
		return
	}
	name, bytes := n.Exposed()
	if bytes == 0 {
		return
	}
	at, bit := int64(rng.IntN(bytes)), uint(rng.IntN(8))
	if err := n.fs.FlipBit(name, at, bit); err != nil {
		n.w.Fail("n%d: no bit can rot: %v", n.id, err)
		return
	}
	n.w.Logf("n%d: bit %d of byte %d of %s rots", n.id, bit, at, name)
}
