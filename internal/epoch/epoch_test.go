package epoch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/godwitdb/godwit/internal/arena"
)

func newCache(t testing.TB) *arena.Cache {
	t.Helper()
	a, err := arena.New(arena.MinLimitBytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a.NewCache()
}

func alloc(t testing.TB, c *arena.Cache, n int) arena.Ref {
	t.Helper()
	r, err := c.Alloc(n)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// retired is an object in a limbo, and the visits of readers that were going on
// when it came there.
type retired struct {
	ref     arena.Ref
	bytes   int
	epoch   uint64
	readers map[*Pin]int // the number of the visit
}

// model is what the users of the package may rely on.
type model struct {
	t      *testing.T
	domain *Domain
	cache  *arena.Cache
	pins   []*Pin
	visit  map[*Pin]int // the number of the visit that is going on, absent if none
	visits int
	limbos []*Limbo
	queues [][]retired
}

// holds tells whether a visit that began before r was retired goes on.
func (m *model) holds(r retired) bool {
	for p, visit := range r.readers {
		if m.visit[p] == visit {
			return true
		}
	}
	return false
}

func (m *model) enterOrExit(p *Pin) {
	if _, inside := m.visit[p]; inside {
		p.Exit()
		delete(m.visit, p)
	} else {
		p.Enter()
		m.visits++
		m.visit[p] = m.visits
	}
	if _, inside := m.visit[p]; p.Inside() != inside {
		m.t.Fatalf("pin is inside: %v, want %v", p.Inside(), inside)
	}
}

func (m *model) retire(i, n int) {
	r := retired{alloc(m.t, m.cache, n), n, m.domain.Now(), map[*Pin]int{}}
	for p, visit := range m.visit {
		r.readers[p] = visit
	}
	m.limbos[i].Retire(r.ref, n)
	m.queues[i] = append(m.queues[i], r)
}

// collect frees from limbo i and checks what and how much that was.
func (m *model) collect(i, most int) {
	freed := m.limbos[i].Collect(m.cache, most)
	q := m.queues[i]
	if freed > min(most, len(q)) {
		m.t.Fatalf("%d objects freed of %d, at most %d were asked for", freed, len(q), most)
	}
	for _, r := range q[:freed] {
		if m.holds(r) {
			m.t.Fatalf("object retired in epoch %d was freed in %d under a reader", r.epoch, m.domain.Now())
		}
	}
	// Nor may anything stay that no reader of the same or an older epoch holds up.
	if safe := m.domain.Safe(); freed < min(most, len(q)) && q[freed].epoch < safe {
		m.t.Fatalf("object retired in epoch %d stays, the safe one is %d", q[freed].epoch, safe)
	}
	m.queues[i] = q[freed:]
	m.check(i)
}

func (m *model) check(i int) {
	l, q := m.limbos[i], m.queues[i]
	var bytes int64
	for j, r := range q {
		bytes += int64(r.bytes)
		if got := *l.queue.At(j); got.ref != r.ref || got.bytes != r.bytes {
			m.t.Fatalf("limbo has object %#x in place %d, want %#x", got.ref, j, r.ref)
		}
	}
	if l.Len() != len(q) || l.Bytes() != bytes {
		m.t.Fatalf("limbo has %d objects of %d bytes, want %d of %d", l.Len(), l.Bytes(), len(q), bytes)
	}
}

func (m *model) step(rng *rand.Rand) {
	switch rng.IntN(12) {
	case 0:
		m.domain.Advance()
	case 1, 2, 3:
		m.enterOrExit(m.pins[rng.IntN(len(m.pins))])
	case 4, 5:
		m.collect(rng.IntN(len(m.limbos)), rng.IntN(20))
	case 6:
		if rng.IntN(4) == 0 {
			m.changePins(rng)
		}
	default:
		m.retire(rng.IntN(len(m.limbos)), 1+rng.IntN(100))
	}
}

// changePins registers a reader, or drops one that is outside.
func (m *model) changePins(rng *rand.Rand) {
	if len(m.pins) < 8 {
		m.pins = append(m.pins, m.domain.NewPin())
	}
	i := rng.IntN(len(m.pins))
	if _, inside := m.visit[m.pins[i]]; !inside && len(m.pins) > 2 {
		m.pins[i].Drop()
		m.pins = slices.Delete(m.pins, i, i+1)
	}
}

// TestModel runs random schedules of readers, writers and collectors: what is
// freed no reader can hold, and when all have left, everything is freed.
func TestModel(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		d := NewDomain()
		m := model{t: t, domain: d, cache: newCache(t), visit: map[*Pin]int{}, queues: make([][]retired, 3)}
		for range m.queues {
			m.limbos = append(m.limbos, d.NewLimbo())
		}
		for range 1 + rng.IntN(5) {
			m.pins = append(m.pins, d.NewPin())
		}
		for range 3000 {
			m.step(rng)
		}
		for _, p := range m.pins {
			if p.Inside() {
				m.enterOrExit(p)
			}
		}
		d.Advance()
		for i := range m.limbos {
			m.collect(i, 1<<30)
			if n := m.limbos[i].Len(); n != 0 {
				t.Fatalf("seed %d: nobody reads, and %d objects stay", seed, n)
			}
		}
		m.cache.Close()
		if live := m.cache.Arena().LiveBytes(); live != 0 {
			t.Fatalf("seed %d: %d bytes were not freed", seed, live)
		}
	}
}

// TestTranscript spells out one grace period.
func TestTranscript(t *testing.T) {
	c := newCache(t)
	d := NewDomain()
	early, late := d.NewPin(), d.NewPin()
	l := d.NewLimbo()
	want := func(what string, freed int) {
		t.Helper()
		if got := l.Collect(c, 100); got != freed {
			t.Errorf("%s: %d objects freed, want %d", what, got, freed)
		}
	}
	want("nothing retired", 0)
	early.Enter()
	l.Retire(alloc(t, c, 10), 10)
	want("same epoch", 0)
	d.Advance()
	want("a reader from before is inside", 0)
	late.Enter()
	l.Retire(alloc(t, c, 20), 20)
	early.Exit()
	want("the early reader has left", 1)
	if l.Len() != 1 || l.Bytes() != 20 {
		t.Errorf("%d objects of %d bytes wait", l.Len(), l.Bytes())
	}
	d.Advance()
	want("the late reader holds the second", 0)
	late.Renew()
	want("it came back in a later epoch", 1)
	if !late.Inside() {
		t.Error("the late reader is outside")
	}
	if d.Safe() != d.Now() {
		t.Errorf("safe epoch %d of %d", d.Safe(), d.Now())
	}
	late.Exit()
	l.Retire(alloc(t, c, 30), 30)
	want("nobody is inside, but the epoch is the current one", 0)
	d.Advance()
	want("nobody is inside", 1)
}

// A pin that is dropped does not hold anything up, and takes no other along.
func TestDrop(t *testing.T) {
	c := newCache(t)
	d := NewDomain()
	var pins []*Pin
	for range 5 {
		pins = append(pins, d.NewPin())
	}
	for _, p := range pins {
		p.Enter()
	}
	l := d.NewLimbo()
	l.Retire(alloc(t, c, 10), 10)
	d.Advance()
	for i, p := range []int{2, 0, 4, 3} {
		pins[p].Exit()
		pins[p].Drop()
		if got := len(*d.pins.Load()); got != 4-i {
			t.Errorf("%d pins are registered, want %d", got, 4-i)
		}
		if n := l.Collect(c, 1); n != 0 {
			t.Fatalf("freed under a reader after %d were dropped", i+1)
		}
	}
	pins[1].Exit()
	pins[1].Drop()
	if n := l.Collect(c, 1); n != 1 {
		t.Error("not freed although no reader is left")
	}
}

// What waits stays in order.
func TestLimboOrder(t *testing.T) {
	c := newCache(t)
	d := NewDomain()
	l := d.NewLimbo()
	var want []arena.Ref
	for round := range 50 {
		for range 100 + round {
			r := alloc(t, c, 16)
			l.Retire(r, 16)
			want = append(want, r)
		}
		d.Advance()
		freed := l.Collect(c, 90)
		if freed != 90 {
			t.Fatalf("%d objects freed", freed)
		}
		want = want[freed:]
		for i, r := range want {
			if got := l.queue.At(i).ref; got != r {
				t.Fatalf("round %d: object %#x in place %d, want %#x", round, got, i, r)
			}
		}
	}
	if l.Collect(c, 1<<30) != len(want) || l.Len() != 0 || l.Bytes() != 0 {
		t.Errorf("%d objects of %d bytes are left", l.Len(), l.Bytes())
	}
}

func TestNothingAllocates(t *testing.T) {
	c := newCache(t)
	d := NewDomain()
	p, l := d.NewPin(), d.NewLimbo()
	if got := testing.AllocsPerRun(100, func() {
		p.Enter()
		p.Exit()
		d.Advance()
		d.Safe()
	}); got != 0 {
		t.Errorf("a visit allocates %v times", got)
	}
	for _, n := range []int{1, 100} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			if got := testing.AllocsPerRun(100, func() {
				for range n {
					l.Retire(alloc(t, c, 64), 64)
				}
				d.Advance()
				l.Collect(c, n)
			}); got != 0 {
				t.Errorf("%d objects retired and freed: %v allocations", n, got)
			}
		})
	}
}
