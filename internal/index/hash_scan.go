package index

import (
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/invariant"
	"github.com/godwitdb/godwit/internal/record"
)

// cursorLevelShift: a cursor is the level of the table when the reading began,
// never 0, above the number of the next group of buckets.
const cursorLevelShift = 56

// ReadBuckets reads all records in steps, in no order. A reading begins with
// cursor 0 and goes on with next while there is more; the caller is pinned
// during each call, and may be outside between two.
//
// A record that is there from the first to the last call is never missed. It is
// seen once, or again if its bucket is split while this call reads it. One that comes
// or goes meanwhile may be seen or not.
//
// The records are appended to out. A call reads on as long as the capacity of out
// is likely to do, and reads at least one group of buckets, for which out may
// have to grow.
//
// A group is what has grown out of one bucket of the level at the
// beginning: the buckets whose numbers end in the same bits. No split moves a
// record from one group to another. Within a group the buckets are read in order,
// because a split moves records to a higher number only.
func (h *Hash) ReadBuckets(cursor uint64, out []arena.Ref) (refs []arena.Ref, next uint64, more bool) {
	const likelyGroup = 4 * bucketWords
	if cursor == 0 {
		level := uint64(bits.Len64(h.state.Load()>>8) - 1)
		cursor = level << cursorLevelShift
	}
	level := cursor >> cursorLevelShift & depthMask
	group := cursor & (1<<cursorLevelShift - 1)
	for first := true; group < 1<<level; first = false {
		if !first && cap(out)-len(out) < likelyGroup {
			return out, level<<cursorLevelShift | group, true
		}
		for i := group; i < h.state.Load()>>8; i += 1 << level {
			out = h.readBucket(i, out)
		}
		group++
	}
	return out, cursor, false
}

// readBucket appends the records of bucket i to out.
func (h *Hash) readBucket(i uint64, out []arena.Ref) []arena.Ref {
	p := h.ptr(h.bucketRef(i))
	for tries := 0; ; tries++ {
		if refs, ok := h.tryReadBucket(p, out); ok {
			return refs
		}
		hashWait(tries)
	}
}

func (h *Hash) tryReadBucket(p unsafe.Pointer, out []arena.Ref) ([]arena.Ref, bool) {
	version := (*uint64)(p)
	v := atomic.LoadUint64(version)
	if v&bucketLocked != 0 {
		return nil, false
	}
	for offset := 8; ; offset = 0 {
		invariant.Yield()
		var s uint64
		for ; offset < bucketBytes; offset += 8 {
			s = arena.Load64(unsafe.Add(p, offset))
			if s>>arena.RefBits != 0 {
				out = append(out, arena.Ref(s&slotRefMask))
			}
		}
		if atomic.LoadUint64(version) != v {
			return nil, false
		}
		if !isLink(s) {
			return out, true
		}
		p = h.ptr(arena.Ref(s))
	}
}

// Free empties the index, hands each record to each, which may retire it, and
// retires the buckets. Readers may still be looking at it: they find nothing,
// and what they find has a guard that does not pass validation. Nobody may
// change it at the same time, and no new reader may come.
func (h *Hash) Free(m Mem, each func(rec arena.Ref)) {
	var slots []uint64
	var overflow []arena.Ref
	for i := range h.state.Load() >> 8 {
		node := h.bucketRef(i)
		v := h.lockBucket(node)
		slots, overflow = h.chain(h.ptr(node), slots[:0], overflow[:0])
		h.fill(h.ptr(node), 8, nil, nil)
		h.unlock(node, v+bucketChanged|bucketObsolete)
		for _, r := range overflow {
			m.Limbo.Retire(r, bucketBytes)
		}
		for _, s := range slots {
			each(arena.Ref(s & slotRefMask))
		}
	}
	h.sampled.Store(0)
	h.eachSegment(m.Limbo.Retire)
}

