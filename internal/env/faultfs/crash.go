package faultfs

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
)

// Crash returns the file system as a power loss at this moment leaves it. rng
// decides what survives of what was not synced; the original is not touched.
func (f *FS) Crash(rng *rand.Rand) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := New(rng.Uint64())
	c.capacity = f.capacity
	files, dirs := f.survivingNames(rng)
	keep := chance(rng)
	copies := map[*inode]*inode{}
	for _, name := range sortedKeys(files) {
		node := files[name]
		if copies[node] == nil {
			copies[node] = node.crash(rng, keep)
			c.usedBytes += blocks(copies[node].data.sizeBytes)
		}
		copies[node].names++
		c.files[name] = copies[node]
	}
	c.dirs = dirs
	c.onDisk, c.dirsOnDisk = maps.Clone(c.files), maps.Clone(c.dirs)
	return c
}

// chance returns a probability with which things survive: all and nothing come
// up often, because they are the easiest to reason about and to get wrong.
func chance(rng *rand.Rand) float64 {
	switch rng.IntN(5) {
	case 0:
		return 0
	case 1:
		return 1
	}
	return rng.Float64()
}

// survivingNames returns the names after a power loss. An operation can only
// survive if those before it survive that touched the same names.
func (f *FS) survivingNames(rng *rand.Rand) (map[string]*inode, map[string]bool) {
	files, dirs := maps.Clone(f.onDisk), maps.Clone(f.dirsOnDisk)
	keep := chance(rng)
	dropped := map[string]bool{}
	for _, op := range f.pending {
		drop := rng.Float64() >= keep
		for _, name := range op.names() {
			drop = drop || dropped[name]
		}
		if !drop {
			op.apply(files, dirs)
			continue
		}
		for _, name := range op.names() {
			dropped[name] = true
		}
	}
	// What lies in a folder that has not survived is gone.
	reachable := func(name string) bool {
		for dir := filepath.Dir(name); !isRoot(dir); dir = filepath.Dir(dir) {
			if !dirs[dir] {
				return false
			}
		}
		return true
	}
	maps.DeleteFunc(files, func(name string, _ *inode) bool { return !reachable(name) })
	maps.DeleteFunc(dirs, func(name string, _ bool) bool { return !reachable(name) })
	return files, dirs
}

// crash returns what a power loss leaves of a file.
func (n *inode) crash(rng *rand.Rand, keep float64) *inode {
	size := n.disk.sizeBytes
	if seen := n.data.sizeBytes; seen != size {
		switch rng.IntN(3) {
		case 0:
			size = seen
		case 1:
			size = min(size, seen) + rng.Int64N(max(size, seen)-min(size, seen))
		}
	}
	c := newInode()
	c.data, c.damaged = n.disk.clone(), n.damaged
	c.data.resize(size)
	for _, lost := range []map[int64][][]byte{n.dirty, n.lost} {
		for _, s := range sortedKeys(lost) {
			c.data.write(n.survivor(rng, s, lost[s], keep), s*SectorBytes)
		}
	}
	c.disk = c.data.clone()
	return c
}

// Clone returns the file system as the death of the process leaves it: handles
// and locks are gone, everything that was written is there, and what was not
// synced still is not. The original is not touched; faults do not carry over.
func (f *FS) Clone() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := New(f.rng.Uint64())
	c.capacity = f.capacity
	copies := map[*inode]*inode{}
	clone := func(n *inode) *inode {
		if n == nil {
			return nil
		}
		if copies[n] == nil {
			copies[n] = n.clone()
		}
		return copies[n]
	}
	for name, node := range f.files {
		c.files[name] = clone(node)
		copies[node].names++
		if copies[node].names == 1 {
			c.usedBytes += blocks(node.data.sizeBytes)
		}
	}
	for name, node := range f.onDisk {
		c.onDisk[name] = clone(node)
	}
	for _, op := range f.pending {
		op.inode = clone(op.inode)
		c.pending = append(c.pending, op)
	}
	c.dirs, c.dirsOnDisk = maps.Clone(f.dirs), maps.Clone(f.dirsOnDisk)
	return c
}

func (n *inode) clone() *inode {
	c := newInode()
	c.data, c.disk, c.damaged = n.data.clone(), n.disk.clone(), n.damaged
	for s, versions := range n.dirty {
		c.dirty[s] = slices.Clone(versions)
	}
	for s, versions := range n.lost {
		c.lost[s] = slices.Clone(versions)
	}
	return c
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
