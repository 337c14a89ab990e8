package counted

import (
	"errors"
	"fmt"
)

// ErrMemberTooLong: a member has more than MemberBytesMax bytes.
var ErrMemberTooLong = fmt.Errorf("member has more than %d bytes", MemberBytesMax)

// ErrRank: there is no entry of that rank.
var ErrRank = errors.New("rank out of range")

// Nodes is the store of a tree's nodes, within one transaction. The tree returns
// its errors as they are.
type Nodes interface {
	// Get returns a node, which is not changed and stays as it is until the end
	// of the transaction, also if the node is put again or deleted; but Edit may change it. If
	// there is none, the error wraps ErrCorrupt.
	Get(id uint64) ([]byte, error)
	// Edit returns a node that Get returns, for its bytes to be changed in place: not those
	// that are stored, but it may be what Get or Edit has returned before. Only counts of interior
	// nodes are changed, which nobody keeps behind an operation.
	Edit(id uint64) ([]byte, error)
	// Put stores a copy of node.
	Put(id uint64, node []byte) error
	Delete(id uint64) error
}

// Tree is a tree within one transaction. It serves one goroutine at a time.
//
// After an error of a method that changes the tree, neither Root nor the nodes
// are of use: the transaction must be given up.
type Tree struct {
	Nodes Nodes
	Root  Root
	// Memory is what the tree works in; nil for its own.
	*Memory
}

// Memory is what a tree works in during an operation. Trees of one goroutine can share it. It keeps hold of nodes.
type Memory struct {
	path    []step // from above the root to where the operation works
	content content
	buf     []byte    // the node to put
	top     []byte    // the node above the root
	fresh   [2][]byte // children that were written, by level modulo 2
}

// step is a node on the path.
type step struct {
	id   uint64
	node node
	at   int // the slot that the path goes on with
}

// scratchBytesMax is how large a buffer is kept.
const scratchBytesMax = 4 * nodeWeightMax

// trim lets go of what an operation with long members needed.
func (t *Tree) trim() {
	for _, b := range []*[]byte{&t.buf, &t.fresh[0], &t.fresh[1]} {
		if cap(*b) > scratchBytesMax {
			*b = nil
		}
	}
}

func (t *Tree) open(id uint64, level uint8, count uint64) (node, error) {
	b, err := t.Nodes.Get(id)
	if err != nil {
		return node{}, err
	}
	n, err := parseNode(b, level, count)
	if err != nil {
		return node{}, fmt.Errorf("node %d: %w", id, err)
	}
	return n, nil
}

// above begins the path with a node above the root, so that the root is a
// child like others.
func (t *Tree) above() {
	if t.Memory == nil {
		t.Memory = &Memory{}
	}
	above := build(t.top, t.Root.Height, 1)
	if t.Root.Height > 0 {
		above.child(key{}, t.Root.Node, t.Root.Count)
	}
	t.top = above.b
	t.path = append(t.path[:0], step{node: above.node})
}

// down leads the path to a node of a level: the child at which it stands.
func (t *Tree) down(level uint8) (*step, error) {
	s := t.path[len(t.path)-1]
	id := s.node.child(s.at)
	n, err := t.open(id, level, s.node.count(s.at))
	if err != nil {
		return nil, err
	}
	t.path = append(t.path, step{id: id, node: n})
	return &t.path[len(t.path)-1], nil
}

// seek leads the path to the place of k in its leaf, and returns how many
// entries are below k and whether k is there.
func (t *Tree) seek(k key) (rank uint64, found bool, err error) {
	t.above()
	for level := t.Root.Height; level > 0; level-- {
		s, err := t.down(level - 1)
		if err != nil {
			return 0, false, err
		}
		if level == 1 {
			s.at, found = s.node.search(k)
			return rank + uint64(s.at), found, nil
		}
		s.at = s.node.childOf(k)
		rank += s.node.countOf(0, s.at)
	}
	t.path = append(t.path, step{node: node{slot: leafSlotBytes}}) // an empty tree's leaf to be
	return 0, false, nil
}

// Rank returns how many entries are below an entry, and whether that is there.
func (t *Tree) Rank(score float64, member []byte) (int, bool, error) {
	rank, found, err := t.seek(key{ordered(score), member})
	return int(rank), found, err
}

// At returns the entry of a rank. The member is good until the end of the
// transaction and must not be changed.
func (t *Tree) At(rank int) (float64, []byte, error) {
	if rank < 0 || uint64(rank) >= t.Root.Count {
		return 0, nil, fmt.Errorf("%w: %d of %d", ErrRank, rank, t.Root.Count)
	}
	id, count, within := t.Root.Node, t.Root.Count, uint64(rank)
	for level := t.Root.Height; ; level-- {
		n, err := t.open(id, level-1, count)
		if err != nil {
			return 0, nil, err
		}
		var i int
		i, within = n.childAt(within)
		if level == 1 {
			return score(n.score(i)), n.member(i), nil
		}
		id, count = n.child(i), n.count(i)
	}
}

// Insert adds an entry that is not there.
func (t *Tree) Insert(score float64, member []byte) error {
	if len(member) > MemberBytesMax {
		return ErrMemberTooLong
	}
	k := key{ordered(score), member}
	_, found, err := t.seek(k)
	if err != nil {
		return err
	}
	if found {
		return fmt.Errorf("%w: the entry to insert is there already", ErrCorrupt)
	}
	entry := build(t.fresh[1], 0, 1)
	entry.entry(k)
	t.fresh[1] = entry.b
	leaf := t.path[len(t.path)-1]
	t.content.set(0, run{leaf.node, 0, leaf.at}, whole(entry.node), run{leaf.node, leaf.at, leaf.node.n})
	return t.rewrite()
}

// Delete removes an entry and reports whether it was there.
func (t *Tree) Delete(score float64, member []byte) (bool, error) {
	_, found, err := t.seek(key{ordered(score), member})
	if err != nil || !found {
		return false, err
	}
	leaf := t.path[len(t.path)-1]
	t.content.set(0, run{leaf.node, 0, leaf.at}, run{leaf.node, leaf.at + 1, leaf.node.n})
	return true, t.rewrite()
}
