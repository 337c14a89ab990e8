package arena

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Ref is the place of an object: its offset in the arena. 0 is no object.
type Ref uint64

// RefBits is the width of a Ref: what holds a Ref may use the bits above.
const RefBits = 48

// ErrFull is returned when an allocation would take the arena beyond its limit.
var ErrFull = errors.New("arena: memory limit reached")

const (
	// MinLimitBytes is the smallest limit of an arena: every size class of
	// every worker's cache needs a span to start with.
	MinLimitBytes = 16 << 20
	// MaxLimitBytes is the largest. The addresses for it are a fraction of those that a
	// program can have, 2^47 on common processors, and the tables for it, which grow
	// with the limit and not with its use, do not get out of hand.
	MaxLimitBytes = 16 << 40

	spanBytes = 64 << 10
	// overdraftDivisor: caches with an overdraft may go beyond the limit by this
	// part of it, so that deletes can still free memory; those with a large one by
	// overdraftBytes more.
	overdraftDivisor = 16
	overdraftBytes   = 64 << 20
	// keepFreeBytes is how much free memory Scavenge leaves in place.
	keepFreeBytes = 16 << 20
	// aheadCalls is how many intervals of growth Prepare looks ahead, and
	// aheadBytesMax bounds it.
	aheadCalls    = 4
	aheadBytesMax = 256 << 20
)

// Arena is a reservation of memory and the pages and classes that divide it.
type Arena struct {
	mapping *mapping
	base    unsafe.Pointer
	mem     []byte
	limit   int // bytes of pages in use

	mu struct {
		sync.Mutex
		pages *pages
		// usedBefore is what was used when Prepare was called last, ahead how
		// many bytes it keeps ready.
		usedBefore, ahead int
	}
	spans   []span
	central [classCount]central
	used    atomic.Int64 // bytes in pages in use; written under mu
	live    atomic.Int64 // bytes in large objects; the classes count their own
}

// span describes 64 KiB at an address that is a multiple of that, if it holds
// objects of a class. central[class].Mutex guards it.
type span struct {
	class      uint16
	live       uint16 // objects handed out
	freeHead   uint32 // offset+1 of the first free object, 0 if none
	fresh      uint32 // offset of the first object that was never handed out
	next, prev int32  // in the list of spans with free objects; 0 ends it
	listed     bool
}

// central holds the spans of a class.
type central struct {
	sync.Mutex
	partial int32 // first span with free objects, 0 if none
	live    int64 // objects handed out, those in caches included
	_       [40]byte
}

// New reserves address space for limit bytes of objects. Memory is taken from
// the operating system as it is used.
func New(limit int64) (*Arena, error) {
	if limit < MinLimitBytes || limit > MaxLimitBytes {
		return nil, fmt.Errorf("arena: limit of %d bytes, allowed are %d to %d", limit, MinLimitBytes, int64(MaxLimitBytes))
	}
	// Large objects need their pages in a row: room to spare keeps
	// fragmentation of addresses from looking like a lack of memory.
	room := limit + limit/4 + limit/overdraftDivisor + overdraftBytes
	room = (room + chunkBytes - 1) &^ (chunkBytes - 1)
	m, err := reserve(int(room) + chunkBytes)
	if err != nil {
		return nil, fmt.Errorf("arena: reserve %d bytes of address space: %w", room, err)
	}
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(m.mem))) & (chunkBytes - 1))
	mem := m.mem[skip : skip+int(room)]
	wantHugePages(mem)
	a := &Arena{mapping: m, mem: mem, base: unsafe.Pointer(unsafe.SliceData(mem)), limit: int(limit)}
	a.mu.pages = newPages(int(room) / pageBytes)
	a.spans = make([]span, int(room)/spanBytes)
	return a, nil
}

// Close gives the reservation back. No reference into the arena may be used
// afterwards.
func (a *Arena) Close() error {
	a.base, a.mem = nil, nil
	return a.mapping.release()
}

// Base returns the address of offset 0.
func (a *Arena) Base() unsafe.Pointer { return a.base }

// Ptr returns the address of r.
func (a *Arena) Ptr(r Ref) unsafe.Pointer { return unsafe.Add(a.base, r) }

// LimitBytes returns the limit that the arena was made with.
func (a *Arena) LimitBytes() int64 { return int64(a.limit) }

// UsedBytes returns how many bytes of pages are in use, free objects in them
// included: the figure that the limit is about.
func (a *Arena) UsedBytes() int64 { return a.used.Load() }

// LiveBytes returns the size of all objects, those in the workers' caches
// included.
func (a *Arena) LiveBytes() int64 {
	n := a.live.Load()
	for c := range a.central {
		ce := &a.central[c]
		ce.Lock()
		n += ce.live * int64(classBytes(c))
		ce.Unlock()
	}
	return n
}

// BackedBytes returns an upper bound of the memory held from the operating
// system.
func (a *Arena) BackedBytes() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return int64(a.mu.pages.backedBytes())
}

// Scavenge gives memory that has become free back to the operating system, but
// for a small reserve.
func (a *Arena) Scavenge() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.mu.pages
	spare := p.backedBytes() - p.used*pageBytes - max(keepFreeBytes, a.mu.ahead)
	var first error
	p.unback(spare, func(chunk int) {
		if err := a.mapping.giveBack(a.mem[chunk*chunkBytes : (chunk+1)*chunkBytes]); err != nil && first == nil {
			first = fmt.Errorf("arena: give back memory: %w", err)
		}
	})
	return first
}

