package index

import (
	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/invariant"
	"github.com/godwitdb/godwit/internal/record"
)

const (
	// mergeBelow is how few entries make a node look for a sibling to merge
	// with, mergedMax how many the two may have together: so many that the
	// memory is well used, so few that the next insert does not split again.
	mergeBelow = fanout / 4
	mergedMax  = fanout * 3 / 4
	// mergeTriesMax bounds how long a Remove goes on merging, or trying to, while
	// other goroutines change the same nodes. A merge that is given up
	// is tried again by a later Remove nearby.
	mergeTriesMax = 64
)

// Remove takes the record at rec out of the tree and reports whether it was
// there: another record of the same key stays. The caller retires the record.
// Remove needs no memory.
func (t *Tree) Remove(m Mem, rec arena.Ref) bool {
	k := makeProbe(record.Key(t.ptr(rec)))
	for {
		n, v := t.findLeaf(&k)
		nm := n.meta()
		pos, slot, ok := t.search(n, v, nm, &k)
		if !ok {
			continue
		}
		if slot == 0 || slotRef(slot) != rec {
			if n.word() != v {
				continue
			}
			return false
		}
		invariant.Yield()
		if !n.tryLock(v) {
			continue
		}
		n.removeEntry(pos)
		n.unlock(v)
		// Not at every count: neighbours that are too full for a merge stay so
		// for a while.
		if left := nm.count() - 1; left < mergeBelow && left%4 == 0 {
			t.shrink(m, &k)
		}
		return true
	}
}

// shrink merges nodes on the way to k until there is nothing to merge.
func (t *Tree) shrink(m Mem, k *probe) {
	for range mergeTriesMax {
		if !t.mergeOnce(m, k) {
			return
		}
	}
}

// mergeOnce goes down to k and merges the first node with few entries with a
// sibling, or takes away a root that has a single child. It reports whether it
// should be called again: because it did something or was disturbed.
func (t *Tree) mergeOnce(m Mem, k *probe) bool {
	n, v := t.rootNode()
	nm := n.meta()
	if nm.level() > 0 && nm.count() == 0 {
		t.dropRoot(m, n, v)
		return true
	}
	for nm.level() > 0 {
		i, ok := t.route(n, v, nm, k)
		if !ok {
			return true
		}
		c, cv, ok := t.step(n, v, n.child(i))
		if !ok {
			return true
		}
		cm := c.meta()
		if cm.count() < mergeBelow {
			for _, left := range [2]int{i, i - 1} {
				if left < 0 || left >= nm.count() {
					continue
				}
				if fits, ok := t.siblingsFit(n, v, left, cm.level()); !ok || fits {
					if ok {
						t.merge(m, n, v, left)
					}
					return true
				}
			}
		}
		n, v, nm = c, cv, cm
	}
	return false
}

// siblingsFit tells whether children i and i+1 of n, read at version v, have few
// enough entries for one node. ok is false if n has changed.
func (t *Tree) siblingsFit(n node, v uint64, i, level int) (fits, ok bool) {
	l, r := n.child(i), n.child(i+1)
	if n.word() != v {
		return false, false
	}
	sum := t.node(l).meta().count() + t.node(r).meta().count()
	if level > 0 {
		sum++ // the separator between them comes down
	}
	return sum <= mergedMax, true
}

// dropRoot makes the only child of the root the root.
func (t *Tree) dropRoot(m Mem, n node, v uint64) {
	if !n.tryLock(v) {
		return
	}
	invariant.Yield()
	t.root.Store(n.load(linkOffset))
	n.unlockObsolete(v)
	t.retireNode(m, n)
}

// merge moves all entries of child i+1 of n, which was read at version v, to child
// i, and frees child i+1. It does nothing if one of the three has changed.
func (t *Tree) merge(m Mem, n node, v uint64, i int) {
	invariant.Yield()
	lref, rref := n.child(i), n.child(i+1)
	if n.word() != v {
		return
	}
	// Wait for whoever works on the two before taking a lock: no one waits
	// while holding one.
	l, r := t.node(lref), t.node(rref)
	lv, rv := l.stableWord(), r.stableWord()
	invariant.Yield()
	if !n.tryLock(v) {
		return
	}
	// n is locked: l and r are its children, and nobody can take them away.
	if !l.tryLock(lv) {
		n.unlockUnchanged(v)
		return
	}
	fits, _ := t.siblingsFit(n, v|lockedBit, i, l.meta().level())
	if !fits || !r.tryLock(rv) {
		l.unlockUnchanged(lv)
		n.unlockUnchanged(v)
		return
	}
	edge := t.moveAll(m, l, r)
	invariant.Yield()
	n.removeEntry(i)
	l.assertOrder()
	r.unlockObsolete(rv)
	l.unlock(lv)
	n.unlock(v)
	t.retireFence(m, edge)
	t.retireNode(m, r)
}

// moveAll appends the entries of r to those of its left sibling l. It returns
// l's old edge prefix.
func (t *Tree) moveAll(m Mem, l, r node) (edge arena.Ref) {
	lm, rm := l.meta(), r.meta()
	level, lc, rc := lm.level(), lm.count(), rm.count()
	lshared, rshared := t.prefixBytes(l), t.prefixBytes(r)
	edge = l.ref(edgeOffset)

	at := lc
	separator := r.ref(lowOffset)
	if level > 0 {
		at++
		l.setEntry(lc, 0, slotOf(r.ref(linkOffset), len(t.fence(separator))))
	} else {
		l.setRef(linkOffset, r.ref(linkOffset))
	}
	arena.MoveWords(l.headPtr(at), r.headPtr(0), rc)
	arena.MoveWords(l.slotPtr(at), r.slotPtr(0), rc)
	count := at + rc

	var first, last []byte
	if count > 0 {
		first, last = t.entryKey(level, l.slot(0)), t.entryKey(level, l.slot(count-1))
	}
	p, pedge := t.choosePrefix(m.Cache, l.ref(lowOffset), r.ref(highOffset), first, last)
	t.rebase(l, level, 0, lc, lm.prefix(), p, lshared)
	t.rebase(l, level, at, count, rm.prefix(), p, rshared)
	if level > 0 {
		l.store(headsOffset+lc*8, headOf(t.fence(separator), p))
	}
	l.setRef(highOffset, r.ref(highOffset))
	l.setRef(edgeOffset, pedge)
	l.setMeta(makeMeta(count, level, p, pedge != 0))
	return edge
}
