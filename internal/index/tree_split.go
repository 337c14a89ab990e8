package index

import (
	"fmt"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/invariant"
)

// runMin is how many inserts in a row have to come in ascending order, each next
// to the one before, for a split to leave the left node full.
const runMin = 4

// splitPieces is the memory that a split cannot do without.
type splitPieces struct {
	right arena.Ref // the new node
	fence arena.Ref // the key that separates the two
	root  arena.Ref // a new root, if the old one is split
}

// takePieces allocates before anything is changed.
func (t *Tree) takePieces(c *arena.Cache, separator []byte, root bool) (p splitPieces, err error) {
	if p.right, err = c.Alloc(nodeBytes); err != nil {
		return splitPieces{}, fmt.Errorf("index: split: %w", err)
	}
	if p.fence, err = t.newFence(c, separator); err == nil && root {
		p.root, err = c.Alloc(nodeBytes)
	}
	if err != nil {
		c.Free(p.right, nodeBytes)
		t.discardFence(c, p.fence)
		return splitPieces{}, fmt.Errorf("index: split: %w", err)
	}
	return p, nil
}

// lockPair locks a node and its parent, which is nil for the root.
func lockPair(parent node, pv uint64, n node, v uint64) bool {
	if parent.p != nil && !parent.tryLock(pv) {
		return false
	}
	if !n.tryLock(v) {
		if parent.p != nil {
			parent.unlockUnchanged(pv)
		}
		return false
	}
	return true
}

func unlockPairUnchanged(parent node, pv uint64, n node, v uint64) {
	n.unlockUnchanged(v)
	if parent.p != nil {
		parent.unlockUnchanged(pv)
	}
}

// splitLeaf moves the upper part of the full leaf n to a new one and inserts rec
// at position pos of n, in one step. The parent has room. ok is false if n or
// the parent has changed.
func (t *Tree) splitLeaf(m Mem, parent node, pv uint64, n node, v uint64, pos int, k *probe, rec arena.Ref) (change Change, ok bool, err error) {
	if !lockPair(parent, pv, n, v) {
		return Change{}, false, nil
	}
	nm := n.meta()
	keep, toLeft := splitPlan(nm, pos, n.ref(highOffset) == 0)
	keyAt := func(i int) []byte { return t.entryKey(0, n.slot(i)) }

	// The new key is at position pos of fanout+1; see which keys end up where.
	first, last := k.key, k.key
	if pos > 0 {
		first = keyAt(0)
	}
	if pos < fanout {
		last = keyAt(fanout - 1)
	}
	before, after := k.key, k.key // on either side of the cut
	if !toLeft || pos < keep {
		before = keyAt(keep - 1)
	}
	if toLeft || pos > keep {
		after = keyAt(keep)
	}
	separator := after[:sharedPrefix(before, after)+1]
	pieces, err := t.takePieces(m.Cache, separator, parent.p == nil)
	if err != nil {
		unlockPairUnchanged(parent, pv, n, v)
		return Change{}, false, err
	}
	right := t.splitOff(m, n, pieces, keep, keep, [4][]byte{first, before, after, last})
	right.setRef(linkOffset, n.ref(linkOffset))
	n.setRef(linkOffset, pieces.right)

	target, at := n, pos
	if !toLeft {
		target, at = right, pos-keep
	}
	target.insertEntry(at, k.head(target.meta().prefix()), slotOf(rec, len(k.key)))
	if pos == nm.last()+1 {
		target.setMeta(target.meta().withRun(nm.run())) // it goes on there
	}
	n.assertOrder()
	right.assertOrder()
	rv := right.word()
	t.publishSplit(m, parent, pv, n, v, pieces)
	return Change{Node: t.refOf(n), Before: v, After: v + versionStep, Right: pieces.right, RightVersion: rv}, true, nil
}

// splitPlan decides how many entries of a full leaf stay when one is inserted at
// position pos, and whether that one stays too. rightmost: no leaf follows.
func splitPlan(m meta, pos int, rightmost bool) (keep int, toLeft bool) {
	ascending := pos == m.last()+1 && m.run() >= runMin
	switch {
	case pos == fanout && (rightmost || ascending):
		// Appending: the leaf stays full, the new one starts with the new key.
		return fanout, false
	case ascending && pos > 0:
		// A run that ends in the middle: what is above it makes room.
		return pos, true
	case pos <= fanout/2:
		return fanout / 2, true
	default:
		return fanout/2 + 1, false
	}
}

