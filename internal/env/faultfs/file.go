package faultfs

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"syscall"
)

// SectorBytes is the unit that a disk writes as a whole, or tears.
const SectorBytes = 512

// versionsMax bounds the contents that are remembered of a sector which is
// written again and again without a sync.
const versionsMax = 4

// inode is a file, whatever its names.
type inode struct {
	data content // what the program sees
	disk content // what is on the disk for sure
	// dirty has the sectors that were written since the last Sync, each with the
	// contents that it had in between: oldest first, without the newest, which is
	// in data. lost has those whose Sync has failed.
	dirty, lost    map[int64][][]byte
	names, handles int
	damaged        bool
}

func newInode() *inode {
	return &inode{dirty: map[int64][][]byte{}, lost: map[int64][][]byte{}}
}

func blocks(n int64) int64 { return (n + blockBytes - 1) / blockBytes * blockBytes }

// touch notes that the bytes from..to are about to change.
func (n *inode) touch(from, to int64) {
	for s := from / SectorBytes; s*SectorBytes < to; s++ {
		versions, lost := n.lost[s]
		if lost {
			delete(n.lost, s)
		} else {
			versions, lost = n.dirty[s]
		}
		if lost { // written before and not on the disk for sure
			versions = append(versions, n.data.sector(s))
			versions = versions[max(0, len(versions)-versionsMax):]
		}
		n.dirty[s] = versions
	}
}

// damage changes the byte at an offset wherever it is kept.
func (n *inode) damage(offset int64, change func([]byte)) {
	n.damaged = true
	for _, c := range []*content{&n.data, &n.disk} {
		if offset < c.sizeBytes {
			change(c.writable(int(offset / pageBytes))[offset%pageBytes:])
		}
	}
	s, in := offset/SectorBytes, offset%SectorBytes
	for _, versions := range [][][]byte{n.dirty[s], n.lost[s]} {
		for i, b := range versions {
			versions[i] = slices.Clone(b) // a clone of the file has it too
			change(versions[i][in:])
		}
	}
}

// resize sets the length of what the program sees.
func (n *inode) resize(size int64) {
	old := n.data.sizeBytes
	if size < old {
		n.touch(size, min(old, (size/SectorBytes+1)*SectorBytes))
	} else { // the disk may still hold something else there
		n.touch(old, min(size, max(old, n.disk.sizeBytes)))
	}
	n.data.resize(size)
}

// sync makes durable what can still be.
func (n *inode) sync() {
	n.disk.resize(n.data.sizeBytes)
	for s := range n.dirty {
		n.disk.take(s, &n.data)
	}
	clear(n.dirty)
}

// fail is what a failed sync does.
func (n *inode) fail() {
	for s, versions := range n.dirty {
		n.lost[s] = versions
	}
	clear(n.dirty)
}

// survivor returns what a power loss leaves of a sector that was not synced.
func (n *inode) survivor(rng *rand.Rand, s int64, versions [][]byte, keep float64) []byte {
	if rng.Float64() >= keep {
		return n.disk.sector(s)
	}
	after := n.data.sector(s)
	if i := rng.IntN(len(versions) + 1); i < len(versions) {
		after = versions[i]
	}
	if rng.IntN(8) > 0 {
		return after
	}
	torn := n.disk.sector(s)
	copy(torn, after[:rng.IntN(SectorBytes)])
	return torn
}

// file is a handle.
type file struct {
	fs       *FS
	node     *inode
	name     string
	writable bool
	closed   bool
}

// begin asks the faults about an operation and takes the lock if it may go on.
func (h *file) begin(op string, o Op) error {
	o.Name = h.name
	if err := h.fs.before(o); err != nil {
		return pathError(op, h.name, err)
	}
	h.fs.mu.Lock()
	if h.closed {
		h.fs.mu.Unlock()
		return pathError(op, h.name, fs.ErrClosed)
	}
	return nil
}

