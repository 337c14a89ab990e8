package keyspace

import (
	"fmt"

	"github.com/godwitdb/godwit/internal/keyspace/counted"
)

// treeNodes has the nodes of the tree of a sorted set that a transaction has read or changed. They are written once, when it
// ends, however many commands have changed them: each changes the way to the root, and the transaction keeps all that it writes.
type treeNodes struct {
	tx   *Tx
	id   uint64 // of the set; 0 while it has none
	used map[uint64]treeNode
}

type treeNode struct {
	bytes   []byte // nil: deleted
	changed bool
	stored  bool // there is a record
}

// keep keeps the nodes of a sorted set until the transaction ends, for all who look it up.
func (t *Tx) keep(id uint64, nodes *treeNodes) {
	if t.trees == nil {
		t.trees = map[uint64]*treeNodes{}
	}
	nodes.id = id
	t.trees[id] = nodes
}

// writeTrees writes the nodes that have changed.
func (t *Tx) writeTrees() error {
	for _, nodes := range t.trees {
		if err := nodes.write(); err != nil {
			return err
		}
	}
	return nil
}

func (n *treeNodes) name(id uint64) []byte {
	n.tx.name = appendNumberName(n.tx.name[:0], n.id, tagNode, id)
	return n.tx.name
}

func (n *treeNodes) use(id uint64, node treeNode) {
	if n.used == nil {
		n.used = map[uint64]treeNode{}
	}
	n.used[id] = node
}

// Get implements counted.Nodes.
func (n *treeNodes) Get(id uint64) ([]byte, error) {
	node, ok := n.used[id]
	if !ok {
		var err error
		if node.bytes, ok, err = n.tx.element(n.name(id)); err != nil {
			return nil, err
		}
		if node.stored = ok; ok {
			n.use(id, node)
		}
	}
	if !ok || node.bytes == nil {
		return nil, fmt.Errorf("%w: node %d is missing", counted.ErrCorrupt, id)
	}
	return node.bytes, nil
}

// Edit implements counted.Nodes.
func (n *treeNodes) Edit(id uint64) ([]byte, error) {
	b, err := n.Get(id)
	if err != nil || n.used[id].changed {
		return b, err
	}
	err = n.Put(id, b)
	return n.used[id].bytes, err
}

// Put implements counted.Nodes. What Get has returned stays as it is.
func (n *treeNodes) Put(id uint64, node []byte) error {
	before := n.used[id]
	n.use(id, treeNode{append([]byte(nil), node...), true, before.stored})
	if before.changed {
		n.tx.held += len(node) - len(before.bytes)
		return nil
	}
	return n.tx.hold(len(node))
}

// Delete implements counted.Nodes.
func (n *treeNodes) Delete(id uint64) error {
	before, ok := n.used[id]
	n.use(id, treeNode{nil, true, before.stored || !ok})
	return nil
}

// write writes the nodes that have changed.
func (n *treeNodes) write() error {
	t := n.tx
	for id, node := range n.used {
		var err error
		switch {
		case !node.changed:
			continue
		case node.bytes != nil:
			err = t.in.Put(t.Space.elements, n.name(id), node.bytes) // it is held since it was put
		case node.stored:
			err = t.in.Delete(t.Space.elements, n.name(id))
		}
		if err != nil {
			return err
		}
		n.used[id] = treeNode{bytes: node.bytes, stored: node.bytes != nil}
	}
	return nil
}
