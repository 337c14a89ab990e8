package index

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/invariant"
	"github.com/godwitdb/godwit/internal/record"
)

// Insert adds rec, or returns the record that has its key already. It appends
// to changes what it did to versions: one Change for the bucket of rec, and one
// for each bucket that it split because the table was due to grow. The caller is
// pinned. On error, which wraps arena.ErrFull, nothing has changed.
func (h *Hash) Insert(m Mem, rec arena.Ref, changes []Change) (existing arena.Ref, out []Change, err error) {
	key := record.Key(h.ptr(rec))
	hv := h.seeds.hash(key)
	for tries := 0; ; tries++ {
		at, ok := h.search(hv, key)
		if ok && at.rec != 0 {
			return at.rec, changes, nil
		}
		invariant.Yield()
		if ok && h.lock(at) {
			if err := h.add(m, at, tagOf(hv)|uint64(rec)); err != nil {
				h.unlock(at.node, at.version)
				return 0, changes, err
			}
			after := at.version + bucketChanged
			h.unlock(at.node, after)
			changes = append(changes, Change{Node: at.node, Before: at.version, After: after})
			if inSample(hv) {
				h.sampled.Add(1)
				changes = h.grow(m, changes)
			}
			return 0, changes, nil
		}
		hashWait(tries)
	}
}

// Remove takes rec out, this record and no other of the same key, and tells
// whether it was there. Readers may still be looking at it: the caller retires
// it. The caller is pinned.
func (h *Hash) Remove(m Mem, rec arena.Ref) bool {
	key := record.Key(h.ptr(rec))
	hv := h.seeds.hash(key)
	for tries := 0; ; tries++ {
		at, ok := h.search(hv, key)
		if ok && at.rec != rec {
			return false
		}
		invariant.Yield()
		if ok && h.lock(at) {
			h.cut(m, at)
			h.unlock(at.node, at.version+bucketChanged)
			if inSample(hv) {
				h.sampled.Add(-1)
			}
			return true
		}
		hashWait(tries)
	}
}

// lock locks the bucket that a search ended in, if it is still as the search saw
// it.
func (h *Hash) lock(at hashPlace) bool {
	if at.version&bucketObsolete != 0 {
		panic("index: change of a hash that was freed")
	}
	return atomic.CompareAndSwapUint64((*uint64)(h.ptr(at.node)), at.version, at.version|bucketLocked)
}

// unlock gives the bucket its version.
func (h *Hash) unlock(node arena.Ref, version uint64) {
	atomic.StoreUint64((*uint64)(h.ptr(node)), version)
}

// add puts slot at the end of a locked chain.
func (h *Hash) add(m Mem, at hashPlace, slot uint64) error {
	if at.slot != nil {
		arena.Store64(at.slot, slot)
		return nil
	}
	r, err := m.Cache.Alloc(bucketBytes)
	if err != nil {
		return fmt.Errorf("index: overflow bucket of a hash: %w", err)
	}
	// The link takes the place of a record, which moves along.
	link := unsafe.Add(at.tail, lastSlot)
	h.fill(h.ptr(r), 0, []uint64{arena.Load64(link), slot}, nil)
	arena.Store64(link, uint64(r))
	return nil
}

// cut takes the record at.slot out of a locked chain. The chain's last record
// fills the gap.
func (h *Hash) cut(m Mem, at hashPlace) {
	tail, offset := h.ptr(at.node), 8
	var link unsafe.Pointer // to the tail
	for s := arena.Load64(unsafe.Add(tail, lastSlot)); isLink(s); s = arena.Load64(unsafe.Add(tail, lastSlot)) {
		link = unsafe.Add(tail, lastSlot)
		tail, offset = h.ptr(arena.Ref(s)), 0
	}
	end := bucketBytes - 8
	for arena.Load64(unsafe.Add(tail, end)) == 0 {
		end -= 8
	}
	last := unsafe.Add(tail, end)
	arena.Store64(at.slot, arena.Load64(last))
	invariant.Yield()
	arena.Store64(last, 0)
	if link != nil && end-8 == offset {
		// One record is left: it takes the place of the link.
		overflow := arena.Ref(arena.Load64(link))
		arena.Store64(link, arena.Load64(tail))
		m.Limbo.Retire(overflow, bucketBytes)
	}
}

// fill writes slots into the chain that begins offset bytes into the bucket at p,
// with overflow buckets from spare, and returns those left over.
func (h *Hash) fill(p unsafe.Pointer, offset int, slots []uint64, spare []arena.Ref) []arena.Ref {
	for {
		invariant.Yield()
		room := (bucketBytes - offset) / 8
		overflows := len(slots) > room
		if overflows {
			room--
		}
		for i := range room {
			var s uint64
			if i < len(slots) {
				s = slots[i]
			}
			arena.Store64(unsafe.Add(p, offset+i*8), s)
		}
		if !overflows {
			return spare
		}
		arena.Store64(unsafe.Add(p, lastSlot), uint64(spare[0]))
		p, offset = h.ptr(spare[0]), 0
		slots, spare = slots[room:], spare[1:]
	}
}
