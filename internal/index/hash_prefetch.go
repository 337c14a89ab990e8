package index

import (
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/cpu"
)

// Coming is a key that will be looked up: the bucket that it belongs to, on its way
// from memory, and its tag.
type Coming struct {
	bucket arena.Ref
	tag    uint64
}

// Prefetch asks for the buckets of keys that will be looked up later, and notes them in
// coming, which has as many elements. The caller is pinned.
func (h *Hash) Prefetch(keys [][]byte, coming []Coming) {
	coming = coming[:len(keys)]
	for k, key := range keys {
		hv := h.seeds.hash(key)
		node := h.bucketRef(h.bucketOf(hv))
		coming[k] = Coming{node, tagOf(hv)}
		cpu.Prefetch64(h.ptr(node))
	}
}

// PrefetchRecords asks for the records in the buckets that Prefetch asked for some time
// ago. It is no lookup: a bucket that has changed or overflowed gives the wrong record
// or none, which costs the time that was to be saved and nothing else. The caller is pinned.
func (h *Hash) PrefetchRecords(coming []Coming) {
	for _, c := range coming {
		p := h.ptr(c.bucket)
		if match := matchTag(p, c.tag); match != 0 {
			cpu.Prefetch192(h.ptr(arena.Ref(match & slotRefMask)))
		} else if last := arena.Load64(unsafe.Add(p, lastSlot)); isLink(last) {
			cpu.Prefetch64(h.ptr(arena.Ref(last)))
		}
	}
}
