package index

import (
	"bytes"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/cpu"
	"github.com/godwitdb/godwit/internal/invariant"
)

// Page is a consistent copy of what one leaf holds within the bounds of a scan.
// The zero Page is ready for Ascend and Descend; its buffers are used again from
// page to page and from scan to scan.
type Page struct {
	// Node and Version say where and when the page was read. A page without
	// records has them, too: no key of the range was there then.
	Node    arena.Ref
	Version uint64
	// Recs are the records, in the order of the scan.
	Recs []arena.Ref
	// More tells that the range goes on in another leaf.
	More bool

	descending bool
	bounded    bool
	// bound is where the scan ends: to, if it ascends, else from.
	bound []byte
	// start is where this page begins, next where the one behind it does: the
	// first key of an ascending page, the first above a descending one.
	start, next []byte
}

// Span returns the bounds from ≤ key < to of the keys for which the page speaks,
// nil being none. The slices are good until the next page is read.
func (p *Page) Span() (from, to []byte) {
	switch {
	case p.descending && p.More:
		from, to = p.next, p.start
	case p.descending:
		from, to = p.bound, p.start
	case p.More:
		return p.start, p.next
	case p.bounded:
		return p.start, p.bound
	default:
		return p.start, nil
	}
	if len(to) == 0 {
		to = nil
	}
	return from, to
}

// Ascend reads the first page of from ≤ key < to, in ascending order. to = nil
// is no bound. The slices may be changed afterwards.
func (t *Tree) Ascend(p *Page, from, to []byte) {
	p.descending = false
	p.bounded = to != nil
	p.bound = append(p.bound[:0], to...)
	p.start = append(p.start[:0], from...)
	t.ascend(p)
}

// Descend reads the first page of from ≤ key < to, in descending order.
func (t *Tree) Descend(p *Page, from, to []byte) {
	p.descending = true
	p.bounded = true
	p.bound = append(p.bound[:0], from...)
	p.start = append(p.start[:0], to...)
	t.descend(p, to == nil)
}

// Next reads the page that follows p, and returns false if there is none. It goes
// by key, not by node: the pin may have been left and entered again in between,
// and the leaf may be gone.
func (t *Tree) Next(p *Page) bool {
	if !p.More {
		p.Recs = p.Recs[:0]
		return false
	}
	p.start, p.next = p.next, p.start
	if p.descending {
		t.descend(p, false)
	} else {
		t.ascend(p)
	}
	return true
}

func (t *Tree) ascend(p *Page) {
	k := makeProbe(p.start)
	bound := makeProbe(p.bound)
	for {
		n, v := t.findLeaf(&k)
		if t.copyAscending(p, n, v, &k, &bound) {
			return
		}
	}
}

// copyAscending copies from leaf n what is at or above k. It returns false if n
// has changed since version v.
func (t *Tree) copyAscending(p *Page, n node, v uint64, k, bound *probe) bool {
	m := n.meta()
	high, link := n.ref(highOffset), n.ref(linkOffset)
	from, _, ok := t.search(n, v, m, k)
	if !ok || n.word() != v {
		return false
	}
	to, more := m.count(), false
	if high != 0 {
		fence := t.fence(high)
		p.next = append(p.next[:0], fence...)
		more = !p.bounded || bytes.Compare(fence, p.bound) < 0
	}
	if more {
		cpu.Prefetch1024(t.ptr(link))
	} else if p.bounded {
		if bytes.Compare(p.start, p.bound) >= 0 {
			to = from
		} else if to, _, ok = t.search(n, v, m, bound); !ok {
			return false
		}
	}
	p.Recs = p.Recs[:0]
	invariant.Yield()
	for i := from; i < to; i++ {
		p.Recs = append(p.Recs, slotRef(n.slot(i)))
	}
	p.Node, p.Version, p.More = t.refOf(n), v, more
	return n.word() == v
}

func (t *Tree) descend(p *Page, top bool) {
	k := makeProbe(p.start)
	bound := makeProbe(p.bound)
	probe := &k
	if top {
		probe = nil
	}
	for {
		n, v := t.findLeafBelow(probe)
		if t.copyDescending(p, n, v, probe, &bound) {
			return
		}
	}
}

// copyDescending copies from leaf n what is below k, or all if k is nil. It
// returns false if n has changed since version v.
func (t *Tree) copyDescending(p *Page, n node, v uint64, k, bound *probe) bool {
	m := n.meta()
	low := n.ref(lowOffset)
	to, ok := m.count(), true
	if k != nil {
		to, _, ok = t.search(n, v, m, k)
	}
	if !ok || n.word() != v {
		return false
	}
	from, order := 0, -1
	if low != 0 {
		fence := t.fence(low)
		p.next = append(p.next[:0], fence...)
		order = bytes.Compare(fence, p.bound)
	}
	if order < 0 {
		if k != nil && bytes.Compare(k.key, p.bound) <= 0 {
			from = to
		} else if from, _, ok = t.search(n, v, m, bound); !ok {
			return false
		}
	}
	p.Recs = p.Recs[:0]
	invariant.Yield()
	for i := to - 1; i >= from; i-- {
		p.Recs = append(p.Recs, slotRef(n.slot(i)))
	}
	p.Node, p.Version, p.More = t.refOf(n), v, order > 0
	return n.word() == v
}
