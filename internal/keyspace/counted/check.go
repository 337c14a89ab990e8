package counted

import "fmt"

// Check reads the whole tree and returns an error that wraps ErrCorrupt if it is
// not what it must be.
func (t *Tree) Check() error {
	if err := t.Root.validate(); err != nil || t.Root.Count == 0 {
		return err
	}
	c := checker{t: t}
	return c.node(t.Root.Node, t.Root.Height-1, t.Root.Count, key{})
}

// checker walks a tree in order.
type checker struct {
	t     *Tree
	last  key // the last entry
	begun bool
}

// node checks a node and all below it. Its entries must not be below low.
func (c *checker) node(id uint64, level uint8, count uint64, low key) error {
	if id >= c.t.Root.NextID {
		return fmt.Errorf("%w: node %d has an id that was never given", ErrCorrupt, id)
	}
	n, err := c.t.open(id, level, count)
	if err != nil {
		return err
	}
	if level > 0 && c.begun && n.key(0).compare(low) != 0 {
		return fmt.Errorf("%w: node %d has not the separator that its parent has for it", ErrCorrupt, id)
	}
	for i := range n.n {
		k := n.key(i)
		if c.begun && (c.last.compare(k) >= 0 || k.compare(low) < 0) {
			return fmt.Errorf("%w: node %d: slot %d is out of order", ErrCorrupt, id, i)
		}
		if level == 0 {
			c.last, c.begun = k, true
			continue
		}
		if !c.begun {
			k = key{} // the separators of the leftmost nodes bound nothing
		}
		if err := c.node(n.child(i), level-1, n.count(i), k); err != nil {
			return err
		}
	}
	return nil
}
