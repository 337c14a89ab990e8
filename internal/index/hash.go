package index

import (
	"fmt"
	"math/bits"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/cpu"
	"github.com/godwitdb/godwit/internal/invariant"
	"github.com/godwitdb/godwit/internal/record"
)

// Hash is an unordered index that grows without stopping: linear hashing
// (Litwin, VLDB'80) over buckets of one cache line.
//
// A bucket is eight words. Word 0 of a primary bucket is its version, which
// guards the whole chain of the bucket; the other words are slots. A bucket that
// overflows keeps in its last slot a link to an overflow bucket, all of whose
// words are slots, the last again a link if there is more.
//
//	version  counter (56 bits) | depth (6) | obsolete (1) | locked (1)
//	slot     tag (16) | Ref of a record (48); 0 is free
//	link     0 (16)   | Ref of an overflow bucket (48)
//
// The tag is 15 bits of the key's hash and a bit that is always 1, so that a link
// never looks like a match. A bucket of depth d and number i holds the keys whose
// hashes end in the d bits of i.
//
// Invariants, while a bucket is not locked:
//   - its chain is dense: records fill the slots in order, so that a free slot
//     ends the chain, and m records take no more buckets than they need;
//   - an overflow bucket holds at least two records (with one it would do
//     without: the record takes the place of the link);
//   - every version differs from all that the bucket had before if a record came
//     to or left its chain, or if its depth changed.
//
// # Readers
//
// A reader writes nothing. It takes the number of buckets from state, reads the
// version of its bucket, the chain, and the version again; if the two are equal
// and unlocked, and the bucket's depth is the one at which the key belongs into
// it, the chain was read at one moment. The depth finds out a reader that came
// with an old state: a split publishes the new state before it unlocks the
// bucket with its new depth, so that whoever sees the depth sees the state when
// he tries again.
//
// A reader may follow a link into a bucket that is just being taken from the
// chain. It reads words that were slots or links all the time it is pinned, so
// it never goes astray, and throws them away when the version has changed. It
// looks at the version before each link, so that it does not run in circles
// either.
//
// Slots and links are read with arena.Load64 and written with arena.Store64,
// versions are accessed atomically. Where processors reorder, the loads are
// acquires: no slot is read before the first version, and the second version
// not before the slots. The stores are releases: a reader that sees a slot
// written under a lock also sees the lock, or what came after it, when it looks at
// the version again; and who sees the version of the unlocking sees all slots.
//
// # Growth
//
// Inserts split buckets in turn when the records are too many for them. Records
// are counted by a sample, chosen by hash, so that a counter that all workers
// write is rarely touched. The table does not shrink: an index whose records were
// all removed keeps its primary buckets (Stats tells their size) until Free; its
// overflow buckets go as the records go.
type Hash struct {
	base  unsafe.Pointer // of the arena
	seeds hashSeeds

	// state is the number of buckets<<8 | level: the buckets are 1<<level and as
	// many more as were split since the level began. The holder of splitting
	// writes it, everybody reads it; it publishes the new bucket and its
	// segment.
	state atomic.Uint64
	// segments are the places of the buckets, see bucketRef. The holder of
	// splitting writes an entry before state says that a bucket is there.
	segments [segmentsMax]atomic.Uint64

	_ [cpu.CacheLineBytes]byte
	// sampled counts the records whose hash is in the sample. Inserts and
	// removes add to it, grow reads it.
	sampled atomic.Int64
	// splitting is the lock of the one who splits; there is no waiting for it.
	splitting atomic.Bool
	// segmentCount is how many segments there are. Guarded by splitting.
	segmentCount uint64
	_            [cpu.CacheLineBytes]byte
}