// splitOff makes the node pieces.right of the entries [from, count) of the
// locked node n and leaves it [0, keep). keys are the first and last keys that
// n will have, then those of the new node. Links are the caller's business.
func (t *Tree) splitOff(m Mem, n node, pieces splitPieces, keep, from int, keys [4][]byte) node {
	nm := n.meta()
	level, was, edge := nm.level(), nm.prefix(), n.ref(edgeOffset)
	low, high := n.ref(lowOffset), n.ref(highOffset)
	shared := t.prefixBytes(n)

	p, pedge := t.choosePrefix(m.Cache, pieces.fence, high, keys[2], keys[3])
	count := nm.count() - from
	right := t.initNode(pieces.right, makeMeta(count, level, p, pedge != 0))
	right.setRef(lowOffset, pieces.fence)
	right.setRef(highOffset, high)
	right.setRef(edgeOffset, pedge)
	arena.MoveWords(right.headPtr(0), n.headPtr(from), count)
	arena.MoveWords(right.slotPtr(0), n.slotPtr(from), count)
	right.clearHeads(count)
	t.rebase(right, level, 0, count, was, p, shared)

	p, pedge = t.choosePrefix(m.Cache, low, pieces.fence, keys[0], keys[1])
	n.clearHeads(keep)
	invariant.Yield()
	t.rebase(n, level, 0, keep, was, p, shared)
	n.setMeta(makeMeta(keep, level, p, pedge != 0))
	n.setRef(highOffset, pieces.fence)
	n.setRef(edgeOffset, pedge)
	t.retireFence(m, edge)
	return right
}

// publishSplit makes the new node known to the parent, or to a new root, and
// unlocks.
func (t *Tree) publishSplit(m Mem, parent node, pv uint64, n node, v uint64, pieces splitPieces) {
	separator := t.fence(pieces.fence)
	slot := slotOf(pieces.right, len(separator))
	if parent.p == nil {
		p, edge := t.choosePrefix(m.Cache, 0, 0, separator, separator)
		root := t.initNode(pieces.root, makeMeta(1, n.meta().level()+1, p, edge != 0))
		root.setRef(linkOffset, t.refOf(n))
		root.setRef(edgeOffset, edge)
		root.clearHeads(1)
		root.setEntry(0, headOf(separator, p), slot)
		t.root.Store(uint64(pieces.root))
		invariant.Yield()
		n.unlock(v)
		return
	}
	t.admit(m, parent, separator)
	k := makeProbe(separator)
	i, _ := t.route(parent, pv|lockedBit, parent.meta(), &k)
	parent.insertEntry(i, k.head(parent.meta().prefix()), slot)
	parent.assertOrder()
	n.unlock(v)
	invariant.Yield()
	parent.unlock(pv)
}

// splitInner splits the full inner node n around one of its separators, which
// goes up to the parent. The search on whose way it was went to child i. If n or
// the parent has changed, it does nothing.
func (t *Tree) splitInner(m Mem, parent node, pv uint64, n node, v uint64, i int) error {
	if !lockPair(parent, pv, n, v) {
		return nil
	}
	mid := fanout / 2
	if i == fanout && n.ref(highOffset) == 0 {
		mid = fanout - 2 // appending: the left node stays full
	}
	level := n.meta().level()
	keyAt := func(i int) []byte { return t.entryKey(level, n.slot(i)) }
	pieces, err := t.takePieces(m.Cache, keyAt(mid), parent.p == nil)
	if err != nil {
		unlockPairUnchanged(parent, pv, n, v)
		return err
	}
	middle := slotRef(n.slot(mid))
	right := t.splitOff(m, n, pieces, mid, mid+1, [4][]byte{keyAt(0), keyAt(mid - 1), keyAt(mid + 1), keyAt(fanout - 1)})
	right.setRef(linkOffset, middle)
	t.publishSplit(m, parent, pv, n, v, pieces)
	return nil
}
