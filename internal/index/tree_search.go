package index

import (
	"bytes"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/invariant"
	"github.com/godwitdb/godwit/internal/record"
)

// The searches below read a node at version word v: one that the caller has
// read, or, if it holds the lock, the locked word. They follow a reference only
// after they have seen that the word is still v, since until then it may be
// the leavings of a change. Their result counts only if the word is v afterwards;
// ok = false says that it is not.

// comparePrefix compares k with the prefix of a node that says so (meta.edge):
// -1 if all of the node's keys are above k, 1 if all are below it, 0 if k has the
// prefix.
func (t *Tree) comparePrefix(n node, v uint64, m meta, k *probe) (order int, ok bool) {
	r := n.ref(edgeOffset)
	if n.word() != v || r == 0 {
		return 0, false
	}
	p := m.prefix()
	return bytes.Compare(k.key[:min(p, len(k.key))], t.fence(r)[:p]), true
}

// find returns the slot of the entry of a leaf whose key is k, 0 if there is none.
// ask: no other entry can have the key, but whether this one has, only its
// record can tell; the caller asks it after it has validated v.
func (t *Tree) find(n node, v uint64, m meta, k *probe) (slot uint64, ask, ok bool) {
	if m.edge() {
		if order, ok := t.comparePrefix(n, v, m, k); !ok || order != 0 {
			return 0, false, ok
		}
	}
	h, count := k.head(m.prefix()), m.count()
	pos := n.below(h)
	if pos >= count || n.head(pos) != h {
		return 0, false, true
	}
	if len(k.key) <= m.prefix()+headBytes {
		_, slot = n.searchShort(pos, count, h, len(k.key))
		return slot, false, true
	}
	if pos+1 < count && n.head(pos+1) == h {
		_, slot, ok = t.searchLong(n, v, m, k, h, pos)
		return slot, false, ok
	}
	if slot = n.slot(pos); slotKeyBytes(slot) != len(k.key) {
		slot = 0
	}
	return slot, slot != 0, true
}

// hasKey tells whether the record of a validated slot has the key.
func (t *Tree) hasKey(slot uint64, key []byte) bool {
	return bytes.Equal(record.Key(t.ptr(slotRef(slot))), key)
}

// search returns the position of the first entry of a leaf that is not below k,
// and its slot if the entry's key is k, else 0.
func (t *Tree) search(n node, v uint64, m meta, k *probe) (pos int, slot uint64, ok bool) {
	count, p := m.count(), m.prefix()
	if m.edge() {
		switch order, ok := t.comparePrefix(n, v, m, k); {
		case !ok:
			return 0, 0, false
		case order < 0:
			return 0, 0, true
		case order > 0:
			return count, 0, true
		}
	}
	h := k.head(p)
	pos = n.below(h)
	if pos >= count || n.head(pos) != h {
		return pos, 0, true
	}
	if len(k.key) <= p+headBytes {
		pos, slot = n.searchShort(pos, count, h, len(k.key))
		return pos, slot, true
	}
	return t.searchLong(n, v, m, k, h, pos)
}

// searchShort goes through the entries from pos on whose head is h, the whole
// rest of a key of keyBytes bytes. Of keys with equal heads, those that are no
// longer than the head differ in trailing zeros and thus in length, and come in
// the order of their lengths before all that go on behind the head.
func (n node) searchShort(pos, count int, h uint64, keyBytes int) (int, uint64) {
	for ; pos < count && n.head(pos) == h; pos++ {
		s := n.slot(pos)
		if l := slotKeyBytes(s); l == keyBytes {
			return pos, s
		} else if l > keyBytes {
			break
		}
	}
	return pos, 0
}

