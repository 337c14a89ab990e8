package counted

// rewrite gives the last node of the path the content, and the nodes above it
// what follows from that.
func (t *Tree) rewrite() error {
	defer t.trim()
	if t.fits() {
		return t.replaceLeaf()
	}
	c := &t.content
	for i := len(t.path) - 1; i > 0; i-- {
		if i == 1 && c.level > 0 && c.len() == 1 {
			// The root gives way to its only child.
			if err := t.Nodes.Delete(t.path[i].id); err != nil {
				return err
			}
			break
		}
		parent := t.path[i-1]
		lo, hi, err := t.join(parent)
		if err != nil {
			return err
		}
		children, err := t.store(parent.node, lo, hi)
		if err != nil {
			return err
		}
		c.set(c.level+1, run{parent.node, 0, lo}, whole(children), run{parent.node, hi, parent.node.n})
	}
	// The content is the children of what is above the root.
	for c.len() > 1 {
		c.cut()
		children, err := t.store(node{}, 0, 0)
		if err != nil {
			return err
		}
		c.set(c.level+1, whole(children))
	}
	return t.setRoot()
}

// fits tells whether the leaf that the path leads to stays one with the content, which is what a change of one entry is
// most of the time: then nothing is cut or joined.
func (t *Tree) fits() bool {
	c := &t.content
	if len(t.path) != int(t.Root.Height)+1 || c.level > 0 || c.len() == 0 {
		return false // an empty tree, before or then
	}
	weight := c.weight(0, c.len())
	return weight <= nodeWeightMax && (weight >= nodeWeightMin || t.Root.Height == 1)
}

// replaceLeaf writes the content as the leaf that the path leads to. Of the nodes above it only counts change.
func (t *Tree) replaceLeaf() error {
	c, leaf := &t.content, &t.path[len(t.path)-1]
	before, now := uint64(leaf.node.n), uint64(c.len())
	t.buf = c.encode(t.buf, piece{0, c.len()})
	if err := t.Nodes.Put(leaf.id, t.buf); err != nil {
		return err
	}
	for _, s := range t.path[1 : len(t.path)-1] {
		b, err := t.Nodes.Edit(s.id)
		if err != nil {
			return err
		}
		s.node.b = b
		s.node.setCount(s.at, s.node.count(s.at)-before+now)
	}
	t.Root.Count += now - before
	return t.Root.validate()
}

// setRoot makes the only child of the content the root.
func (t *Tree) setRoot() error {
	c := &t.content
	root := Root{NextID: t.Root.NextID}
	if c.len() == 1 {
		root.Height = c.level
		n, at := c.slot(0)
		root.Node, root.Count = n.child(at), n.count(at)
	}
	t.Root = root
	return root.validate()
}

// join cuts the content of the child that the path goes through. If that leaves a light piece,
// it takes in the sibling beside it first. It returns the slots of the
// children that the pieces replace, from lo to before hi.
func (t *Tree) join(parent step) (lo, hi int, err error) {
	c := &t.content
	lo, hi = parent.at, min(parent.at+1, parent.node.n) // none above the root of an empty tree
	c.cut()
	if lo > 0 && (len(c.pieces) == 0 || c.light(c.pieces[0])) {
		sibling, err := t.sibling(parent.node, lo-1)
		if err != nil {
			return 0, 0, err
		}
		if c.takes(sibling) {
			lo--
			c.runs = append(c.runs, run{})
			copy(c.runs[1:], c.runs)
			c.runs[0] = whole(sibling)
			c.cut()
		}
	}
	if hi < parent.node.n && (len(c.pieces) == 0 || c.light(c.pieces[len(c.pieces)-1])) {
		sibling, err := t.sibling(parent.node, hi)
		if err != nil {
			return 0, 0, err
		}
		if c.takes(sibling) {
			hi++
			c.runs = append(c.runs, whole(sibling))
			c.cut()
		}
	}
	return lo, hi, nil
}

func (t *Tree) sibling(parent node, i int) (node, error) {
	return t.open(parent.child(i), t.content.level, parent.count(i))
}

// takes reports whether a content with a light piece is joined with a sibling. One that is too
// heavy itself has nothing to give; but a node must have its least.
func (c *content) takes(sibling node) bool {
	return c.len() < slotsMin(c.level) || sibling.weight(0, sibling.n) <= nodeWeightMax
}

// store writes the pieces in place of children of parent, those from lo to
// before hi, and returns a node that has them as its children.
func (t *Tree) store(parent node, lo, hi int) (node, error) {
	c := &t.content
	children := build(t.fresh[c.level%2], c.level+1, len(c.pieces))
	for i, p := range c.pieces {
		id := t.Root.NextID
		if lo+i < hi {
			id = parent.child(lo + i)
		} else {
			t.Root.NextID++
		}
		t.buf = c.encode(t.buf, p)
		if err := t.Nodes.Put(id, t.buf); err != nil {
			return node{}, err
		}
		var bound key
		switch {
		case c.level > 0:
			bound = c.key(p.lo)
		case i > 0:
			bound = separator(c.key(p.lo-1), c.key(p.lo))
		case lo < hi:
			bound = parent.key(lo)
		}
		children.child(bound, id, c.count(p))
	}
	t.fresh[c.level%2] = children.b
	for i := lo + len(c.pieces); i < hi; i++ {
		if err := t.Nodes.Delete(parent.child(i)); err != nil {
			return node{}, err
		}
	}
	return children.node, nil
}
