package index

import (
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/cpu"
	"github.com/godwitdb/godwit/internal/invariant"
)

// A tree node is 1 KiB, 16 cache lines that are prefetched together:
//
//	offset   0  version word: locked (bit 0) | obsolete (bit 1) | counter
//	         8  meta: see below
//	        16  low fence, 24 high fence: keys in the arena, 0 = no bound
//	        32  edge prefix: a key in the arena, 0 = none (tree_prefix.go)
//	        40  heads, one word per entry
//	       528  link: a leaf's right sibling, an inner node's leftmost child
//	       536  slots, one word per entry
//
// An entry's head is the 8 bytes of its key that follow the node's prefix, most
// significant byte first, padded with zeros. Its slot is the length of its key
// in the upper 16 bits and a Ref in the lower 48: a leaf's record, an inner
// node's child. The key of an inner node's entry is its child's low fence.
const (
	nodeBytes = 1024
	fanout    = 61

	metaOffset  = 8
	lowOffset   = 16
	highOffset  = 24
	edgeOffset  = 32
	headsOffset = 40
	linkOffset  = headsOffset + fanout*8
	slotsOffset = linkOffset + 8

	lockedBit   = 1
	obsoleteBit = 2
	versionStep = 4

	headBytes = 8
	// noHead stands behind the last entry's head.
	noHead  = 1<<64 - 1
	refMask = 1<<arena.RefBits - 1
)

// The entries fill the node.
var _ [nodeBytes - slotsOffset - fanout*8]struct{} = [0]struct{}{}

// meta is a node's shape: count (8 bits) | level (8), 0 for leaves | position
// of the last insert (8) | length of the run of ascending inserts (8) | length
// of the prefix (16) | edge (1).
type meta uint64

const (
	edgeBit     meta = 1 << 48
	prefixShift      = 32
	// insertRunMax is where the count of ascending inserts stops.
	insertRunMax = 15
)

func makeMeta(count, level, prefix int, edge bool) meta {
	m := meta(count) | meta(level)<<8 | meta(prefix)<<prefixShift
	if edge {
		m |= edgeBit
	}
	return m
}

func (m meta) count() int  { return int(m & 0xff) }
func (m meta) level() int  { return int(m >> 8 & 0xff) }
func (m meta) last() int   { return int(m >> 16 & 0xff) }
func (m meta) run() int    { return int(m >> 24 & 0xff) }
func (m meta) prefix() int { return int(m >> prefixShift & 0xffff) }

// edge tells whether the prefix has to be compared with the searched key.
func (m meta) edge() bool { return m&edgeBit != 0 }

func (m meta) withCount(n int) meta { return m&^0xff | meta(n) }

func (m meta) withPrefix(p int, edge bool) meta {
	m = m&^(0xffff<<prefixShift|edgeBit) | meta(p)<<prefixShift
	if edge {
		m |= edgeBit
	}
	return m
}

func (m meta) withRun(n int) meta { return m&^(0xff<<24) | meta(n)<<24 }

// inserted notes an insert at position i.
func (m meta) inserted(i int) meta {
	run := 0
	if i == m.last()+1 {
		run = min(m.run()+1, insertRunMax)
	}
	return m&^(0xffff<<16) | meta(i)<<16 | meta(run)<<24 + 1
}

// node is the address of a tree node.
type node struct{ p unsafe.Pointer }

func (n node) wordPtr() *uint64 { return (*uint64)(n.p) }

// word returns the version word as it is.
func (n node) word() uint64 { return atomic.LoadUint64(n.wordPtr()) }

// spinsMax is how often a reader looks at a locked word before it lets other
// goroutines run: the one that holds the lock may have been preempted.
const spinsMax = 64

// stableWord waits until the node is unlocked and returns its version word.
func (n node) stableWord() uint64 {
	w := n.word()
	if w&lockedBit == 0 {
		return w
	}
	return n.waitUnlocked()
}

//go:noinline
func (n node) waitUnlocked() uint64 {
	for spins := 1; ; spins++ {
		w := n.word()
		if w&lockedBit == 0 {
			return w
		}
		if spins%spinsMax == 0 {
			runtime.Gosched()
		} else {
			cpu.Pause()
		}
	}
}

// tryLock locks the node if its word is still w.
func (n node) tryLock(w uint64) bool {
	return atomic.CompareAndSwapUint64(n.wordPtr(), w, w|lockedBit)
}

// unlock ends a change of a node that was locked at word w.
func (n node) unlock(w uint64) { atomic.StoreUint64(n.wordPtr(), w+versionStep) }

// unlockUnchanged gives back a lock under which nothing was written.
func (n node) unlockUnchanged(w uint64) { atomic.StoreUint64(n.wordPtr(), w) }

// unlockObsolete ends the life of a node that was locked at word w.
func (n node) unlockObsolete(w uint64) {
	atomic.StoreUint64(n.wordPtr(), w+versionStep|obsoleteBit)
}

