package counted

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// fill inserts n entries in random order: the scores are 0 to n-1.
func fill(tb testing.TB, tree *Tree, n int) {
	tb.Helper()
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
		if err := tree.Insert(float64(i), member(i)); err != nil {
			tb.Fatal(err)
		}
	}
}

func member(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }

// TestRecords counts the records that operations read and write.
func TestRecords(t *testing.T) {
	for _, n := range []int{100, 10_000, 100_000} {
		tree, s := newTree()
		fill(t, tree, n)
		// A node but for the root has a quarter of 57 slots or more.
		height := int(math.Ceil(math.Log(float64(n))/math.Log(14))) + 1
		if int(tree.Root.Height) > height {
			t.Fatalf("%d entries have %d levels, want %d or fewer", n, tree.Root.Height, height)
		}
		r := rand.New(rand.NewPCG(3, 4))
		cost := func(what string, gets, puts int, op func(i int) error) {
			t.Helper()
			for range 500 {
				s.gets, s.puts = 0, 0
				if err := op(r.IntN(n)); err != nil {
					t.Fatal(err)
				}
				if s.gets > gets || s.puts > puts {
					t.Fatalf("%s of %d: %d gets and %d puts, want %d and %d at most", what, n, s.gets, s.puts, gets, puts)
				}
			}
		}
		h := height
		cost("Rank", h, 0, func(i int) error { _, _, err := tree.Rank(float64(i), member(i)); return err })
		cost("At", h, 0, func(i int) error { _, _, err := tree.At(i); return err })
		cost("RankOfBound", h, 0, func(i int) error { _, err := tree.RankOfBound(AfterScore(float64(i))); return err })
		cost("Delete and Insert", 4*h, 4*h+1, func(i int) error {
			if ok, err := tree.Delete(float64(i), member(i)); !ok || err != nil {
				return fmt.Errorf("%t %w", ok, err)
			}
			return tree.Insert(float64(i), member(i))
		})
		cost("100 entries", h+10, 0, func(i int) error {
			seen := 0
			for _, err := range tree.Ascend(i) {
				if seen++; err != nil || seen == 100 {
					return err
				}
			}
			return nil
		})
		s.gets, s.puts = 0, 0
		nodes := len(s.nodes)
		if err := tree.DeleteRange(n/4, n/2, nil); err != nil {
			t.Fatal(err)
		}
		// Those that go, and for each level one at either end with what is around it.
		gone := nodes - len(s.nodes)
		if bound := 10 * h * h; s.gets > gone+bound || s.puts > gone+bound {
			t.Fatalf("DeleteRange of %d: %d gets and %d puts for %d nodes of %d", n/4, s.gets, s.puts, gone, nodes)
		}
		s.gets = 0
		if err := tree.Clear(); err != nil || len(s.nodes) != 0 {
			t.Fatal(err, len(s.nodes))
		}
		if s.gets > nodes/8+1 {
			t.Fatalf("Clear read %d of %d nodes", s.gets, nodes)
		}
	}
}

// slots is a store that does not allocate once it has a node.
type slots struct {
	nodes map[uint64][]byte
	spare [][]byte
}

func (s *slots) Get(id uint64) ([]byte, error) { return s.nodes[id], nil }

func (s *slots) Edit(id uint64) ([]byte, error) { return s.nodes[id], nil }

func (s *slots) Put(id uint64, node []byte) error {
	// What Get returned must stay, until the next operation at least.
	var b []byte
	if n := len(s.spare) - 1; n > 64 {
		b, s.spare[0], s.spare = s.spare[0], s.spare[n], s.spare[:n]
	} else {
		b = make([]byte, 0, 2*nodeWeightMax)
	}
	if old, ok := s.nodes[id]; ok {
		s.spare = append(s.spare, old)
	}
	s.nodes[id] = append(b[:0], node...)
	return nil
}

func (s *slots) Delete(id uint64) error {
	s.spare = append(s.spare, s.nodes[id])
	delete(s.nodes, id)
	return nil
}

func newSlots() *slots {
	s := &slots{nodes: map[uint64][]byte{}}
	for range 1000 {
		s.spare = append(s.spare, make([]byte, 0, 2*nodeWeightMax))
	}
	return s
}

func TestAllocations(t *testing.T) {
	const n = 20_000
	tree := &Tree{Nodes: newSlots()}
	fill(t, tree, n)
	i := 0
	m := make([]byte, 8)
	check := func(what string, op func()) {
		t.Helper()
		if allocs := testing.AllocsPerRun(2000, op); allocs != 0 {
			t.Errorf("%s allocates %v times", what, allocs)
		}
	}
	next := func() float64 {
		i = (i + 7919) % n
		binary.BigEndian.PutUint64(m, uint64(i))
		return float64(i)
	}
	check("Rank", func() {
		if _, ok, err := tree.Rank(next(), m); !ok || err != nil {
			t.Fatal(ok, err)
		}
	})
	check("At", func() {
		if _, _, err := tree.At(int(next())); err != nil {
			t.Fatal(err)
		}
	})
	check("RankOfBound", func() {
		if _, err := tree.RankOfBound(BeforeScore(next())); err != nil {
			t.Fatal(err)
		}
	})
	check("Delete and Insert", func() {
		score := next()
		if ok, err := tree.Delete(score, m); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if err := tree.Insert(score, m); err != nil {
			t.Fatal(err)
		}
	})
	// Of an iteration only the loop itself may.
	if allocs := testing.AllocsPerRun(100, func() {
		for _, err := range tree.Ascend(0) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}); allocs > 4 {
		t.Errorf("an iteration over %d entries allocates %v times", n, allocs)
	}
}

func BenchmarkTree(b *testing.B) {
	for _, n := range []int{1e3, 1e6} {
		tree := &Tree{Nodes: newSlots()}
		fill(b, tree, n)
		r := rand.New(rand.NewPCG(5, 6))
		m := make([]byte, 8)
		next := func() (int, float64) {
			i := r.IntN(n)
			binary.BigEndian.PutUint64(m, uint64(i))
			return i, float64(i)
		}
		b.Run(fmt.Sprintf("Rank/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, score := next()
				if _, ok, err := tree.Rank(score, m); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
		b.Run(fmt.Sprintf("At/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i, _ := next()
				if _, _, err := tree.At(i); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("DeleteInsert/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, score := next()
				if ok, err := tree.Delete(score, m); !ok || err != nil {
					b.Fatal(ok, err)
				}
				if err := tree.Insert(score, m); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("Ascend100/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i, _ := next()
				seen := 0
				for _, err := range tree.Ascend(i) {
					if seen++; err != nil || seen == 100 {
						break
					}
				}
			}
		})
	}
	for _, n := range []int{1e3, 1e6} {
		b.Run(fmt.Sprintf("Insert/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				fill(b, &Tree{Nodes: newSlots()}, n)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/entry")
		})
	}
}
