package arena

import "github.com/godwitdb/godwit/internal/cpu"

const (
	// cacheObjectsMax and cacheClassBytesMax bound what a cache keeps of one
	// class.
	cacheObjectsMax    = 64
	cacheClassBytesMax = 32 << 10
)

// Overdraft says how far allocations may go beyond an arena's limit.
type Overdraft uint8

const (
	// NoOverdraft is not at all.
	NoOverdraft Overdraft = iota
	// SmallOverdraft is a sixteenth of the limit.
	SmallOverdraft
	// LargeOverdraft is 64 MiB more.
	LargeOverdraft
)

// Cache allocates for one worker without locks, most of the time. It serves one
// goroutine at a time. Close returns what it holds.
type Cache struct {
	arena *Arena
	// Overdraft lets allocations go beyond the arena's limit. Set it for work that
	// frees memory in the end.
	Overdraft Overdraft
	magazines [classCount]magazine
}

// magazine holds free objects of a class, the one freed last on top: it is the
// one most likely in the processor's cache.
type magazine struct{ refs []Ref }

// NewCache returns an empty cache.
func (a *Arena) NewCache() *Cache { return &Cache{arena: a} }

// Arena returns the arena that the cache allocates from.
func (c *Cache) Arena() *Arena { return c.arena }

func magazineMax(class int) int {
	return min(cacheObjectsMax, max(2, cacheClassBytesMax/classBytes(class)))
}

// Alloc returns an object of n bytes, aligned to 16 (to 64 if n is a multiple of
// 64), whose contents are undefined. The error wraps ErrFull.
func (c *Cache) Alloc(n int) (Ref, error) {
	if n > classMax {
		count := (n + pageBytes - 1) / pageBytes
		r, err := c.arena.takePages(count, 1, c.Overdraft)
		if err == nil {
			c.arena.live.Add(int64(count) * pageBytes)
		}
		return r, err
	}
	class := classOf(max(n, 1))
	m := &c.magazines[class]
	if len(m.refs) == 0 {
		if err := c.refill(class); err != nil {
			return 0, err
		}
	}
	last := len(m.refs) - 1
	r := m.refs[last]
	m.refs = m.refs[:last]
	if last > 0 {
		// The next object's memory is on its way while this one is used.
		cpu.Prefetch192(c.arena.Ptr(m.refs[last-1]))
	}
	return r, nil
}

func (c *Cache) refill(class int) error {
	m := &c.magazines[class]
	if m.refs == nil {
		m.refs = make([]Ref, 0, magazineMax(class))
	}
	want := m.refs[:max(1, cap(m.refs)/2)]
	n, err := c.arena.refill(class, want, c.Overdraft)
	m.refs = m.refs[:n]
	return err
}

// Free takes back an object that was allocated with the same n, in any cache of
// the arena. Nobody may hold a reference to it any more.
func (c *Cache) Free(r Ref, n int) {
	if n > classMax {
		count := (n + pageBytes - 1) / pageBytes
		c.arena.live.Add(-int64(count) * pageBytes)
		c.arena.putPages(r, count)
		return
	}
	class := classOf(max(n, 1))
	m := &c.magazines[class]
	if m.refs == nil {
		m.refs = make([]Ref, 0, magazineMax(class))
	}
	if len(m.refs) == cap(m.refs) {
		// The older half goes back, what was freed last stays.
		half := max(1, cap(m.refs)/2)
		c.arena.drain(class, m.refs[:half])
		m.refs = m.refs[:copy(m.refs, m.refs[half:])]
	}
	m.refs = append(m.refs, r)
}

// Close returns the free objects that the cache holds.
func (c *Cache) Close() {
	for class := range c.magazines {
		m := &c.magazines[class]
		if len(m.refs) > 0 {
			c.arena.drain(class, m.refs)
		}
		m.refs = nil
	}
}