// Prepare gets memory from the operating system before it is needed, so that those who
// allocate need not wait for it to be found and cleared, which takes the
// system longer than all else that they do with it. It is to be called
// at regular intervals, by one goroutine: it prepares for aheadCalls times the growth
// since the last call. It tells whether there was some lately.
func (a *Arena) Prepare() (grows bool) {
	a.mu.Lock()
	grown := a.mu.pages.used*pageBytes - a.mu.usedBefore
	a.mu.usedBefore += grown
	a.mu.ahead = min(max(aheadCalls*grown, a.mu.ahead*3/4), aheadBytesMax)
	grows = a.mu.ahead > 0
	a.mu.Unlock()
	for {
		chunk, ok := a.backNext()
		if !ok {
			return grows
		}
		a.mapping.populate(a.mem[chunk*chunkBytes : (chunk+1)*chunkBytes])
	}
}

// backNext marks a chunk as holding memory if there is to be more of that.
func (a *Arena) backNext() (chunk int, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.mu.pages
	if p.backedBytes()-p.used*pageBytes+chunkBytes > a.mu.ahead {
		return 0, false
	}
	if chunk, ok = p.nextUnbacked(a.limit / pageBytes); !ok {
		return 0, false
	}
	if a.mapping.use(a.mem[chunk*chunkBytes:(chunk+1)*chunkBytes]) != nil {
		return 0, false
	}
	p.back(chunk)
	return chunk, true
}

// takePages returns a run of count pages.
func (a *Arena) takePages(count, align int, overdraft Overdraft) (Ref, error) {
	limit := a.limit
	if overdraft >= SmallOverdraft {
		limit += a.limit / overdraftDivisor
	}
	if overdraft >= LargeOverdraft {
		limit += overdraftBytes
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.mu.pages
	if (p.used+count)*pageBytes > limit {
		return 0, ErrFull
	}
	first, ok := p.take(count, align)
	if !ok {
		return 0, ErrFull
	}
	for c := first / chunkPages; c <= (first+count-1)/chunkPages; c++ {
		if p.backed[c] {
			continue
		}
		if err := a.mapping.use(a.mem[c*chunkBytes : (c+1)*chunkBytes]); err != nil {
			p.put(first, count)
			return 0, fmt.Errorf("%w: the operating system gives no more: %w", ErrFull, err)
		}
		p.back(c)
	}
	a.used.Store(int64(p.used) * pageBytes)
	return Ref(first) * pageBytes, nil
}

func (a *Arena) putPages(r Ref, count int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.pages.put(int(r/pageBytes), count)
	a.used.Store(int64(a.mu.pages.used) * pageBytes)
}

// refill moves up to len(out) objects of class c out of its spans.
func (a *Arena) refill(c int, out []Ref, overdraft Overdraft) (int, error) {
	ce := &a.central[c]
	size := uint32(classBytes(c))
	ce.Lock()
	defer ce.Unlock()
	n := 0
	for n < len(out) {
		if ce.partial == 0 {
			if n > 0 {
				break
			}
			r, err := a.takePages(spanPages, spanPages, overdraft)
			if err != nil {
				return 0, err
			}
			id := int32(r / spanBytes)
			a.spans[id] = span{class: uint16(c)}
			a.list(ce, id)
		}
		id := ce.partial
		s := &a.spans[id]
		start := Ref(id) * spanBytes
		for n < len(out) && s.freeHead != 0 {
			r := start + Ref(s.freeHead-1)
			s.freeHead = uint32(*(*uint64)(a.Ptr(r)))
			out[n] = r
			n++
			s.live++
		}
		for n < len(out) && s.fresh+size <= spanBytes {
			out[n] = start + Ref(s.fresh)
			s.fresh += size
			n++
			s.live++
		}
		if s.freeHead == 0 && s.fresh+size > spanBytes {
			a.unlist(ce, id)
		}
	}
	ce.live += int64(n)
	return n, nil
}

// drain moves objects of class c back into their spans.
func (a *Arena) drain(c int, objects []Ref) {
	ce := &a.central[c]
	ce.Lock()
	defer ce.Unlock()
	for _, r := range objects {
		id := int32(r / spanBytes)
		s := &a.spans[id]
		*(*uint64)(a.Ptr(r)) = uint64(s.freeHead)
		s.freeHead = uint32(r%spanBytes) + 1
		s.live--
		if s.live == 0 {
			if s.listed {
				a.unlist(ce, id)
			}
			a.putPages(Ref(id)*spanBytes, spanPages)
		} else if !s.listed {
			a.list(ce, id)
		}
	}
	ce.live -= int64(len(objects))
}

func (a *Arena) list(ce *central, id int32) {
	s := &a.spans[id]
	s.listed, s.prev, s.next = true, 0, ce.partial
	if ce.partial != 0 {
		a.spans[ce.partial].prev = id
	}
	ce.partial = id
}

func (a *Arena) unlist(ce *central, id int32) {
	s := &a.spans[id]
	s.listed = false
	if s.prev != 0 {
		a.spans[s.prev].next = s.next
	} else {
		ce.partial = s.next
	}
	if s.next != 0 {
		a.spans[s.next].prev = s.prev
	}
}
