package arena

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"unsafe"
)

func newArena(t testing.TB, limit int64) *Arena {
	t.Helper()
	a, err := New(limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// object is an object that a test has allocated, filled with a pattern.
type object struct {
	ref     Ref
	bytes   int
	pattern uint64
}

// fill writes the pattern all over the object, byte by byte at its end.
func (o object) fill(a *Arena) {
	p := a.Ptr(o.ref)
	for i := 0; i+8 <= o.bytes; i += 8 {
		*(*uint64)(unsafe.Add(p, i)) = o.pattern
	}
	for i := o.bytes &^ 7; i < o.bytes; i++ {
		*(*byte)(unsafe.Add(p, i)) = byte(o.pattern)
	}
}

// intact tells whether the pattern is still there.
func (o object) intact(a *Arena) bool {
	p := a.Ptr(o.ref)
	for i := 0; i+8 <= o.bytes; i += 8 {
		if *(*uint64)(unsafe.Add(p, i)) != o.pattern {
			return false
		}
	}
	for i := o.bytes &^ 7; i < o.bytes; i++ {
		if *(*byte)(unsafe.Add(p, i)) != byte(o.pattern) {
			return false
		}
	}
	return true
}

// randomBytes returns a size: most are small, some are large.
func randomBytes(rng *rand.Rand) int {
	switch rng.IntN(30) {
	case 0, 1, 2:
		return 64 * rng.IntN(40)
	case 3, 4:
		return rng.IntN(classMax + 1)
	case 5:
		return classMax - 2 + rng.IntN(5)
	case 6, 7:
		return rng.IntN(300 << 10)
	}
	return rng.IntN(400)
}

// shadow knows which bytes of an arena are taken.
type shadow struct {
	taken   []bool // by unit of 16 bytes
	objects []object
	bytes   int64 // of objects, rounded up
}

func (s *shadow) add(t *testing.T, a *Arena, o object) {
	t.Helper()
	align := 16
	if o.bytes%64 == 0 && o.bytes > 0 {
		align = 64
	}
	if o.ref == 0 || uint64(o.ref)%uint64(align) != 0 || uintptr(a.Ptr(o.ref))%uintptr(align) != 0 {
		t.Fatalf("object of %d bytes at %#x, address %p", o.bytes, o.ref, a.Ptr(o.ref))
	}
	size := RoundUp(o.bytes)
	if int(o.ref)+size > len(a.mem) {
		t.Fatalf("object of %d bytes at %#x ends beyond the arena", o.bytes, o.ref)
	}
	for i := int(o.ref) / 16; i < (int(o.ref)+size)/16; i++ {
		if s.taken[i] {
			t.Fatalf("object of %d bytes at %#x overlaps another", o.bytes, o.ref)
		}
		s.taken[i] = true
	}
	s.objects = append(s.objects, o)
	s.bytes += int64(size)
	o.fill(a)
}

// remove takes a random object out, which has to be intact.
func (s *shadow) remove(t *testing.T, a *Arena, rng *rand.Rand) object {
	t.Helper()
	i := rng.IntN(len(s.objects))
	o := s.objects[i]
	if !o.intact(a) {
		t.Fatalf("object of %d bytes at %#x has been overwritten", o.bytes, o.ref)
	}
	s.objects[i] = s.objects[len(s.objects)-1]
	s.objects = s.objects[:len(s.objects)-1]
	size := RoundUp(o.bytes)
	for i := int(o.ref) / 16; i < (int(o.ref)+size)/16; i++ {
		s.taken[i] = false
	}
	s.bytes -= int64(size)
	return o
}

// TestAllocModel allocates and frees at random, through two caches, and compares
// with the shadow.
func TestAllocModel(t *testing.T) {
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 2))
		a := newArena(t, MinLimitBytes)
		caches := []*Cache{a.NewCache(), a.NewCache()}
		s := shadow{taken: make([]bool, len(a.mem)/16)}
		full := 0
		for step := range uint64(12000) {
			c := caches[rng.IntN(2)]
			// The tide turns every few thousand steps.
			if rising := step/3000%2 == 0; len(s.objects) == 0 || (rng.IntN(5) > 0) == rising {
				n := randomBytes(rng)
				r, err := c.Alloc(n)
				if err != nil {
					if !errors.Is(err, ErrFull) {
						t.Fatal(err)
					}
					full++
					continue
				}
				s.add(t, a, object{r, n, rng.Uint64()})
			} else {
				o := s.remove(t, a, rng)
				c.Free(o.ref, o.bytes)
			}
			if rng.IntN(500) == 0 {
				checkFigures(t, a, &s)
			}
			if rng.IntN(2000) == 0 {
				if err := a.Scavenge(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if full == 0 {
			t.Errorf("seed %d never reached the limit", seed)
		}
		for _, c := range caches {
			c.Close()
		}
		if live := a.LiveBytes(); live != s.bytes {
			t.Errorf("%d bytes are live, want %d", live, s.bytes)
		}
		for len(s.objects) > 0 {
			o := s.remove(t, a, rng)
			caches[0].Free(o.ref, o.bytes)
		}
		caches[0].Close()
		if a.LiveBytes() != 0 || a.UsedBytes() != 0 {
			t.Errorf("all is free, but %d bytes are live and %d used", a.LiveBytes(), a.UsedBytes())
		}
	}
}

// checkFigures checks how the sizes that an arena tells relate.
func checkFigures(t *testing.T, a *Arena, s *shadow) {
	t.Helper()
	live, used, backed := a.LiveBytes(), a.UsedBytes(), a.BackedBytes()
	if live < s.bytes || used < live || used > a.LimitBytes() || backed < used {
		t.Fatalf("objects of %d bytes, %d live, %d used, %d backed, limit %d", s.bytes, live, used, backed, a.LimitBytes())
	}
}

func TestNewRefuses(t *testing.T) {
	for _, limit := range []int64{-1, 0, MinLimitBytes - 1, MaxLimitBytes + 1, 1 << RefBits} {
		if a, err := New(limit); err == nil {
			t.Errorf("an arena of %d bytes is made", limit)
			_ = a.Close()
		}
	}
}

// fillUp allocates objects of n bytes until the arena is full.
func fillUp(t *testing.T, c *Cache, n int) (refs []Ref) {
	t.Helper()
	for {
		r, err := c.Alloc(n)
		if err == nil {
			refs = append(refs, r)
			continue
		}
		if !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
		return refs
	}
}

// TestLimit fills an arena to its limit, to the byte, and beyond with an overdraft.
func TestLimit(t *testing.T) {
	for _, n := range []int{16, 1000, classMax, classMax + 1, 100 << 10, 5 << 20} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			const limit = MinLimitBytes + 5*pageBytes
			a := newArena(t, limit)
			c := a.NewCache()
			refs := fillUp(t, c, n)
			unit := int64(RoundUp(n))
			if n <= classMax {
				unit = spanBytes
			}
			if used := a.UsedBytes(); used > limit || used+unit <= limit {
				t.Errorf("full with %d bytes of %d used", used, limit)
			}
			c.Overdraft = SmallOverdraft
			more := fillUp(t, c, n)
			over := int64(limit + limit/overdraftDivisor)
			if used := a.UsedBytes(); used > over || used+unit <= over {
				t.Errorf("overdrawn with %d bytes of %d used", used, over)
			}
			if unit <= limit/overdraftDivisor && len(more) == 0 {
				t.Error("SmallOverdraft gives nothing")
			}
			c.Overdraft = NoOverdraft
			for _, r := range more {
				c.Free(r, n)
			}
			for _, r := range refs {
				c.Free(r, n)
			}
			c.Close()
			if a.UsedBytes() != 0 || a.LiveBytes() != 0 {
				t.Errorf("%d bytes used and %d live after all was freed", a.UsedBytes(), a.LiveBytes())
			}
			if again := fillUp(t, c, n); len(again) < len(refs) {
				t.Errorf("%d objects the first time, %d the second", len(refs), len(again))
			}
		})
	}
}

