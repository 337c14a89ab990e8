package epoch

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
)

const (
	stressWords = 8
	stressBytes = stressWords * 8
	poison      = 0xdead
)

// stress is a table of references to objects that writers replace all the time.
// All words of an object are the same. An object is poisoned when it is
// allocated, before it is written anew, and the arena writes over the objects it
// takes back: a reader whose object was freed too early sees one of both.
type stress struct {
	arena  *arena.Arena
	domain *Domain
	slots  [8]atomic.Uint64
	serial atomic.Uint64
	done   atomic.Bool
	reads  atomic.Int64
}

func (s *stress) word(r arena.Ref, i int) unsafe.Pointer {
	return unsafe.Add(s.arena.Ptr(r), i*8)
}

// make returns a new object.
func (s *stress) make(c *arena.Cache) (arena.Ref, error) {
	r, err := c.Alloc(stressBytes)
	if err != nil {
		return 0, err
	}
	for i := range stressWords {
		arena.Store64(s.word(r, i), poison)
	}
	id := s.serial.Add(1)<<16 | 1
	for i := range stressWords {
		arena.Store64(s.word(r, i), id)
	}
	return r, nil
}

// read visits an object and looks at it for a while.
func (s *stress) read(t *testing.T, p *Pin, rng *rand.Rand) bool {
	p.Enter()
	defer p.Exit()
	r := arena.Ref(s.slots[rng.IntN(len(s.slots))].Load())
	id := arena.Load64(s.word(r, 0))
	for round := range 1 + rng.IntN(3) {
		if round > 0 {
			runtime.Gosched()
		}
		for i := range stressWords {
			if v := arena.Load64(s.word(r, i)); v != id || v == poison {
				t.Errorf("word %d of object %#x is %#x, word 0 was %#x", i, r, v, id)
				return false
			}
		}
	}
	s.reads.Add(1)
	return true
}

// write replaces objects.
func (s *stress) write(t *testing.T, steps int, rng *rand.Rand) {
	c, l := s.arena.NewCache(), s.domain.NewLimbo()
	for range steps {
		r, err := s.make(c)
		if err != nil {
			t.Error(err)
			return
		}
		old := s.slots[rng.IntN(len(s.slots))].Swap(uint64(r))
		l.Retire(arena.Ref(old), stressBytes)
		if rng.IntN(8) == 0 {
			s.domain.Advance()
		}
		if rng.IntN(8) == 0 {
			l.Collect(c, 1+rng.IntN(50))
		}
	}
	for l.Len() > 0 {
		s.domain.Advance()
		if l.Collect(c, 1000) == 0 {
			runtime.Gosched()
		}
	}
	c.Close()
}

// TestStress lets readers look at objects that writers retire and free, and new
// readers come and go.
func TestStress(t *testing.T) {
	const readers, writers, steps = 3, 2, 30000
	a, err := arena.New(arena.MinLimitBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	s := stress{arena: a, domain: NewDomain()}
	c := a.NewCache()
	for i := range s.slots {
		r, err := s.make(c)
		if err != nil {
			t.Fatal(err)
		}
		s.slots[i].Store(uint64(r))
	}
	var reading, writing sync.WaitGroup
	for i := range uint64(readers) {
		reading.Go(func() {
			rng := rand.New(rand.NewPCG(i, 2))
			p := s.domain.NewPin()
			defer func() { p.Drop() }()
			for n := 1; !s.done.Load(); n++ {
				if !s.read(t, p, rng) {
					return
				}
				if n%1000 == 0 {
					p.Drop()
					p = s.domain.NewPin()
				}
			}
		})
	}
	for i := range uint64(writers) {
		writing.Go(func() { s.write(t, steps, rand.New(rand.NewPCG(i, 3))) })
	}
	writing.Wait()
	s.done.Store(true)
	reading.Wait()
	for i := range s.slots {
		c.Free(arena.Ref(s.slots[i].Load()), stressBytes)
	}
	c.Close()
	if live := a.LiveBytes(); live != 0 {
		t.Errorf("%d bytes were not freed", live)
	}
	if s.reads.Load() == 0 {
		t.Error("nothing was read")
	}
}
