package index

import (
	"github.com/godwitdb/godwit/internal/arena"
)

// A node's prefix is what all keys that it may hold begin with: what its two
// fences have in common. Only its length is stored, and a search that comes to the node
// needs no comparison, because it would not have come with another prefix.
//
// A node at the edge of the tree has no fence on one side, the root on neither,
// so any key may come to it, although the keys that are there may all begin
// alike ("user:00012345"). Such a node may have an edge prefix: one that its
// entries share. It is compared with each key that comes, and shortened when a
// key without it is inserted. It is an optimisation only: if there is no memory
// for it, the node does without.

// edgePrefixMin is the shortest edge prefix, in bytes, that is worth comparing.
const edgePrefixMin = 4

// choosePrefix returns the prefix of a node, given its fences and its first and
// last key, and if it is an edge prefix, a copy of it.
func (t *Tree) choosePrefix(c *arena.Cache, low, high arena.Ref, first, last []byte) (int, arena.Ref) {
	if low != 0 && high != 0 {
		return sharedPrefix(t.fence(low), t.fence(high)), 0
	}
	p := sharedPrefix(first, last)
	if p < edgePrefixMin {
		return 0, 0
	}
	r, err := t.newFence(c, first[:p])
	if err != nil {
		return 0, 0
	}
	return p, r
}

// prefixBytes returns a key that begins with the node's prefix.
func (t *Tree) prefixBytes(n node) []byte {
	m := n.meta()
	switch {
	case m.prefix() == 0:
		return nil
	case m.edge():
		return t.fence(n.ref(edgeOffset))
	default:
		return t.fence(n.ref(lowOffset))
	}
}

// rebase rewrites the heads of the entries [from, to), which were made for a prefix
// of was bytes, for one of now bytes. shared begins with the longer of the
// two. Records are looked at only if their heads get bytes that the
// old ones did not hold. The node is locked.
func (t *Tree) rebase(n node, level, from, to, was, now int, shared []byte) {
	switch {
	case now < was:
		drop := was - now
		top := headOf(shared[:was], now)
		for i := from; i < to; i++ {
			n.store(headsOffset+i*8, top|n.head(i)>>(uint(drop)*8))
		}
	case now > was:
		shift := uint(now-was) * 8
		for i := from; i < to; i++ {
			h := n.head(i) << shift
			if s := n.slot(i); slotKeyBytes(s) > was+headBytes {
				h = headOf(t.entryKey(level, s), now)
			}
			n.store(headsOffset+i*8, h)
		}
	}
}

// admit shortens the edge prefix of a locked node, if it has one, to what it has
// in common with key.
func (t *Tree) admit(m Mem, n node, key []byte) {
	nm := n.meta()
	if !nm.edge() {
		return
	}
	r := n.ref(edgeOffset)
	was := nm.prefix()
	now := sharedPrefix(t.fence(r)[:was], key)
	if now == was {
		return
	}
	if now < edgePrefixMin {
		now = 0
	}
	t.rebase(n, nm.level(), 0, nm.count(), was, now, t.fence(r))
	n.setMeta(nm.withPrefix(now, now > 0))
	if now == 0 {
		n.setRef(edgeOffset, 0)
		t.retireFence(m, r)
	}
}