// What one size has used serves another when it is free.
func TestSpansServeOtherClasses(t *testing.T) {
	a := newArena(t, MinLimitBytes)
	c := a.NewCache()
	for _, n := range []int{100, 5000, 40, 1 << 20, 16} {
		refs := fillUp(t, c, n)
		if got := int64(len(refs)) * int64(RoundUp(n)); got < MinLimitBytes*8/10 {
			t.Errorf("objects of %d bytes: room for %d bytes only", n, got)
		}
		for _, r := range refs {
			c.Free(r, n)
		}
		c.Close()
	}
}

// Holes in spans are filled before new spans are begun.
func TestHolesAreFilled(t *testing.T) {
	for _, n := range []int{16, 48, 1000, 10000} {
		a := newArena(t, MinLimitBytes)
		c := a.NewCache()
		refs := fillUp(t, c, n)
		rng := rand.New(rand.NewPCG(uint64(n), 4))
		rng.Shuffle(len(refs), func(i, j int) { refs[i], refs[j] = refs[j], refs[i] })
		// Of each span some objects stay, so that no span gets free.
		kept := map[Ref]bool{}
		holes := 0
		for _, r := range refs {
			if span := r / spanBytes; !kept[span] || holes >= len(refs)*2/3 {
				kept[span] = true
				continue
			}
			c.Free(r, n)
			holes++
		}
		c.Close()
		used := a.UsedBytes()
		for range holes {
			if _, err := c.Alloc(n); err != nil {
				t.Fatalf("objects of %d bytes: %v, with %d holes", n, err, holes)
			}
		}
		if a.UsedBytes() != used {
			t.Errorf("objects of %d bytes: %d bytes used, %d before", n, a.UsedBytes(), used)
		}
	}
}

