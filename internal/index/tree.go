package index

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/cpu"
	"github.com/godwitdb/godwit/internal/invariant"
)

// Tree is an ordered index. Any number of goroutines may use it at once. Each
// is inside an epoch.Pin during every call, and stays inside for as long as it
// holds a record or node that a call returned.
type Tree struct {
	_    [64]byte
	base unsafe.Pointer // of the arena
	// root is a Ref. Who splits the root, or takes away a root with a single
	// child, stores it while holding the old root's lock. It shares its cache line
	// with what every search reads and hardly anybody writes.
	root atomic.Uint64
	_    [48]byte

	// What the tree holds, written by splits and merges.
	leaves   atomic.Int64
	inners   atomic.Int64
	keyBytes atomic.Int64 // of fences and edge prefixes
	_        [40]byte
}

// NewTree returns an empty tree.
func NewTree(a *arena.Arena, m Mem) (*Tree, error) {
	t := &Tree{base: a.Base()}
	r, err := m.Cache.Alloc(nodeBytes)
	if err != nil {
		return nil, fmt.Errorf("index: new tree: %w", err)
	}
	t.initNode(r, makeMeta(0, 0, 0, false)).clearHeads(0)
	t.root.Store(uint64(r))
	return t, nil
}

func (t *Tree) ptr(r arena.Ref) unsafe.Pointer { return unsafe.Add(t.base, r) }
func (t *Tree) node(r arena.Ref) node          { return node{unsafe.Add(t.base, r)} }
func (t *Tree) refOf(n node) arena.Ref         { return arena.Ref(uintptr(n.p) - uintptr(t.base)) }

// initNode writes the header of a new node, without fences.
func (t *Tree) initNode(r arena.Ref, m meta) node {
	n := t.node(r)
	atomic.StoreUint64(n.wordPtr(), versionStep)
	n.setMeta(m)
	for _, offset := range []int{linkOffset, lowOffset, highOffset, edgeOffset} {
		n.store(offset, 0)
	}
	if m.level() == 0 {
		t.leaves.Add(1)
	} else {
		t.inners.Add(1)
	}
	return n
}

// retireNode hands over a node that was taken out of the tree.
func (t *Tree) retireNode(m Mem, n node) {
	if n.meta().level() == 0 {
		t.leaves.Add(-1)
	} else {
		t.inners.Add(-1)
	}
	t.retireFence(m, n.ref(lowOffset))
	t.retireFence(m, n.ref(edgeOffset))
	m.Limbo.Retire(t.refOf(n), nodeBytes)
}

// rootNode returns the root and the version at which it was the root.
func (t *Tree) rootNode() (node, uint64) {
	for {
		if n, v, ok := t.enter(t.root.Load()); ok {
			return n, v
		}
	}
}

// enter reads the version of a node that was the root. Whoever replaces the
// root does it before he unlocks the old one: if r still is the root after
// its version was read, it was the root at that version.
func (t *Tree) enter(r uint64) (node, uint64, bool) {
	n := t.node(arena.Ref(r))
	v := n.stableWord()
	invariant.Yield()
	return n, v, t.root.Load() == r
}

// step goes from n, read at version v, to its child r, whose version it returns.
// The child is what n says it is, and covers what n says it covers, only if n
// has not changed before the child's version was read; and r means anything only
// if n has not changed since v.
func (t *Tree) step(n node, v uint64, r arena.Ref) (node, uint64, bool) {
	if n.word() != v {
		return node{}, 0, false
	}
	c := t.node(r)
	cpu.Prefetch1024(c.p)
	invariant.Yield()
	cv := c.stableWord()
	return c, cv, n.word() == v && cv&obsoleteBit == 0
}

// findLeaf returns the leaf that k belongs to, and the version at which it did.
func (t *Tree) findLeaf(k *probe) (node, uint64) {
restart:
	n, v := t.rootNode()
	for {
		invariant.Yield()
		m := n.meta()
		if m.level() == 0 {
			return n, v
		}
		i, ok := t.route(n, v, m, k)
		if !ok {
			goto restart
		}
		if n, v, ok = t.step(n, v, n.child(i)); !ok {
			goto restart
		}
	}
}

// Get looks key up.
func (t *Tree) Get(key []byte) Found {
	k := makeProbe(key)
	for {
		n, v := t.findLeaf(&k)
		slot, ask, ok := t.find(n, v, n.meta(), &k)
		if !ok || n.word() != v {
			continue
		}
		if ask && !t.hasKey(slot, key) {
			slot = 0
		}
		return Found{Rec: slotRef(slot), Node: t.refOf(n), Version: v}
	}
}

// Stats is what a tree is made of.
type Stats struct {
	Leaves, Inners int64 // nodes
	Height         int   // levels of nodes
	Bytes          int64 // nodes and separator keys in the arena, records not included
}

// Stats returns figures that are exact when nobody changes the tree.
func (t *Tree) Stats() Stats {
	s := Stats{Leaves: t.leaves.Load(), Inners: t.inners.Load()}
	n, _ := t.rootNode()
	s.Height = n.meta().level() + 1
	s.Bytes = (s.Leaves+s.Inners)*nodeBytes + t.keyBytes.Load()
	return s
}