const (
	bucketBytes = 64
	bucketWords = bucketBytes / 8
	lastSlot    = (bucketWords - 1) * 8 // offset of the slot that may be a link

	bucketLocked   = 1 << 0
	bucketObsolete = 1 << 1
	bucketBusy     = bucketLocked | bucketObsolete
	depthShift     = 2
	depthMask      = 63
	bucketChanged  = 1 << 8 // what is added to a version

	slotRefMask = 1<<arena.RefBits - 1

	// A table starts with 1<<firstLevel buckets, and has at most 1<<levelMax.
	firstLevel = 4
	levelMax   = arena.RefBits - 6
	// segmentsPerStep: a new segment is needed whenever the table has grown by
	// about this part, so that little memory waits for its buckets.
	segmentsPerStep = 8
	segmentsMax     = (levelMax - firstLevel + 1) * segmentsPerStep
)

// NewHash returns an empty index. Where its keys are is secret, and differs from run to run;
// for keys of eight bytes it does not if seed is not 0. The error wraps arena.ErrFull.
func NewHash(a *arena.Arena, m Mem, seed uint64) (*Hash, error) {
	h := &Hash{base: a.Base(), seeds: newHashSeeds(seed)}
	for i := uint64(0); i < 1<<firstLevel; i++ {
		if err := h.addSegment(m, i); err != nil {
			h.eachSegment(m.Cache.Free)
			return nil, err
		}
		p := h.ptr(h.bucketRef(i))
		clear(unsafe.Slice((*uint64)(p), bucketWords))
		atomic.StoreUint64((*uint64)(p), firstLevel<<depthShift)
	}
	h.state.Store(1<<firstLevel<<8 | firstLevel)
	return h, nil
}

func (h *Hash) ptr(r arena.Ref) unsafe.Pointer { return unsafe.Add(h.base, r) }

// bucketOf returns the number of the bucket that holds the keys of hash hv.
func (h *Hash) bucketOf(hv uint64) uint64 {
	state := h.state.Load()
	level := state & 63
	i := hv & (2<<level - 1)
	// Without a jump, which would not be predictable: if i ≥ buckets, i has no
	// bucket of its own yet.
	return i - (state>>8-1-i)>>63<<level
}

// bucketRef returns the place of bucket i.
//
// Segments grow with the table, eight of a size and then eight of twice that
// size, so that the directory stays small enough for the fastest cache. Counted
// from 1<<firstLevel instead of 0, the bucket numbers with the same leading four
// bits share a segment. An entry is the place where number 0 would be if the
// segment went on to there.
func (h *Hash) bucketRef(i uint64) arena.Ref {
	i += 1 << firstLevel
	return arena.Ref(h.segments[segmentOf(i)].Load() + i*bucketBytes)
}

// segmentOf returns the entry of the directory for bucket i-1<<firstLevel.
func segmentOf(i uint64) uint64 {
	n := uint64(bits.Len64(i))
	return n*segmentsPerStep + i>>((n-4)&63) - (firstLevel+2)*segmentsPerStep
}

// segmentBuckets returns how many buckets a segment has.
func segmentBuckets(segment uint64) int { return 2 << (segment / segmentsPerStep) }

// addSegment makes room for bucket i if it is the first of its segment.
func (h *Hash) addSegment(m Mem, i uint64) error {
	i += 1 << firstLevel
	segment := segmentOf(i)
	buckets := segmentBuckets(segment)
	if i%uint64(buckets) != 0 {
		return nil
	}
	r, err := m.Cache.Alloc(buckets * bucketBytes)
	if err != nil {
		return fmt.Errorf("index: %d buckets of a hash: %w", buckets, err)
	}
	h.segments[segment].Store(uint64(r) - i*bucketBytes)
	h.segmentCount = segment + 1
	return nil
}

// eachSegment passes place and size of every segment.
func (h *Hash) eachSegment(visit func(r arena.Ref, n int)) {
	for s := range h.segmentCount {
		buckets := uint64(segmentBuckets(s))
		first := (segmentsPerStep + s%segmentsPerStep) * buckets
		visit(arena.Ref(h.segments[s].Load()+first*bucketBytes), int(buckets)*bucketBytes)
	}
}