func TestScavenge(t *testing.T) {
	const limit, n, count = 64 << 20, 100 << 10, 400
	a := newArena(t, limit)
	c := a.NewCache()
	var objects []object
	alloc := func() {
		for i := range uint64(count) {
			r, err := c.Alloc(n)
			if err != nil {
				t.Fatal(err)
			}
			o := object{r, n, i}
			o.fill(a)
			objects = append(objects, o)
		}
	}
	alloc()
	full := a.BackedBytes()
	if full < count*n {
		t.Fatalf("%d bytes are backed", full)
	}
	if err := a.Scavenge(); err != nil {
		t.Fatal(err)
	}
	// Every tenth object stays, with its content.
	var kept []object
	for i, o := range objects {
		if i%10 == 0 {
			kept = append(kept, o)
		} else {
			c.Free(o.ref, o.bytes)
		}
	}
	if a.BackedBytes() < full {
		t.Errorf("memory went back without Scavenge")
	}
	for _, o := range kept[1:] {
		c.Free(o.ref, o.bytes)
	}
	kept = kept[:1]
	if err := a.Scavenge(); err != nil {
		t.Fatal(err)
	}
	if backed := a.BackedBytes(); backed > keepFreeBytes+a.UsedBytes()+2*chunkBytes || backed < keepFreeBytes {
		t.Errorf("%d bytes are backed after Scavenge, %d before", backed, full)
	}
	objects = kept
	alloc()
	for _, o := range objects {
		if !o.intact(a) {
			t.Fatalf("object at %#x has lost its content", o.ref)
		}
	}
}