// searchLong goes through the entries from pos on whose head is h, for a key
// that goes on behind the head: the records have to be asked.
func (t *Tree) searchLong(n node, v uint64, m meta, k *probe, h uint64, pos int) (int, uint64, bool) {
	count, rest := m.count(), m.prefix()+headBytes
	for pos < count && n.head(pos) == h && slotKeyBytes(n.slot(pos)) <= rest {
		pos++
	}
	end := pos
	for end < count && n.head(end) == h {
		end++
	}
	for pos < end {
		mid := int(uint(pos+end) >> 1)
		s := n.slot(mid)
		if n.word() != v {
			return 0, 0, false
		}
		switch c := bytes.Compare(record.Key(t.ptr(slotRef(s)))[rest:], k.key[rest:]); {
		case c == 0:
			return mid, s, true
		case c < 0:
			pos = mid + 1
		default:
			end = mid
		}
	}
	return pos, 0, true
}

// route returns which child of an inner node k belongs to: how many separators
// are at or below k.
func (t *Tree) route(n node, v uint64, m meta, k *probe) (int, bool) {
	if m.edge() {
		switch order, ok := t.comparePrefix(n, v, m, k); {
		case !ok:
			return 0, false
		case order < 0:
			return 0, true
		case order > 0:
			return m.count(), true
		}
	}
	h := k.head(m.prefix())
	i := n.below(h)
	if i >= m.count() || n.head(i) != h {
		return i, true
	}
	return t.routeTies(n, v, m, k, h, i, false)
}

// routeBelow returns which child of an inner node holds the last key below k:
// how many separators are below k.
func (t *Tree) routeBelow(n node, v uint64, m meta, k *probe) (int, bool) {
	if m.edge() {
		switch order, ok := t.comparePrefix(n, v, m, k); {
		case !ok:
			return 0, false
		case order < 0:
			return 0, true
		case order > 0:
			return m.count(), true
		}
	}
	h := k.head(m.prefix())
	i := n.below(h)
	if i >= m.count() || n.head(i) != h {
		return i, true
	}
	return t.routeTies(n, v, m, k, h, i, true)
}

// routeTies settles the separators from position pos on whose head is h, that of
// k: how many separators are below k, or equal to it unless below is set.
func (t *Tree) routeTies(n node, v uint64, m meta, k *probe, h uint64, pos int, below bool) (int, bool) {
	rest := m.prefix() + headBytes
	end := pos
	for end < m.count() && n.head(end) == h {
		end++
	}
	for pos < end {
		mid := int(uint(pos+end) >> 1)
		s := n.slot(mid)
		order, ok := t.compareSeparator(n, v, s, k, rest)
		if !ok {
			return 0, false
		}
		if order < 0 || order == 0 && !below {
			pos = mid + 1
		} else {
			end = mid
		}
	}
	return pos, true
}

// compareSeparator compares a separator that equals k up to byte rest (with
// zeros behind the shorter one) with k.
func (t *Tree) compareSeparator(n node, v uint64, slot uint64, k *probe, rest int) (order int, ok bool) {
	l := slotKeyBytes(slot)
	if l <= rest || len(k.key) <= rest {
		// At most one of them goes on behind the head, and is the larger one;
		// if none does, they differ in trailing zeros.
		return min(l, rest+1) - min(len(k.key), rest+1), true
	}
	if n.word() != v {
		return 0, false
	}
	low := t.node(slotRef(slot)).ref(lowOffset)
	return bytes.Compare(t.fence(low)[rest:], k.key[rest:]), true
}

// findLeafBelow returns the leaf that holds the last key below k (any key, if k
// is nil), and the version at which it did.
func (t *Tree) findLeafBelow(k *probe) (node, uint64) {
restart:
	n, v := t.rootNode()
	for {
		invariant.Yield()
		m := n.meta()
		if m.level() == 0 {
			return n, v
		}
		i, ok := m.count(), true
		if k != nil {
			i, ok = t.routeBelow(n, v, m, k)
		}
		if !ok {
			goto restart
		}
		var child arena.Ref = n.child(i)
		if n, v, ok = t.step(n, v, child); !ok {
			goto restart
		}
	}
}
