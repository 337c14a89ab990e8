package counted

import (
	"fmt"
	"iter"
)

// Entry is a score and a member. The member is good until the end of the
// transaction and must not be changed.
type Entry struct {
	Score  float64
	Member []byte
}

// Ascend returns the entries of a rank and above, in order. The tree must not be
// changed until the iteration is over. An error ends it.
func (t *Tree) Ascend(rank int) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if rank >= 0 && uint64(rank) < t.Root.Count {
			t.ascend(t.Root.Node, t.Root.Height-1, t.Root.Count, uint64(rank), yield)
		}
	}
}

// ascend yields the entries below a node, from rank from in it, and reports
// whether to go on.
func (t *Tree) ascend(id uint64, level uint8, count, from uint64, yield func(Entry, error) bool) bool {
	n, err := t.open(id, level, count)
	if err != nil {
		yield(Entry{}, err)
		return false
	}
	i, from := n.childAt(from)
	for ; i < n.n; i, from = i+1, 0 {
		if level == 0 && !yield(n.entry(i), nil) ||
			level > 0 && !t.ascend(n.child(i), level-1, n.count(i), from, yield) {
			return false
		}
	}
	return true
}

// Descend returns the entries of a rank and below, in descending order. The tree
// must not be changed until the iteration is over. An error ends it.
func (t *Tree) Descend(rank int) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if rank >= 0 && uint64(rank) < t.Root.Count {
			t.descend(t.Root.Node, t.Root.Height-1, t.Root.Count, uint64(rank), yield)
		}
	}
}

// descend yields the entries below a node in descending order, from rank from in
// it, and reports whether to go on.
func (t *Tree) descend(id uint64, level uint8, count, from uint64, yield func(Entry, error) bool) bool {
	n, err := t.open(id, level, count)
	if err != nil {
		yield(Entry{}, err)
		return false
	}
	for i, from := n.childAt(from); ; from = n.count(i) - 1 {
		if level == 0 && !yield(n.entry(i), nil) ||
			level > 0 && !t.descend(n.child(i), level-1, n.count(i), from, yield) {
			return false
		}
		if i--; i < 0 {
			return true
		}
	}
}

func (n node) entry(i int) Entry { return Entry{score(n.score(i)), n.member(i)} }

// DeleteRange removes the entries from rank from to before rank to, and calls
// each, if not nil, for every one, in order. Beside the nodes that go it reads and writes
// O(log² n) records at most.
func (t *Tree) DeleteRange(from, to int, each func(Entry) error) error {
	if from < 0 || from > to || uint64(to) > t.Root.Count {
		return fmt.Errorf("%w: %d to %d of %d", ErrRank, from, to, t.Root.Count)
	}
	for left := uint64(to - from); left > 0; {
		n, err := t.deleteSome(uint64(from), left, each)
		if err != nil {
			return err
		}
		left -= n
	}
	return nil
}

// Clear removes all entries, without reading the leaves.
func (t *Tree) Clear() error {
	if t.Root.Count == 0 {
		return nil
	}
	err := t.drop(t.Root.Node, t.Root.Height-1, t.Root.Count, nil)
	t.Root = Root{NextID: t.Root.NextID}
	return err
}

// deleteSome removes entries of one node, the highest that can spare them, from
// rank from on: not more than count, at least one. It returns how many.
func (t *Tree) deleteSome(from, count uint64, each func(Entry) error) (uint64, error) {
	t.above()
	level := t.Root.Height
	for s := &t.path[0]; ; level-- {
		s.at, from = s.node.childAt(from)
		end, deleted := s.at, uint64(0)
		for from == 0 && end < s.node.n && deleted+s.node.count(end) <= count {
			deleted += s.node.count(end)
			end++
		}
		if deleted > 0 {
			if err := t.dropSlots(level, s.node, s.at, end, each); err != nil {
				return 0, err
			}
			t.content.set(level, run{s.node, 0, s.at}, run{s.node, end, s.node.n})
			return deleted, t.rewrite()
		}
		var err error
		if s, err = t.down(level - 1); err != nil {
			return 0, err
		}
	}
}

// dropSlots drops what is in the slots from lo to before hi.
func (t *Tree) dropSlots(level uint8, n node, lo, hi int, each func(Entry) error) error {
	for i := lo; i < hi; i++ {
		var err error
		switch {
		case level > 0:
			err = t.drop(n.child(i), level-1, n.count(i), each)
		case each != nil:
			err = each(n.entry(i))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// drop deletes a node and all below it.
func (t *Tree) drop(id uint64, level uint8, count uint64, each func(Entry) error) error {
	if level > 0 || each != nil {
		n, err := t.open(id, level, count)
		if err != nil {
			return err
		}
		if err := t.dropSlots(level, n, 0, n.n, each); err != nil {
			return err
		}
	}
	return t.Nodes.Delete(id)
}