// HashStats says how large an index is.
type HashStats struct {
	Records         int64 // an estimate from the sample; counted, if walked
	Buckets         int64 // without overflow buckets
	OverflowBuckets int64 // counted, 0 if not walked
	SegmentBytes    int64 // of the buckets without overflow buckets, and of room for a few more
}

// Stats returns the size of the index. With walk it also counts what only a walk
// through all buckets tells; the caller is then pinned.
func (h *Hash) Stats(walk bool) HashStats {
	n := h.state.Load() >> 8
	s := HashStats{Records: max(0, h.sampled.Load()*sampleOneIn), Buckets: int64(n)}
	last := segmentOf(n - 1 + 1<<firstLevel)
	for segment := range last + 1 {
		s.SegmentBytes += int64(segmentBuckets(segment)) * bucketBytes
	}
	if !walk {
		return s
	}
	s.Records = 0
	var refs []arena.Ref
	for i := range n {
		refs = h.readBucket(i, refs[:0])
		s.Records += int64(len(refs))
		s.OverflowBuckets += int64(overflowOf(len(refs)))
	}
	return s
}

// overflowOf returns how many overflow buckets a chain of so many records has.
func overflowOf(records int) int {
	const each = bucketWords - 1
	return max(0, (records+each-1)/each-1)
}

// Check verifies the structure. Nobody else uses the index meanwhile.
func (h *Hash) Check() error {
	state := h.state.Load()
	n, level := state>>8, state&depthMask
	if n < 1<<level || n >= 2<<level {
		return fmt.Errorf("index: hash: %d buckets at level %d", n, level)
	}
	if h.splitting.Load() {
		return errors.New("index: hash: a split did not end")
	}
	sampled := int64(0)
	for i := range n {
		depth := level
		if i < n-1<<level || i >= 1<<level {
			depth++
		}
		s, err := h.checkBucket(i, depth)
		if err != nil {
			return fmt.Errorf("index: hash: bucket %d of %d: %w", i, n, err)
		}
		sampled += s
	}
	if got := h.sampled.Load(); got != sampled {
		return fmt.Errorf("index: hash: %d records in the sample, counted %d", sampled, got)
	}
	return nil
}

// checkBucket verifies a chain and returns how many of its records are in the
// sample.
func (h *Hash) checkBucket(i, depth uint64) (sampled int64, err error) {
	p := h.ptr(h.bucketRef(i))
	v := atomic.LoadUint64((*uint64)(p))
	if v&bucketBusy != 0 || v>>depthShift&depthMask != depth {
		return 0, fmt.Errorf("version %#x where depth is %d", v, depth)
	}
	seen := make(map[string]bool)
	free := false
	for offset := 8; ; offset = 0 {
		inBucket := 0
		var s uint64
		for ; offset < bucketBytes; offset += 8 {
			s = arena.Load64(unsafe.Add(p, offset))
			if s>>arena.RefBits == 0 {
				free = free || s == 0
				continue
			}
			key := record.Key(h.ptr(arena.Ref(s & slotRefMask)))
			hv := h.seeds.hash(key)
			switch {
			case free:
				return 0, fmt.Errorf("key %x stands behind a gap", key)
			case tagOf(hv) != s&^slotRefMask:
				return 0, fmt.Errorf("key %x of hash %#x has slot %#x", key, hv, s)
			case !belongs(hv, i, v):
				return 0, fmt.Errorf("key %x of hash %#x does not belong here", key, hv)
			case seen[string(key)]:
				return 0, fmt.Errorf("key %x is there twice", key)
			}
			seen[string(key)] = true
			inBucket++
			if inSample(hv) {
				sampled++
			}
		}
		if p != h.ptr(h.bucketRef(i)) && inBucket < 2 {
			return 0, fmt.Errorf("an overflow bucket holds %d records", inBucket)
		}
		if !isLink(s) {
			return sampled, nil
		}
		if free {
			return 0, errors.New("a link stands behind a gap")
		}
		p = h.ptr(arena.Ref(s))
	}
}
