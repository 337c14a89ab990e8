package index

import (
	"bytes"
	"fmt"

	"github.com/godwitdb/godwit/internal/arena"
)

// Free takes the tree down: it calls each, if not nil, for every record and
// retires every node. Nobody may use the tree any more.
func (t *Tree) Free(m Mem, each func(rec arena.Ref)) {
	n, _ := t.rootNode()
	t.freeBelow(m, n, each)
	t.root.Store(0)
}

func (t *Tree) freeBelow(m Mem, n node, each func(rec arena.Ref)) {
	nm := n.meta()
	switch {
	case nm.level() > 0:
		for i := range nm.count() + 1 {
			t.freeBelow(m, t.node(n.child(i)), each)
		}
	case each != nil:
		for i := range nm.count() {
			each(slotRef(n.slot(i)))
		}
	}
	v := n.word()
	n.unlockObsolete(v)
	t.retireNode(m, n)
}

// checker walks a tree in key order.
type checker struct {
	t              *Tree
	leaves, inners int64
	keyBytes       int64
	lastLeaf       node
	last           []byte // key of the last record seen, if any
	any            bool
}

// Check verifies the structure of the whole tree: the order of keys, fences, prefixes and
// heads, the chain of leaves and the counts. Nobody may use the tree meanwhile.
func (t *Tree) Check() error {
	c := checker{t: t}
	root, _ := t.rootNode()
	level := root.meta().level()
	if err := c.node(root, level, nil, nil, 0); err != nil {
		return err
	}
	if r := c.lastLeaf.ref(linkOffset); r != 0 {
		return fmt.Errorf("index: the last leaf links to %#x", r)
	}
	if c.leaves != t.leaves.Load() || c.inners != t.inners.Load() || c.keyBytes != t.keyBytes.Load() {
		return fmt.Errorf("index: found %d leaves, %d inner nodes, %d bytes of keys; counted %d, %d, %d",
			c.leaves, c.inners, c.keyBytes, t.leaves.Load(), t.inners.Load(), t.keyBytes.Load())
	}
	return nil
}

// node checks n and what is below it. low is what its low fence says; high
// and highRef is its high fence.
func (c *checker) node(n node, level int, low, high []byte, highRef arena.Ref) error {
	t, m := c.t, n.meta()
	bad := func(format string, args ...any) error {
		return fmt.Errorf("index: node %#x, level %d, %d entries, prefix %d: %s",
			t.refOf(n), level, m.count(), m.prefix(), fmt.Sprintf(format, args...))
	}
	if w := n.word(); w&(lockedBit|obsoleteBit) != 0 {
		return bad("version word %#x", w)
	}
	if m.level() != level || m.count() > fanout {
		return bad("meta says level %d", m.level())
	}
	lowRef, edge := n.ref(lowOffset), n.ref(edgeOffset)
	if lowKey := t.fence(lowRef); (lowKey == nil) != (low == nil) || !bytes.Equal(lowKey, low) {
		return bad("low fence %q, separator %q", lowKey, low)
	}
	if n.ref(highOffset) != highRef {
		return bad("high fence %#x, next separator %#x", n.ref(highOffset), highRef)
	}
	if lowRef != 0 {
		c.keyBytes += int64(fenceBytes(len(low)))
	}
	if edge != 0 {
		c.keyBytes += int64(fenceBytes(len(t.fence(edge))))
	}
	var prefix []byte
	switch {
	case m.edge() != (edge != 0):
		return bad("edge prefix %#x", edge)
	case m.edge() && lowRef != 0 && highRef != 0:
		return bad("edge prefix between two fences")
	case m.edge():
		prefix = t.fence(edge)[:m.prefix()]
	case lowRef != 0 && highRef != 0:
		if m.prefix() != sharedPrefix(low, high) {
			return bad("fences %q and %q", low, high)
		}
		prefix = low[:m.prefix()]
	case m.prefix() != 0:
		return bad("no edge prefix")
	}
	if err := c.entries(n, m, low, high, prefix, bad); err != nil {
		return err
	}
	if level == 0 {
		c.leaves++
		if c.lastLeaf.p != nil && c.lastLeaf.ref(linkOffset) != t.refOf(n) {
			return bad("the leaf before links to %#x", c.lastLeaf.ref(linkOffset))
		}
		c.lastLeaf = n
		return nil
	}
	c.inners++
	for i := range m.count() + 1 {
		childLow, childHigh, childHighRef := low, high, arena.Ref(0)
		if i > 0 {
			childLow = t.entryKey(level, n.slot(i-1))
		}
		if i < m.count() {
			childHighRef = t.node(n.child(i + 1)).ref(lowOffset)
			childHigh = t.fence(childHighRef)
		} else if highRef != 0 {
			childHighRef = t.leftEdge(highRef, level-1)
		}
		if err := c.node(t.node(n.child(i)), level-1, childLow, childHigh, childHighRef); err != nil {
			return err
		}
	}
	return nil
}

// leftEdge returns the low fence of the first node of a level that is above the
// high fence of a node of a higher level.
func (t *Tree) leftEdge(highRef arena.Ref, level int) arena.Ref {
	k := makeProbe(t.fence(highRef))
	root, v := t.rootNode()
	for at := root; ; {
		m := at.meta()
		if m.level() == level {
			return at.ref(lowOffset)
		}
		i, _ := t.route(at, v, m, &k)
		at = t.node(at.child(i))
		v = at.word()
	}
}

// entries checks the keys, heads and lengths of n.
func (c *checker) entries(n node, m meta, low, high, prefix []byte, bad func(string, ...any) error) error {
	t := c.t
	var before []byte
	for i := range m.count() {
		key := t.entryKey(m.level(), n.slot(i))
		switch {
		case slotKeyBytes(n.slot(i)) != len(key):
			return bad("entry %d: %d bytes of key, slot says %d", i, len(key), slotKeyBytes(n.slot(i)))
		case !bytes.HasPrefix(key, prefix):
			return bad("entry %d: key %q without prefix %q", i, key, prefix)
		case n.head(i) != headOf(key, len(prefix)):
			return bad("entry %d: key %q, head %#x", i, key, n.head(i))
		case i > 0 && bytes.Compare(before, key) >= 0:
			return bad("entry %d: key %q after %q", i, key, before)
		case bytes.Compare(key, low) < 0 || m.level() > 0 && bytes.Equal(key, low) || high != nil && bytes.Compare(key, high) >= 0:
			return bad("entry %d: key %q is not within [%q, %q)", i, key, low, high)
		}
		before = key
		if m.level() == 0 {
			if c.any && bytes.Compare(c.last, key) >= 0 {
				return bad("entry %d: key %q after %q", i, key, c.last)
			}
			c.last, c.any = key, true
		}
	}
	for i := m.count(); i < fanout; i++ {
		if n.head(i) != noHead {
			return bad("head %#x behind the last entry", n.head(i))
		}
	}
	return nil
}
