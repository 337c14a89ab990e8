package index

import (
	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/cpu"
	"github.com/godwitdb/godwit/internal/invariant"
)

// groupMax is how many lookups run in lockstep: enough to keep the processor's
// line fill buffers busy, and few enough for what is prefetched to be in the
// cache when its turn comes. (Of 4, 8 and 16, 16 was the fastest for 16 keys, by a
// sixth, and no slower than the others for 4.)
const groupMax = 16

// lookup is where one of the keys that are looked up in lockstep has come to. It
// holds no pointers: storing one costs a look at the collector's write barrier.
type lookup struct {
	// node is 0 if the lookup met a conflict.
	node, parent arena.Ref
	// version is the node's, if it has been read, parentVersion that at which
	// the parent said where to go.
	version, parentVersion uint64
	// first is probe.first.
	first uint64
	// slot and ask are what Tree.find has found.
	slot uint64
	ask  bool
}

// GetMany looks up keys[i] into out[i], for all i. Keys may repeat. A cache miss
// costs many times what the search in a node does, so the keys go down the tree
// side by side: each one's next node is on its way while the others are searched
// for. The records that were found are prefetched, too.
func (t *Tree) GetMany(keys [][]byte, out []Found) {
	for len(keys) > groupMax {
		t.getGroup(keys[:groupMax], out[:groupMax])
		keys, out = keys[groupMax:], out[groupMax:]
	}
	t.getGroup(keys, out[:len(keys)])
}

func (t *Tree) getGroup(keys [][]byte, out []Found) {
	var ls [groupMax]lookup
	root, v := t.rootNode()
	for i, key := range keys {
		ls[i] = lookup{node: t.refOf(root), version: v, first: makeProbe(key).first}
	}
	for level := root.meta().level(); level > 0; level-- {
		for i, key := range keys {
			t.descendOne(&ls[i], key)
		}
	}
	for i, key := range keys {
		t.searchOne(&ls[i], key)
	}
	for i, key := range keys {
		out[i] = t.finishOne(&ls[i], key)
	}
}

// arrive reads the version of the node that l has come to and makes sure that the
// parent had not changed by then: Tree.step in two halves, with the work on
// other keys between them.
func (t *Tree) arrive(l *lookup) bool {
	if l.parent == 0 {
		return l.node != 0
	}
	l.version = t.node(l.node).word()
	if l.version&(lockedBit|obsoleteBit) != 0 || t.node(l.parent).word() != l.parentVersion {
		l.node, l.parent = 0, 0
		return false
	}
	return true
}

// descendOne takes l from an inner node to the child, which it prefetches.
func (t *Tree) descendOne(l *lookup, key []byte) {
	if !t.arrive(l) {
		return
	}
	invariant.Yield()
	n, k := t.node(l.node), probe{key, l.first}
	i, ok := t.route(n, l.version, n.meta(), &k)
	child := n.child(i)
	if !ok || n.word() != l.version {
		l.node, l.parent = 0, 0
		return
	}
	cpu.Prefetch1024(t.ptr(child))
	l.parent, l.parentVersion, l.node = l.node, l.version, child
}

// searchOne finds l's key in its leaf. If the record has to be asked whether it is
// the right one, it is only prefetched.
func (t *Tree) searchOne(l *lookup, key []byte) {
	if !t.arrive(l) {
		return
	}
	invariant.Yield()
	n, k := t.node(l.node), probe{key, l.first}
	var ok bool
	l.slot, l.ask, ok = t.find(n, l.version, n.meta(), &k)
	if !ok || n.word() != l.version {
		l.node = 0
		return
	}
	if l.slot != 0 {
		cpu.Prefetch192(t.ptr(slotRef(l.slot)))
	}
}

// finishOne returns what l has found.
func (t *Tree) finishOne(l *lookup, key []byte) Found {
	if l.node == 0 {
		return t.Get(key)
	}
	if l.ask && !t.hasKey(l.slot, key) {
		l.slot = 0
	}
	return Found{Rec: slotRef(l.slot), Node: l.node, Version: l.version}
}