func (n node) load(offset int) uint64       { return arena.Load64(unsafe.Add(n.p, offset)) }
func (n node) store(offset int, v uint64)   { arena.Store64(unsafe.Add(n.p, offset), v) }
func (n node) meta() meta                   { return meta(n.load(metaOffset)) }
func (n node) setMeta(m meta)               { n.store(metaOffset, uint64(m)) }
func (n node) head(i int) uint64            { return n.load(headsOffset + i*8) }
func (n node) slot(i int) uint64            { return n.load(slotsOffset + i*8) }
func (n node) ref(offset int) arena.Ref     { return arena.Ref(n.load(offset)) }
func (n node) setRef(off int, r arena.Ref)  { n.store(off, uint64(r)) }
func (n node) setEntry(i int, h, s uint64)  { n.store(headsOffset+i*8, h); n.store(slotsOffset+i*8, s) }
func (n node) headPtr(i int) unsafe.Pointer { return unsafe.Add(n.p, headsOffset+i*8) }
func (n node) slotPtr(i int) unsafe.Pointer { return unsafe.Add(n.p, slotsOffset+i*8) }

// clearHeads writes noHead behind the first count entries.
func (n node) clearHeads(count int) {
	for i := count; i < fanout; i++ {
		n.store(headsOffset+i*8, noHead)
	}
}

// slotOf and the two functions below pack and unpack an entry's second word.
func slotOf(r arena.Ref, keyBytes int) uint64 { return uint64(r) | uint64(keyBytes)<<arena.RefBits }
func slotRef(s uint64) arena.Ref              { return arena.Ref(s & refMask) }
func slotKeyBytes(s uint64) int               { return int(s >> arena.RefBits) }

// child returns the i-th child of an inner node, 0 ≤ i ≤ count. The link comes just
// before the slots.
func (n node) child(i int) arena.Ref {
	return slotRef(n.load(linkOffset + i*8))
}

// insertEntry makes room at position i for an entry. The node is locked and not
// full.
func (n node) insertEntry(i int, head, slot uint64) {
	m := n.meta()
	if tail := m.count() - i; tail > 0 {
		arena.MoveWords(n.headPtr(i+1), n.headPtr(i), tail)
		arena.MoveWords(n.slotPtr(i+1), n.slotPtr(i), tail)
	}
	invariant.Yield()
	n.setEntry(i, head, slot)
	n.setMeta(m.inserted(i))
}

// removeEntry closes the gap that the entry at position i leaves. The node is
// locked.
func (n node) removeEntry(i int) {
	m := n.meta()
	count := m.count() - 1
	if tail := count - i; tail > 0 {
		arena.MoveWords(n.headPtr(i), n.headPtr(i+1), tail)
		arena.MoveWords(n.slotPtr(i), n.slotPtr(i+1), tail)
	}
	invariant.Yield()
	n.store(headsOffset+count*8, noHead)
	n.setMeta(m.withCount(count))
}

// assertOrder checks, in builds with invariants, what a search in the locked node
// relies on.
func (n node) assertOrder() {
	if !invariant.Enabled {
		return
	}
	count := n.meta().count()
	invariant.Check(count <= fanout, "index: node of %d entries", count)
	for i := 1; i < fanout; i++ {
		invariant.Check(n.head(i-1) <= n.head(i), "index: head %d is %#x, after %#x", i, n.head(i), n.head(i-1))
		invariant.Check(i < count || n.head(i) == noHead, "index: head %d behind the last entry is %#x", i, n.head(i))
	}
}

// below returns how many heads are below h. The heads behind the last entry are
// noHead, so it need not know how many there are.
//
// It is a search with 9 ways and then 7, and without branches. The comparisons of each
// step do not wait for one another, as those of a binary search do, and no
// branch is predicted wrong: either would cost more than the comparisons that a
// binary search saves.
func (n node) below(h uint64) int {
	p := n.headPtr(0)
	group := lessAt(p, 6, h) + lessAt(p, 13, h) + lessAt(p, 20, h) + lessAt(p, 27, h) +
		lessAt(p, 34, h) + lessAt(p, 41, h) + lessAt(p, 48, h) + lessAt(p, 55, h)
	// Groups are of 7, but the last one of 5: it borrows one from the group before.
	i := group*7 - group>>3
	p = unsafe.Add(p, i*8)
	return i + lessAt(p, 0, h) + lessAt(p, 1, h) + lessAt(p, 2, h) + lessAt(p, 3, h) + lessAt(p, 4, h) + lessAt(p, 5, h)
}

// lessAt returns 1 if the ith word from p is less than h, else 0.
func lessAt(p unsafe.Pointer, i int, h uint64) int {
	if arena.Load64(unsafe.Add(p, i*8)) < h {
		return 1
	}
	return 0
}
