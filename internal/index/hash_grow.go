package index

import (
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/cpu"
	"github.com/godwitdb/godwit/internal/invariant"
	"github.com/godwitdb/godwit/internal/record"
)

const (
	// sampleOneIn: of so many records one is counted.
	sampleOneIn = 16
	// loadHalves is how many records, in halves, a bucket should hold on
	// average. Buckets that are still to be split hold up to twice as many as
	// the others.
	loadHalves = 7
	// splitsMax bounds what one insert does for the growth. A counted record
	// is worth sampleOneIn*2/loadHalves splits.
	splitsMax = 8
)

// inSample tells whether the record of hash hv is counted. The bits lie between
// those that choose the bucket and those of the tag.
func inSample(hv uint64) bool { return hv>>(arena.RefBits-4)&(sampleOneIn-1) == 0 }

// due returns how many buckets a table of n should be split now.
func (h *Hash) due(n uint64) int {
	want := h.sampled.Load() * sampleOneIn * 2 / loadHalves
	return int(min(max(want-int64(n), 0), splitsMax))
}

// grow splits some buckets if the table is too small for its records, unless
// another worker is at it. Lack of memory only ends it: the chains get longer.
func (h *Hash) grow(m Mem, changes []Change) []Change {
	n := h.state.Load() >> 8
	if h.due(n) == 0 || !h.splitting.CompareAndSwap(false, true) {
		return changes
	}
	defer h.splitting.Store(false)
	n = h.state.Load() >> 8
	splits := uint64(h.due(n))
	h.prefetchSplits(n, n+splits)
	for ; splits > 0; splits-- {
		if n == 1<<levelMax || h.addSegment(m, n) != nil {
			break
		}
		changes = append(changes, h.split(m, n))
		n++
	}
	return changes
}

// parentOf returns the bucket that bucket n is split from.
func parentOf(n uint64) (parent uint64, level int) {
	level = bits.Len64(n) - 1
	return n - 1<<level, level
}

// prefetchSplits asks for the memory that making buckets from to end will read:
// first for the buckets to be split, then for the records in them.
func (h *Hash) prefetchSplits(from, end uint64) {
	for n := from; n < end; n++ {
		parent, _ := parentOf(n)
		cpu.Prefetch64(h.ptr(h.bucketRef(parent)))
	}
	for n := from; n < end; n++ {
		parent, _ := parentOf(n)
		p := h.ptr(h.bucketRef(parent))
		for offset := 8; offset < bucketBytes; offset += 8 {
			if s := arena.Load64(unsafe.Add(p, offset)); s != 0 {
				cpu.Prefetch64(h.ptr(arena.Ref(s&slotRefMask) + record.KeyOffset))
			}
		}
	}
}

// split makes bucket n out of a part of its parent. The caller holds splitting.
//
// It needs no memory but the segment, which is there: a chain of m records
// has ⌈m/7⌉-1 overflow buckets, and the two that it is split into do with as
// many, because ⌈s/7⌉+⌈t/7⌉ ≤ ⌈(s+t)/7⌉+1.
func (h *Hash) split(m Mem, n uint64) Change {
	parent, level := parentOf(n)
	c := Change{Node: h.bucketRef(parent), Right: h.bucketRef(n)}
	left, right := h.ptr(c.Node), h.ptr(c.Right)
	// Touch the new bucket before others have to wait: the operating system may
	// have to find the page.
	depth := uint64(level+1) << depthShift
	c.RightVersion = bucketChanged | depth
	atomic.StoreUint64((*uint64)(right), c.RightVersion)

	c.Before = h.lockBucket(c.Node)
	invariant.Yield()
	var slotRoom [4 * bucketWords]uint64
	var overflowRoom [4]arena.Ref
	slots, overflow := h.chain(left, slotRoom[:0], overflowRoom[:0])
	stay := 0
	for i, s := range slots {
		hv := h.seeds.hash(record.Key(h.ptr(arena.Ref(s & slotRefMask))))
		if hv>>level&1 == 0 {
			slots[i], slots[stay] = slots[stay], s
			stay++
		}
	}
	overflow = h.fill(left, 8, slots[:stay], overflow)
	overflow = h.fill(right, 8, slots[stay:], overflow)

	if n+1 == 2<<level {
		level++
	}
	h.state.Store((n+1)<<8 | uint64(level))
	c.After = (c.Before+bucketChanged)&^(depthMask<<depthShift) | depth
	h.unlock(c.Node, c.After)
	for _, r := range overflow {
		m.Limbo.Retire(r, bucketBytes)
	}
	return c
}

// lockBucket waits for the lock of a bucket and returns the version before it.
func (h *Hash) lockBucket(node arena.Ref) uint64 {
	version := (*uint64)(h.ptr(node))
	for tries := 0; ; tries++ {
		v := atomic.LoadUint64(version)
		if v&bucketLocked == 0 && atomic.CompareAndSwapUint64(version, v, v|bucketLocked) {
			return v
		}
		hashWait(tries)
	}
}

// chain appends the slots and the overflow buckets of a chain that nobody
// changes.
func (h *Hash) chain(p unsafe.Pointer, slots []uint64, overflow []arena.Ref) ([]uint64, []arena.Ref) {
	for offset := 8; ; offset = 0 {
		var s uint64
		for ; offset < bucketBytes; offset += 8 {
			s = arena.Load64(unsafe.Add(p, offset))
			if s>>arena.RefBits != 0 {
				slots = append(slots, s)
			}
		}
		if !isLink(s) {
			return slots, overflow
		}
		overflow = append(overflow, arena.Ref(s))
		p = h.ptr(arena.Ref(s))
	}
}
