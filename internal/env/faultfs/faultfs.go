package faultfs

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
)

var _ env.FS = (*FS)(nil)

// blockBytes is the unit in which files take space.
const blockBytes = 4096

// FS is a file system in memory.
type FS struct {
	mu    sync.Mutex
	rng   *rand.Rand
	files map[string]*inode
	dirs  map[string]bool
	// onDisk and dirsOnDisk are the names that survive for sure, pending the
	// operations that lead from them to files and dirs.
	onDisk     map[string]*inode
	dirsOnDisk map[string]bool
	pending    []dirOp
	locks      map[string]int // how many share a lock, -1 if one has it alone
	usedBytes  int64
	capacity   int64 // 0 is unlimited
	faults     faults
}

// New returns an empty file system on a disk without limit.
func New(seed uint64) *FS {
	return &FS{
		rng:        rand.New(rand.NewPCG(seed, 1)),
		files:      map[string]*inode{},
		dirs:       map[string]bool{},
		onDisk:     map[string]*inode{},
		dirsOnDisk: map[string]bool{},
		locks:      map[string]int{},
		faults:     faults{counts: map[OpKind]int{}},
	}
}

// SetCapacity limits the disk to bytes, 0 takes the limit away. Files take whole
// blocks of 4 KiB; what is there already stays.
func (f *FS) SetCapacity(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.capacity = bytes
}

// UsedBytes returns how much space the files take.
func (f *FS) UsedBytes() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.usedBytes
}

// dirOp is a directory operation that may not have reached the disk.
type dirOp struct {
	kind  OpKind // OpCreate, OpMkdir, OpRename or OpRemove
	name  string
	to    string // of OpRename
	inode *inode // of OpCreate and OpRename
}

func (o *dirOp) names() []string {
	if o.kind == OpRename {
		return []string{o.name, o.to}
	}
	return []string{o.name}
}