// belongs tells whether a bucket of number i and version v holds hash hv.
func belongs(hv, i, v uint64) bool { return hv&(1<<(v>>depthShift&depthMask)-1) == i }

// tagOf returns the tag for hash hv, in its place in a slot. The bits are apart
// from those that choose the bucket.
func tagOf(hv uint64) uint64 { return (hv | 1<<arena.RefBits) &^ slotRefMask }

// matchTag returns a slot of the bucket at p that carries tag, 0 if there is
// none. It makes no jumps: which slot matches is not predictable.
func matchTag(p unsafe.Pointer, tag uint64) uint64 {
	tag >>= arena.RefBits
	var match uint64
	if s := arena.Load64(unsafe.Add(p, 8)); s>>arena.RefBits == tag {
		match = s
	}
	if s := arena.Load64(unsafe.Add(p, 16)); s>>arena.RefBits == tag {
		match = s
	}
	if s := arena.Load64(unsafe.Add(p, 24)); s>>arena.RefBits == tag {
		match = s
	}
	if s := arena.Load64(unsafe.Add(p, 32)); s>>arena.RefBits == tag {
		match = s
	}
	if s := arena.Load64(unsafe.Add(p, 40)); s>>arena.RefBits == tag {
		match = s
	}
	if s := arena.Load64(unsafe.Add(p, 48)); s>>arena.RefBits == tag {
		match = s
	}
	if s := arena.Load64(unsafe.Add(p, 56)); s>>arena.RefBits == tag {
		match = s
	}
	return match
}

// isLink tells whether the last word of a bucket is a link.
func isLink(s uint64) bool { return s != 0 && s>>arena.RefBits == 0 }

// Get looks key up. The guard of the answer is the key's bucket: its version
// changes when the key comes or goes. The caller is pinned.
func (h *Hash) Get(key []byte) Found {
	hv := h.seeds.hash(key)
	i := h.bucketOf(hv)
	node := h.bucketRef(i)
	p := h.ptr(node)
	v := atomic.LoadUint64((*uint64)(p))
	invariant.Yield()
	match := matchTag(p, tagOf(hv))
	last := arena.Load64(unsafe.Add(p, lastSlot))
	if v&bucketBusy != 0 || !belongs(hv, i, v) || atomic.LoadUint64((*uint64)(p)) != v {
		return h.getSlow(hv, key)
	}
	if match != 0 {
		// Keys do not change and the record cannot be freed: there is no need to
		// look at the version again.
		rec := arena.Ref(match & slotRefMask)
		if keyEqual(h.ptr(rec), key) {
			return Found{rec, node, v}
		}
		return h.getSlow(hv, key) // two keys with one tag
	}
	if isLink(last) {
		return h.getSlow(hv, key)
	}
	return Found{0, node, v}
}

func (h *Hash) getSlow(hv uint64, key []byte) Found {
	for tries := 0; ; tries++ {
		if at, ok := h.search(hv, key); ok {
			// What is found in an index that was freed must not pass
			// validation: without the bit, the version is never the current one.
			return Found{at.rec, at.node, at.version &^ bucketObsolete}
		}
		hashWait(tries)
	}
}

// getManyMax is how many keys are looked up side by side.
const getManyMax = 8

// GetMany looks up all keys, as Get does, into out, which has as many elements.
// The lookups go side by side, so that their cache misses do too; the first
// three cache lines of every record found are on their way when it returns.
func (h *Hash) GetMany(keys [][]byte, out []Found) {
	for len(keys) > getManyMax {
		h.getGroup(keys[:getManyMax], out)
		keys, out = keys[getManyMax:], out[getManyMax:]
	}
	h.getGroup(keys, out)
}

// getSlowly marks in the version of a Found that the key needs getSlow.
const getSlowly = bucketLocked