// TestCachesTogether lets goroutines with caches of their own free what others
// have allocated.
func TestCachesTogether(t *testing.T) {
	const workers, steps = 4, 8000
	a := newArena(t, 64<<20)
	passing := make(chan object, 64)
	var wg sync.WaitGroup
	for w := range uint64(workers) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(w, 3))
			c := a.NewCache()
			defer c.Close()
			var own []object
			free := func(o object) {
				if !o.intact(a) {
					t.Errorf("object of %d bytes at %#x has been overwritten", o.bytes, o.ref)
				}
				c.Free(o.ref, o.bytes)
			}
			for range steps {
				n := rng.IntN(300)
				if rng.IntN(20) == 0 {
					n = randomBytes(rng) / 8
				}
				r, err := c.Alloc(n)
				if err != nil {
					t.Error(err)
					return
				}
				o := object{r, n, rng.Uint64()}
				o.fill(a)
				own = append(own, o)
				if len(own) > 500 || rng.IntN(3) == 0 {
					i := rng.IntN(len(own))
					select {
					case passing <- own[i]:
					default:
						free(own[i])
					}
					own[i] = own[len(own)-1]
					own = own[:len(own)-1]
				}
				select {
				case o := <-passing:
					free(o)
				default:
				}
				if rng.IntN(2000) == 0 {
					if err := a.Scavenge(); err != nil {
						t.Error(err)
					}
					_ = a.LiveBytes() + a.UsedBytes()
				}
			}
			for _, o := range own {
				free(o)
			}
		})
	}
	wg.Wait()
	close(passing)
	c := a.NewCache()
	for o := range passing {
		c.Free(o.ref, o.bytes)
	}
	c.Close()
	if a.LiveBytes() != 0 || a.UsedBytes() != 0 {
		t.Errorf("all is free, but %d bytes are live and %d used", a.LiveBytes(), a.UsedBytes())
	}
}

func TestAllocDoesNotUseTheGoHeap(t *testing.T) {
	a := newArena(t, 64<<20)
	c := a.NewCache()
	for _, n := range []int{8, 100, 1000, classMax, 100 << 10} {
		refs := make([]Ref, 300)
		cycle := func() {
			for i := range refs {
				r, err := c.Alloc(n)
				if err != nil {
					t.Fatal(err)
				}
				refs[i] = r
			}
			for _, r := range refs {
				c.Free(r, n)
			}
		}
		if got := testing.AllocsPerRun(10, cycle); got != 0 {
			t.Errorf("%d objects of %d bytes: %v allocations on the Go heap", len(refs), n, got)
		}
	}
}

// TestPrepare: memory is there before it is needed while use grows, within the
// limit, and goes back when use does not.
func TestPrepare(t *testing.T) {
	const limit, n = 64 << 20, 64 << 10
	a := newArena(t, limit)
	c := a.NewCache()
	alloc := func(bytes int) {
		for range bytes / n {
			r, err := c.Alloc(n)
			if err != nil {
				t.Fatal(err)
			}
			object{r, n, uint64(r)}.fill(a)
		}
	}
	free := func() int64 { return a.BackedBytes() - a.UsedBytes() }
	a.Prepare()
	if got := a.BackedBytes(); got != 0 {
		t.Fatalf("%d bytes are backed before any use", got)
	}
	alloc(4 << 20)
	a.Prepare()
	if got := free(); got < aheadCalls*4<<20-chunkBytes || got > aheadCalls*4<<20 {
		t.Errorf("%d bytes are ready after 4 MiB of growth", got)
	}
	backed := a.BackedBytes()
	alloc(8 << 20)
	if a.BackedBytes() != backed {
		t.Error("memory was taken although enough was ready")
	}
	alloc(40 << 20)
	a.Prepare()
	if got := a.BackedBytes(); got > limit+chunkBytes {
		t.Errorf("%d bytes are backed, above the limit of %d", got, limit)
	}
	for range 50 { // nothing grows any more
		a.Prepare()
	}
	for r := Ref(pageBytes); a.UsedBytes() > 8<<20; r += n {
		if got := *(*uint64)(a.Ptr(r)); got == 0 {
			t.Fatalf("object at %#x is empty", r)
		}
		c.Free(r, n)
	}
	a.Prepare()
	if err := a.Scavenge(); err != nil {
		t.Fatal(err)
	}
	if got := free(); got > keepFreeBytes+chunkBytes {
		t.Errorf("%d bytes free are held", got)
	}
}