func (h *file) ReadAt(p []byte, offset int64) (int, error) {
	if err := h.begin("read", Op{Kind: OpRead, Offset: offset, Bytes: len(p)}); err != nil {
		return 0, err
	}
	defer h.fs.mu.Unlock()
	if offset < 0 {
		return 0, pathError("read", h.name, syscall.EINVAL)
	}
	n := h.node.data.read(p, offset)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *file) WriteAt(p []byte, offset int64) (int, error) {
	var short *ShortWrite
	var failed error
	if err := h.begin("write", Op{Kind: OpWrite, Offset: offset, Bytes: len(p)}); errors.As(err, &short) {
		failed = err
		p = p[:min(len(p), short.Bytes)]
		h.fs.mu.Lock()
	} else if err != nil {
		return 0, err
	}
	defer h.fs.mu.Unlock()
	switch {
	case h.closed:
		return 0, pathError("write", h.name, fs.ErrClosed)
	case offset < 0:
		return 0, pathError("write", h.name, syscall.EINVAL)
	case !h.writable:
		return 0, pathError("write", h.name, syscall.EBADF)
	}
	end := offset + int64(len(p))
	if room := h.fs.room(h.node); end > room && end > h.node.data.sizeBytes {
		p = p[:max(0, min(int64(len(p)), room-offset))]
		end = offset + int64(len(p))
		failed = pathError("write", h.name, syscall.ENOSPC)
	}
	if len(p) == 0 {
		return 0, failed
	}
	if end > h.node.data.sizeBytes {
		h.fs.truncate(h.node, end)
	}
	h.node.touch(offset, end)
	return h.node.data.write(p, offset), failed
}

// room returns how long the file can get.
func (f *FS) room(n *inode) int64 {
	if f.capacity == 0 {
		return 1 << 62
	}
	own := blocks(n.data.sizeBytes)
	return own + max(0, f.capacity-f.usedBytes)/blockBytes*blockBytes
}

// truncate sets a file's length and counts its space.
func (f *FS) truncate(n *inode, size int64) {
	f.usedBytes += blocks(size) - blocks(n.data.sizeBytes)
	n.resize(size)
}

func (h *file) Sync() error {
	if err := h.begin("sync", Op{Kind: OpSync}); err != nil {
		h.fs.mu.Lock()
		defer h.fs.mu.Unlock()
		h.node.fail()
		return err
	}
	defer h.fs.mu.Unlock()
	h.node.sync()
	return nil
}

// preallocateStep is how much Preallocate writes at once.
const preallocateStep = 256 << 10

// Reserve implements env.File. What it adds is durable, as with Preallocate: a system may
// do that much.
func (h *file) Reserve(sizeBytes int64) error { return h.Preallocate(sizeBytes) }

// Preallocate implements env.File.
func (h *file) Preallocate(sizeBytes int64) error {
	at, err := h.Size()
	if err != nil || at >= sizeBytes {
		return err
	}
	h.fs.mu.Lock()
	room := h.fs.room(h.node)
	h.fs.mu.Unlock()
	if sizeBytes > room {
		return pathError("preallocate", h.name, syscall.ENOSPC)
	}
	from := at
	zeros := make([]byte, min(preallocateStep, sizeBytes-at))
	for at < sizeBytes && err == nil {
		var n int
		n, err = h.WriteAt(zeros[:min(int64(len(zeros)), sizeBytes-at)], at)
		at += int64(n)
	}
	if err == nil {
		err = h.Sync()
	}
	if err != nil {
		return errors.Join(err, h.Truncate(from))
	}
	return nil
}

// Direct implements env.File. It changes nothing that can be seen.
func (h *file) Direct() {}

func (h *file) Truncate(sizeBytes int64) error {
	if err := h.begin("truncate", Op{Kind: OpTruncate, Offset: sizeBytes}); err != nil {
		return err
	}
	defer h.fs.mu.Unlock()
	switch {
	case !h.writable || sizeBytes < 0:
		return pathError("truncate", h.name, syscall.EINVAL)
	case sizeBytes > h.node.data.sizeBytes && sizeBytes > h.fs.room(h.node):
		return pathError("truncate", h.name, syscall.ENOSPC)
	}
	h.fs.truncate(h.node, sizeBytes)
	return nil
}

func (h *file) Size() (int64, error) {
	if err := h.begin("stat", Op{Kind: OpStat}); err != nil {
		return 0, err
	}
	defer h.fs.mu.Unlock()
	return h.node.data.sizeBytes, nil
}

// Evict shows what the disk holds of the sectors whose sync has failed.
func (h *file) Evict() error {
	if err := h.begin("evict", Op{Kind: OpEvict}); err != nil {
		return err
	}
	defer h.fs.mu.Unlock()
	n := h.node
	for _, s := range sortedKeys(n.lost) {
		found := n.survivor(h.fs.rng, s, n.lost[s], 0.5)
		n.data.write(found, s*SectorBytes)
		n.disk.write(found, s*SectorBytes)
	}
	clear(n.lost)
	return nil
}

func (h *file) Close() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return pathError("close", h.name, fs.ErrClosed)
	}
	h.closed = true
	h.node.handles--
	h.fs.release(h.node)
	return nil
}
