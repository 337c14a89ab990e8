package index

import (
	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/invariant"
	"github.com/godwitdb/godwit/internal/record"
)

// Insert adds the record at rec, which no other goroutine knows yet, under the
// key that it holds, and thereby publishes it. If the key is present, Insert
// returns its record and changes nothing; rec then stays the caller's own.
// What Insert did to node versions is appended to changes, in the order in
// which it was done. The error wraps arena.ErrFull, and the tree then holds what
// it held.
func (t *Tree) Insert(m Mem, rec arena.Ref, changes []Change) (existing arena.Ref, out []Change, err error) {
	k := makeProbe(record.Key(t.ptr(rec)))
	for {
		n, v := t.findLeaf(&k)
		nm := n.meta()
		pos, slot, ok := t.search(n, v, nm, &k)
		invariant.Yield()
		switch {
		case !ok:
			continue
		case slot != 0:
			if n.word() != v {
				continue
			}
			return slotRef(slot), changes, nil
		case nm.count() == fanout:
			existing, out, done, err := t.insertSplit(m, &k, rec, changes)
			if done || err != nil {
				return existing, out, err
			}
			continue
		case !n.tryLock(v):
			continue
		}
		t.admit(m, n, k.key)
		n.insertEntry(pos, k.head(n.meta().prefix()), slotOf(rec, len(k.key)))
		n.unlock(v)
		return 0, append(changes, Change{Node: t.refOf(n), Before: v, After: v + versionStep}), nil
	}
}

// insertSplit inserts like Insert, and splits every full node on its way. done is
// false if it has to be tried again, because another goroutine came in between
// or because a node above the leaf was split.
func (t *Tree) insertSplit(m Mem, k *probe, rec arena.Ref, changes []Change) (existing arena.Ref, out []Change, done bool, err error) {
	var parent node
	var pv uint64
	n, v := t.rootNode()
	for {
		nm := n.meta()
		if nm.level() == 0 {
			break
		}
		i, ok := t.route(n, v, nm, k)
		if !ok {
			return 0, changes, false, nil
		}
		if nm.count() == fanout {
			return 0, changes, false, t.splitInner(m, parent, pv, n, v, i)
		}
		c, cv, ok := t.step(n, v, n.child(i))
		if !ok {
			return 0, changes, false, nil
		}
		parent, pv, n, v = n, v, c, cv
	}
	nm := n.meta()
	pos, slot, ok := t.search(n, v, nm, k)
	switch {
	case !ok || n.word() != v || slot == 0 && nm.count() < fanout:
		return 0, changes, false, nil
	case slot != 0:
		return slotRef(slot), changes, true, nil
	}
	change, ok, err := t.splitLeaf(m, parent, pv, n, v, pos, k, rec)
	if ok {
		changes = append(changes, change)
	}
	return 0, changes, ok, err
}