// getGroup keeps what it knows of a lookup in its Found: first hash, bucket and
// bucket number, then the record that carries the tag, bucket and version.
func (h *Hash) getGroup(keys [][]byte, out []Found) {
	out = out[:len(keys)]
	for k, key := range keys {
		var hv uint64
		if len(key) == 8 {
			hv = h.seeds.hashWord(load64(key))
		} else {
			hv = h.seeds.hashLong(key)
		}
		i := h.bucketOf(hv)
		node := h.bucketRef(i)
		out[k] = Found{arena.Ref(hv), node, i}
		cpu.Prefetch64(h.ptr(node))
	}
	for k := range out {
		f := &out[k]
		hv, i := uint64(f.Rec), f.Version
		p := h.ptr(f.Node)
		v := atomic.LoadUint64((*uint64)(p))
		invariant.Yield()
		match := matchTag(p, tagOf(hv))
		last := arena.Load64(unsafe.Add(p, lastSlot))
		f.Rec, f.Version = arena.Ref(match&slotRefMask), v
		if v&bucketBusy != 0 || !belongs(hv, i, v) || atomic.LoadUint64((*uint64)(p)) != v {
			f.Version |= getSlowly
		}
		if match != 0 {
			cpu.Prefetch192(h.ptr(f.Rec))
		} else if isLink(last) {
			f.Version |= getSlowly
			cpu.Prefetch64(h.ptr(arena.Ref(last)))
		}
	}
	for k, key := range keys {
		f := &out[k]
		if f.Version&getSlowly != 0 || f.Rec != 0 && !keyEqual(h.ptr(f.Rec), key) {
			*f = h.getSlow(h.seeds.hash(key), key)
			if f.Rec != 0 {
				cpu.Prefetch192(h.ptr(f.Rec))
			}
		}
	}
}

// hashPlace is where a search ended.
type hashPlace struct {
	node    arena.Ref // the primary bucket
	version uint64    // of node; not locked
	rec     arena.Ref // 0 if the key is missing
	slot    unsafe.Pointer
	// slot is the record's, or the first free one, or nil if the chain is full;
	// tail is then its last bucket.
	tail unsafe.Pointer
}

// search walks the chain that key belongs to. It is false if the chain was
// changed meanwhile, or is locked.
func (h *Hash) search(hv uint64, key []byte) (hashPlace, bool) {
	i := h.bucketOf(hv)
	at := hashPlace{node: h.bucketRef(i)}
	p := h.ptr(at.node)
	version := (*uint64)(p)
	at.version = atomic.LoadUint64(version)
	if at.version&bucketLocked != 0 || !belongs(hv, i, at.version) {
		return at, false
	}
	tag := tagOf(hv) >> arena.RefBits
	for offset := 8; ; offset = 0 {
		invariant.Yield()
		var s uint64
		for ; offset < bucketBytes; offset += 8 {
			slot := unsafe.Add(p, offset)
			s = arena.Load64(slot)
			if s == 0 {
				at.slot = slot
				return at, atomic.LoadUint64(version) == at.version
			}
			if s>>arena.RefBits != tag {
				continue
			}
			rec := arena.Ref(s & slotRefMask)
			if keyEqual(h.ptr(rec), key) {
				at.rec, at.slot = rec, slot
				return at, atomic.LoadUint64(version) == at.version
			}
		}
		if atomic.LoadUint64(version) != at.version {
			return at, false
		}
		if !isLink(s) {
			at.tail = p
			return at, true
		}
		p = h.ptr(arena.Ref(s))
	}
}

// keyEqual tells whether the record at p has the key.
func keyEqual(p unsafe.Pointer, key []byte) bool {
	k := record.Key(p)
	if len(key) == 8 && len(k) == 8 {
		return load64(k) == load64(key)
	}
	return string(k) == string(key)
}

// hashWait lets a bucket's owner go on, the longer the more often it was
// called for the same bucket.
func hashWait(tries int) {
	const spinsMax = 64
	if tries < spinsMax {
		cpu.Pause()
		return
	}
	runtime.Gosched()
}
