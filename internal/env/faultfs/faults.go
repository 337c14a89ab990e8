package faultfs

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
)

// OpKind is a kind of operation that can be made to fail.
type OpKind int

// The kinds of operations.
const (
	OpCreate OpKind = iota + 1
	OpOpen
	OpRead
	OpWrite
	OpSync
	OpTruncate
	OpEvict
	OpStat
	OpList
	OpMkdir
	OpRename
	OpRemove
	OpSyncDir
	OpLock
)

func (k OpKind) String() string {
	names := [...]string{"none", "create", "open", "read", "write", "sync", "truncate", "evict", "stat", "list", "mkdir",
		"rename", "remove", "syncdir", "lock"}
	if k < 0 || int(k) >= len(names) {
		return fmt.Sprintf("OpKind(%d)", int(k))
	}
	return names[k]
}

// Changes tells whether the operation changes what is on the disk: those are the
// points at which a crash makes a difference.
func (k OpKind) Changes() bool {
	switch k {
	case OpCreate, OpWrite, OpSync, OpTruncate, OpMkdir, OpRename, OpRemove, OpSyncDir:
		return true
	}
	return false
}

// Op is an operation that is about to happen.
type Op struct {
	Kind   OpKind
	Name   string
	To     string // of OpRename
	Offset int64  // of OpRead and OpWrite; the new size of OpTruncate
	Bytes  int    // of OpRead and OpWrite
	N      int    // how many of this kind there were, this one included
}

func (o Op) String() string {
	return fmt.Sprintf("%s %d of %s%s at %d, %d bytes", o.Kind, o.N, o.Name, o.To, o.Offset, o.Bytes)
}

// ShortWrite is an error that lets the first Bytes of a write happen.
type ShortWrite struct {
	Bytes int
	Err   error
}

func (s *ShortWrite) Error() string { return fmt.Sprintf("after %d bytes: %v", s.Bytes, s.Err) }

// Unwrap returns Err.
func (s *ShortWrite) Unwrap() error { return s.Err }

// faults decides which operations fail.
type faults struct {
	mu     sync.Mutex
	counts map[OpKind]int
	hook   func(Op) error
	rules  []rule
}

type rule struct {
	kind     OpKind
	from, to int
	err      error
}

// SetHook makes hook be called before every operation; an error that it returns
// is the operation's. It may use the FS, Crash and Clone above all. Calls of
// several goroutines are not serialised. nil takes the hook away.
func (f *FS) SetHook(hook func(Op) error) {
	f.faults.mu.Lock()
	defer f.faults.mu.Unlock()
	f.faults.hook = hook
}

// Fail makes count operations of a kind fail with err, from the nth from now on
// (1 is the next).
func (f *FS) Fail(kind OpKind, n, count int, err error) {
	f.faults.mu.Lock()
	defer f.faults.mu.Unlock()
	from := f.faults.counts[kind] + n
	f.faults.rules = append(f.faults.rules, rule{kind, from, from + count, err})
}

// Heal takes away all that Fail has set up.
func (f *FS) Heal() {
	f.faults.mu.Lock()
	defer f.faults.mu.Unlock()
	f.faults.rules = nil
}

// Count returns how many operations of a kind there were.
func (f *FS) Count(kind OpKind) int {
	f.faults.mu.Lock()
	defer f.faults.mu.Unlock()
	return f.faults.counts[kind]
}

// before counts an operation and returns the error that it has to fail with.
func (f *FS) before(op Op) error {
	f.faults.mu.Lock()
	f.faults.counts[op.Kind]++
	op.N = f.faults.counts[op.Kind]
	hook := f.faults.hook
	var err error
	for _, r := range f.faults.rules {
		if r.kind == op.Kind && op.N >= r.from && op.N < r.to {
			err = r.err
		}
	}
	f.faults.mu.Unlock()
	if hook != nil {
		if hookErr := hook(op); hookErr != nil {
			err = hookErr
		}
	}
	return err
}

// FlipBit turns over one bit of a file, on the disk too.
func (f *FS) FlipBit(name string, offset int64, bit uint) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	node := f.files[filepath.Clean(name)]
	if node == nil || offset >= node.data.sizeBytes {
		return pathError("flip", name, fs.ErrNotExist)
	}
	node.damage(offset, func(b []byte) { b[0] ^= 1 << (bit % 8) })
	return nil
}

// Misplace writes to a file as a disk does that takes one place for another: past
// all that is remembered for a crash.
func (f *FS) Misplace(name string, offset int64, p []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	node := f.files[filepath.Clean(name)]
	if node == nil {
		return pathError("misplace", name, fs.ErrNotExist)
	}
	end := offset + int64(len(p))
	if end > node.data.sizeBytes {
		f.truncate(node, end)
	}
	if end > node.disk.sizeBytes {
		node.disk.resize(end)
	}
	for i, x := range p {
		node.damage(offset+int64(i), func(b []byte) { b[0] = x })
	}
	return nil
}

// Damaged tells whether FlipBit or Misplace has changed a file since it was made.
// Crashes and other names make no difference.
func (f *FS) Damaged(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	node := f.files[filepath.Clean(name)]
	return node != nil && node.damaged
}

// Synced returns what is on the disk of a file for sure.
func (f *FS) Synced(name string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	node := f.files[filepath.Clean(name)]
	if node == nil {
		return nil, pathError("read", name, fs.ErrNotExist)
	}
	return node.disk.bytes(), nil
}

// ReadFile returns what a file holds.
func (f *FS) ReadFile(name string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	node := f.files[filepath.Clean(name)]
	if node == nil {
		return nil, pathError("read", name, fs.ErrNotExist)
	}
	return node.data.bytes(), nil
}

// WriteFile makes a file with this content, name and content on the disk. Its
// folder is made too.
func (f *FS) WriteFile(name string, content []byte) error {
	name = filepath.Clean(name)
	if err := f.MkdirAll(filepath.Dir(name)); err != nil {
		return err
	}
	h, err := f.Create(name)
	if err != nil {
		return err
	}
	defer h.Close()
	if _, err := h.WriteAt(content, 0); err != nil {
		return err
	}
	if err := h.Sync(); err != nil {
		return err
	}
	for dir := filepath.Dir(name); ; dir = filepath.Dir(dir) {
		if err := f.SyncDir(dir); err != nil || isRoot(dir) {
			return err
		}
	}
}