// apply does the operation to names on the disk.
func (o *dirOp) apply(files map[string]*inode, dirs map[string]bool) {
	switch o.kind {
	case OpCreate:
		files[o.name] = o.inode
	case OpMkdir:
		dirs[o.name] = true
	case OpRename:
		delete(files, o.name)
		files[o.to] = o.inode
	case OpRemove:
		delete(files, o.name)
		delete(dirs, o.name)
	}
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// dirExists tells whether a folder exists. Roots always do.
func (f *FS) dirExists(dir string) bool { return isRoot(dir) || f.dirs[dir] }

func isRoot(dir string) bool { return dir == "." || filepath.Dir(dir) == dir }

// Create makes or truncates a file.
func (f *FS) Create(name string) (env.File, error) {
	name = filepath.Clean(name)
	if err := f.before(Op{Kind: OpCreate, Name: name}); err != nil {
		return nil, pathError("create", name, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	node, err := f.create(name)
	if err != nil {
		return nil, pathError("create", name, err)
	}
	f.truncate(node, 0)
	node.damaged = false
	return f.handle(node, name, true), nil
}

// create returns the file of that name, and makes it if there is none.
func (f *FS) create(name string) (*inode, error) {
	if f.dirs[name] {
		return nil, syscall.EISDIR
	}
	if node := f.files[name]; node != nil {
		return node, nil
	}
	if !f.dirExists(filepath.Dir(name)) {
		return nil, fs.ErrNotExist
	}
	node := newInode()
	f.files[name] = node
	node.names++
	f.pending = append(f.pending, dirOp{kind: OpCreate, name: name, inode: node})
	return node, nil
}

// Open opens a file for reading and writing.
func (f *FS) Open(name string) (env.File, error) { return f.open(name, true) }

// OpenRead opens a file for reading.
func (f *FS) OpenRead(name string) (env.File, error) { return f.open(name, false) }

func (f *FS) open(name string, writable bool) (env.File, error) {
	name = filepath.Clean(name)
	if err := f.before(Op{Kind: OpOpen, Name: name}); err != nil {
		return nil, pathError("open", name, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	node := f.files[name]
	if node == nil {
		return nil, pathError("open", name, fs.ErrNotExist)
	}
	return f.handle(node, name, writable), nil
}

func (f *FS) handle(node *inode, name string, writable bool) *file {
	node.handles++
	return &file{fs: f, node: node, name: name, writable: writable}
}

// Rename gives a file another name.
func (f *FS) Rename(from, to string) error {
	from, to = filepath.Clean(from), filepath.Clean(to)
	if err := f.before(Op{Kind: OpRename, Name: from, To: to}); err != nil {
		return pathError("rename", from, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	node := f.files[from]
	if node == nil || !f.dirExists(filepath.Dir(to)) {
		return pathError("rename", from, fs.ErrNotExist)
	}
	if old := f.files[to]; old != nil && old != node {
		old.names--
		f.release(old)
	}
	delete(f.files, from)
	f.files[to] = node
	f.pending = append(f.pending, dirOp{kind: OpRename, name: from, to: to, inode: node})
	return nil
}

// Remove removes a file or an empty folder.
func (f *FS) Remove(name string) error {
	name = filepath.Clean(name)
	if err := f.before(Op{Kind: OpRemove, Name: name}); err != nil {
		return pathError("remove", name, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch node := f.files[name]; {
	case node != nil:
		delete(f.files, name)
		node.names--
		f.release(node)
	case f.dirs[name] && len(f.list(name)) > 0:
		return pathError("remove", name, syscall.ENOTEMPTY)
	case f.dirs[name]:
		delete(f.dirs, name)
	default:
		return pathError("remove", name, fs.ErrNotExist)
	}
	f.pending = append(f.pending, dirOp{kind: OpRemove, name: name})
	return nil
}

// release gives the space of a file back that has neither name nor handle.
func (f *FS) release(node *inode) {
	if node.names == 0 && node.handles == 0 {
		f.usedBytes -= blocks(node.data.sizeBytes)
	}
}

// List returns the names in a folder.
func (f *FS) List(dir string) ([]string, error) {
	dir = filepath.Clean(dir)
	if err := f.before(Op{Kind: OpList, Name: dir}); err != nil {
		return nil, pathError("list", dir, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.dirExists(dir) {
		return nil, pathError("list", dir, fs.ErrNotExist)
	}
	return f.list(dir), nil
}

func (f *FS) list(dir string) []string {
	var names []string
	for name := range f.files {
		if filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	for name := range f.dirs {
		if filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	slices.Sort(names)
	return names
}

// MkdirAll makes a folder and those above it.
func (f *FS) MkdirAll(dir string) error {
	dir = filepath.Clean(dir)
	if err := f.before(Op{Kind: OpMkdir, Name: dir}); err != nil {
		return pathError("mkdir", dir, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var missing []string
	for d := dir; !f.dirExists(d); d = filepath.Dir(d) {
		if f.files[d] != nil {
			return pathError("mkdir", d, syscall.ENOTDIR)
		}
		missing = append(missing, d)
	}
	for _, d := range slices.Backward(missing) {
		f.dirs[d] = true
		f.pending = append(f.pending, dirOp{kind: OpMkdir, name: d})
	}
	return nil
}

// Stat describes a file or folder.
func (f *FS) Stat(name string) (env.Info, error) {
	name = filepath.Clean(name)
	if err := f.before(Op{Kind: OpStat, Name: name}); err != nil {
		return env.Info{}, pathError("stat", name, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if node := f.files[name]; node != nil {
		return env.Info{SizeBytes: node.data.sizeBytes}, nil
	}
	if f.dirExists(name) {
		return env.Info{IsDir: true}, nil
	}
	return env.Info{}, pathError("stat", name, fs.ErrNotExist)
}

// FreeBytes returns how much space is left, a lot on a disk without limit.
func (f *FS) FreeBytes(dir string) (int64, error) {
	dir = filepath.Clean(dir)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.dirExists(dir) {
		return 0, pathError("statfs", dir, fs.ErrNotExist)
	}
	if f.capacity == 0 {
		return 1 << 62, nil
	}
	return max(0, f.capacity-f.usedBytes), nil
}

// SyncDir makes durable which names the folder holds.
func (f *FS) SyncDir(dir string) error {
	dir = filepath.Clean(dir)
	if err := f.before(Op{Kind: OpSyncDir, Name: dir}); err != nil {
		return pathError("sync", dir, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.dirExists(dir) {
		return pathError("sync", dir, fs.ErrNotExist)
	}
	// An operation elsewhere that one in this folder builds on gets durable
	// with it.
	names := map[string]bool{}
	syncs := make([]bool, len(f.pending))
	for i, op := range slices.Backward(f.pending) {
		for _, name := range op.names() {
			syncs[i] = syncs[i] || names[name] || filepath.Dir(name) == dir
		}
		if syncs[i] {
			for _, name := range op.names() {
				names[name] = true
			}
		}
	}
	var rest []dirOp
	for i, op := range f.pending {
		if syncs[i] {
			op.apply(f.onDisk, f.dirsOnDisk)
		} else {
			rest = append(rest, op)
		}
	}
	f.pending = rest
	return nil
}

// Lock makes and takes a lock file.
func (f *FS) Lock(name string) (io.Closer, error) {
	return f.lock(name, func(name string) error {
		_, err := f.create(name)
		return err
	}, -1)
}

// LockShared takes a lock file that is there.
func (f *FS) LockShared(name string) (io.Closer, error) {
	return f.lock(name, func(name string) error {
		if f.files[name] == nil {
			return fs.ErrNotExist
		}
		return nil
	}, 1)
}

func (f *FS) lock(name string, open func(name string) error, share int) (io.Closer, error) {
	name = filepath.Clean(name)
	if err := f.before(Op{Kind: OpLock, Name: name}); err != nil {
		return nil, pathError("lock", name, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if have := f.locks[name]; have < 0 || have > 0 && share < 0 {
		return nil, fmt.Errorf("%w: %s", dberr.ErrLocked, name)
	}
	if err := open(name); err != nil {
		return nil, pathError("lock", name, err)
	}
	f.locks[name] += share
	return &unlocker{fs: f, name: name, share: share}, nil
}

type unlocker struct {
	fs    *FS
	name  string
	share int // 0 when it was given back
}

func (u *unlocker) Close() error {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	if u.share == 0 {
		return pathError("unlock", u.name, fs.ErrClosed)
	}
	u.fs.locks[u.name] -= u.share
	u.share = 0
	return nil
}

// Names returns the names of all files, in order.
func (f *FS) Names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.files))
}
