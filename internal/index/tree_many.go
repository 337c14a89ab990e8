package index

import (
	"bytes"

	"github.com/godwitdb/godwit/internal/cpu"
	"github.com/godwitdb/godwit/internal/record"
)

// groupMax is how many lookups run in lockstep: enough to keep the processor's
// line fill buffers busy, and few enough for what is prefetched to be in the
// cache when its turn comes. (Measured: tree_bench_test.go.)
const groupMax = 8

// lookup is one of the keys that are looked up in lockstep.
type lookup struct {
	probe
	node, parent node // node is nil if the lookup met a conflict
	nv, pv       uint64
	slot         uint64
	// ask: the entry of slot is the only one that can have the key, but whether
	// it does, only the record knows.
	ask bool
}

// GetMany looks up keys[i] into out[i], for all i. Keys may repeat. A cache miss
// costs ten times what a node's search does, so the keys go down the tree
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
	var group [groupMax]lookup
	ls := group[:len(keys)]
	root, v := t.rootNode()
	for i := range ls {
		ls[i].probe = makeProbe(keys[i])
		ls[i].node, ls[i].nv = root, v
	}
	for level := root.meta().level(); level > 0; level-- {
		for i := range ls {
			t.descendOne(&ls[i])
		}
	}
	for i := range ls {
		t.searchOne(&ls[i])
	}
	for i := range ls {
		out[i] = t.finishOne(&ls[i])
	}
}

// arrive reads the version of the node that l has come to and makes sure that the
// parent had not changed by then: step in two halves, with the work on other
// keys between them.
func (l *lookup) arrive() bool {
	if l.node.p == nil {
		return false
	}
	if l.parent.p == nil {
		return true
	}
	l.nv = l.node.word()
	if l.nv&(lockedBit|obsoleteBit) != 0 || l.parent.word() != l.pv {
		l.node.p = nil
		return false
	}
	return true
}

// descendOne takes l from an inner node to the child, which it prefetches.
func (t *Tree) descendOne(l *lookup) {
	if !l.arrive() {
		return
	}
	n := l.node
	i, ok := t.route(n, l.nv, n.meta(), &l.probe)
	child := t.node(n.child(i))
	if !ok || n.word() != l.nv {
		l.node.p = nil
		return
	}
	cpu.Prefetch1024(child.p)
	l.parent, l.pv, l.node = n, l.nv, child
}

// searchOne finds l's key in its leaf. If the record has to be asked whether it is
// the right one, it is only prefetched.
func (t *Tree) searchOne(l *lookup) {
	if !l.arrive() {
		return
	}
	n := l.node
	m := n.meta()
	ok := true
	if l.ask = t.candidate(n, m, l); !l.ask {
		_, l.slot, ok = t.search(n, l.nv, m, &l.probe)
	}
	if !ok || n.word() != l.nv {
		l.node.p = nil
		return
	}
	if l.slot != 0 {
		cpu.Prefetch192(t.ptr(slotRef(l.slot)))
	}
}

// candidate finds the only entry of leaf n that can have l's key, if that has to
// be settled by the record.
func (t *Tree) candidate(n node, m meta, l *lookup) bool {
	if m.edge() || len(l.key) <= m.prefix()+headBytes {
		return false
	}
	h, count := l.head(m.prefix()), m.count()
	pos := n.lowerBound(count, h)
	if pos == count || n.head(pos) != h || pos+1 < count && n.head(pos+1) == h {
		return false
	}
	l.slot = n.slot(pos)
	return slotKeyBytes(l.slot) == len(l.key)
}

// finishOne returns what l has found.
func (t *Tree) finishOne(l *lookup) Found {
	if l.node.p == nil {
		return t.Get(l.key)
	}
	if l.ask && !bytes.Equal(record.Key(t.ptr(slotRef(l.slot))), l.key) {
		l.slot = 0
	}
	return Found{Rec: slotRef(l.slot), Node: t.refOf(l.node), Version: l.nv}
}
