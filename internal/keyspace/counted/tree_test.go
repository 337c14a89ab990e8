package counted

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// store keeps nodes in a map and counts what is asked of it.
type store struct {
	nodes map[uint64][]byte
	gets  int
	puts  int // deletions too
}

func newTree() (*Tree, *store) {
	s := &store{nodes: map[uint64][]byte{}}
	return &Tree{Nodes: s}, s
}

func (s *store) Get(id uint64) ([]byte, error) {
	s.gets++
	b, ok := s.nodes[id]
	if !ok {
		return nil, fmt.Errorf("%w: no node %d", ErrCorrupt, id)
	}
	return b, nil
}

func (s *store) Edit(id uint64) ([]byte, error) {
	b, err := s.Get(id)
	if err != nil {
		return nil, err
	}
	err = s.Put(id, b) // which is another slice
	return s.nodes[id], err
}

func (s *store) Put(id uint64, node []byte) error {
	s.puts++
	s.nodes[id] = bytes.Clone(node)
	return nil
}

func (s *store) Delete(id uint64) error {
	s.puts++
	if _, ok := s.nodes[id]; !ok {
		return fmt.Errorf("%w: no node %d to delete", ErrCorrupt, id)
	}
	delete(s.nodes, id)
	return nil
}

// oracle is a sorted slice.
type oracle []Entry

func compareEntries(a, b Entry) int {
	return cmp.Or(cmp.Compare(a.Score, b.Score), bytes.Compare(a.Member, b.Member))
}

func (o *oracle) insert(e Entry) bool {
	i, found := slices.BinarySearchFunc(*o, e, compareEntries)
	if !found {
		*o = slices.Insert(*o, i, e)
	}
	return !found
}

// same fails if the tree has not the oracle's entries, or is broken.
func (o *oracle) same(t *testing.T, tree *Tree, s *store) {
	t.Helper()
	entries := *o
	if err := tree.Check(); err != nil {
		t.Fatal(err)
	}
	if int(tree.Root.Count) != len(entries) {
		t.Fatalf("%d entries, want %d", tree.Root.Count, len(entries))
	}
	i := 0
	for e, err := range tree.Ascend(0) {
		if err != nil {
			t.Fatal(err)
		}
		if compareEntries(e, entries[i]) != 0 {
			t.Fatalf("entry %d is %v %q, want %v %q", i, e.Score, e.Member, entries[i].Score, entries[i].Member)
		}
		i++
	}
	if i != len(entries) {
		t.Fatalf("%d entries came, want %d", i, len(entries))
	}
	if n := countNodes(t, tree); n != len(s.nodes) {
		t.Fatalf("the store has %d nodes, the tree %d", len(s.nodes), n)
	}
}

// walk calls visit for each node of the tree.
func walk(t *testing.T, tree *Tree, visit func(n node, level uint8, root bool)) {
	t.Helper()
	var below func(id uint64, level uint8, count uint64, root bool)
	below = func(id uint64, level uint8, count uint64, root bool) {
		n, err := tree.open(id, level, count)
		if err != nil {
			t.Fatal(err)
		}
		visit(n, level, root)
		for i := 0; level > 0 && i < n.n; i++ {
			below(n.child(i), level-1, n.count(i), false)
		}
	}
	if tree.Root.Count > 0 {
		below(tree.Root.Node, tree.Root.Height-1, tree.Root.Count, true)
	}
}

func countNodes(t *testing.T, tree *Tree) (nodes int) {
	walk(t, tree, func(node, uint8, bool) { nodes++ })
	return nodes
}

// checkFill fails if a node is too heavy, or too light in a tree without long
// members.
func checkFill(t *testing.T, tree *Tree) {
	t.Helper()
	long := false
	walk(t, tree, func(n node, level uint8, _ bool) {
		for i := range n.n {
			long = long || n.weight(i, i+1) > nodeWeightMax/4
		}
	})
	walk(t, tree, func(n node, level uint8, root bool) {
		w := n.weight(0, n.n)
		if w > nodeWeightMax && n.n >= 2*slotsMin(level) {
			t.Fatalf("a node of level %d with %d slots weighs %d", level, n.n, w)
		}
		if !root && !long && w < nodeWeightMin {
			t.Fatalf("a node of level %d with %d slots weighs only %d", level, n.n, w)
		}
	})
}

// shape makes entries of one kind.
type shape struct {
	name string
	next func(r *rand.Rand, i int) Entry
}

func shapes() []shape {
	short := func(r *rand.Rand) []byte { return fmt.Appendf(nil, "m%d", r.IntN(1e6)) }
	odd := []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), 1, -1, math.MaxFloat64, math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64}
	return []shape{
		{"random", func(r *rand.Rand, _ int) Entry { return Entry{r.NormFloat64(), short(r)} }},
		{"ascending", func(r *rand.Rand, i int) Entry { return Entry{float64(i), short(r)} }},
		{"descending", func(r *rand.Rand, i int) Entry { return Entry{float64(-i), short(r)} }},
		{"few scores", func(r *rand.Rand, _ int) Entry { return Entry{odd[r.IntN(len(odd))], short(r)} }},
		{"one score", func(r *rand.Rand, _ int) Entry { return Entry{7, short(r)} }},
		{"short", func(r *rand.Rand, _ int) Entry {
			return Entry{float64(r.IntN(50)), bytes.Repeat([]byte{byte(r.IntN(256))}, r.IntN(4))}
		}},
		{"common prefix", func(r *rand.Rand, _ int) Entry {
			return Entry{1, append(bytes.Repeat([]byte("p"), 500), short(r)...)}
		}},
		{"long", func(r *rand.Rand, _ int) Entry {
			return Entry{float64(r.IntN(3)), append(short(r), make([]byte, r.IntN(12000))...)}
		}},
		{"long separators", func(r *rand.Rand, _ int) Entry {
			return Entry{1, append(bytes.Repeat([]byte("p"), r.IntN(2)*9000), short(r)...)}
		}},
		{"long and short", func(r *rand.Rand, _ int) Entry {
			e := Entry{float64(r.IntN(10)), short(r)}
			if r.IntN(5) == 0 {
				e.Member = append(e.Member, make([]byte, r.IntN(60000))...)
			}
			return e
		}},
	}
}

func TestAgainstOracle(t *testing.T) {
	for _, sh := range shapes() {
		t.Run(sh.name, func(t *testing.T) {
			for seed := range uint64(6) {
				againstOracle(t, sh, seed)
			}
		})
	}
}

func againstOracle(t *testing.T, sh shape, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	tree, s := newTree()
	var o oracle
	steps := 3000
	if strings.HasPrefix(sh.name, "long") {
		steps = 700
	}
	for i := range steps {
		// The tree grows for the first half, then it shrinks.
		grow := 8
		if i > steps/2 {
			grow = 2
		}
		switch op := r.IntN(20); {
		case op < 2*grow:
			e := sh.next(r, i)
			if o.insert(e) {
				if err := tree.Insert(e.Score, e.Member); err != nil {
					t.Fatal(err)
				}
			}
		case op < 18 && len(o) > 0:
			at := r.IntN(len(o))
			if ok, err := tree.Delete(o[at].Score, o[at].Member); !ok || err != nil {
				t.Fatal(ok, err)
			}
			o = slices.Delete(o, at, at+1)
		case op == 18 && r.IntN(20) == 0:
			from := r.IntN(len(o) + 1)
			to := from + r.IntN(len(o)-from+1)
			deleteRange(t, tree, &o, from, to)
		default:
			probe(t, tree, o, sh.next(r, i), r)
		}
		if i%(steps/20) == 0 {
			o.same(t, tree, s)
			checkFill(t, tree)
		}
	}
	o.same(t, tree, s)
	for len(o) > 0 {
		at := r.IntN(len(o))
		if ok, err := tree.Delete(o[at].Score, o[at].Member); !ok || err != nil {
			t.Fatal(ok, err)
		}
		o = slices.Delete(o, at, at+1)
		if len(o)%50 == 0 {
			o.same(t, tree, s)
			checkFill(t, tree)
		}
	}
	if tree.Root != (Root{NextID: tree.Root.NextID}) || len(s.nodes) != 0 {
		t.Fatalf("an empty tree has root %+v and %d nodes", tree.Root, len(s.nodes))
	}
}

func deleteRange(t *testing.T, tree *Tree, o *oracle, from, to int) {
	t.Helper()
	at := from
	err := tree.DeleteRange(from, to, func(e Entry) error {
		if compareEntries(e, (*o)[at]) != 0 {
			t.Fatalf("removed %v %q of rank %d, want %v %q", e.Score, e.Member, at, (*o)[at].Score, (*o)[at].Member)
		}
		at++
		return nil
	})
	if err != nil || at != to {
		t.Fatalf("removed up to %d, want %d: %v", at, to, err)
	}
	*o = slices.Delete(*o, from, to)
}

// probe asks the tree what it answers without changing it.
func probe(t *testing.T, tree *Tree, o oracle, e Entry, r *rand.Rand) {
	t.Helper()
	at, want := slices.BinarySearchFunc(o, e, compareEntries)
	if rank, found, err := tree.Rank(e.Score, e.Member); rank != at || found != want || err != nil {
		t.Fatalf("rank %d %t %v, want %d %t", rank, found, err, at, want)
	}
	if found, err := tree.Delete(e.Score, e.Member); !want && (found || err != nil) {
		t.Fatal(found, err)
	} else if want {
		if err := tree.Insert(e.Score, e.Member); err != nil {
			t.Fatal(err)
		}
	}
	below := func(in func(o Entry) bool) (n int) {
		for _, x := range o {
			if in(x) {
				n++
			}
		}
		return n
	}
	for _, b := range []struct {
		bound Bound
		want  int
	}{
		{BeforeAll(), 0},
		{AfterAll(), len(o)},
		{BeforeScore(e.Score), below(func(x Entry) bool { return x.Score < e.Score })},
		{AfterScore(e.Score), below(func(x Entry) bool { return x.Score <= e.Score })},
	} {
		if rank, err := tree.RankOfBound(b.bound); rank != b.want || err != nil {
			t.Fatalf("bound %+v at %d %v, want %d", b.bound, rank, err, b.want)
		}
	}
	if len(o) == 0 {
		return
	}
	at = r.IntN(len(o))
	if score, member, err := tree.At(at); err != nil || compareEntries(Entry{score, member}, o[at]) != 0 {
		t.Fatalf("at %d is %v %q %v, want %v", at, score, member, err, o[at])
	}
	up, down := at, at
	for e, err := range tree.Ascend(at) {
		if err != nil || compareEntries(e, o[up]) != 0 {
			t.Fatal(err, e, o[up])
		}
		if up++; up == at+100 {
			break
		}
	}
	for e, err := range tree.Descend(at) {
		if err != nil || compareEntries(e, o[down]) != 0 {
			t.Fatal(err, e, o[down])
		}
		if down--; down == at-100 {
			break
		}
	}
	if up != min(len(o), at+100) || down != max(-1, at-100) {
		t.Fatalf("from %d of %d up to %d and down to %d", at, len(o), up, down)
	}
}

// TestAscendingFill: entries that come in order leave nodes fuller than half.
func TestAscendingFill(t *testing.T) {
	tree, s := newTree()
	const n = 20_000
	for i := range n {
		if err := tree.Insert(float64(i), member(i)); err != nil {
			t.Fatal(err)
		}
	}
	checkFill(t, tree)
	full := nodeWeightMax / (slotWeight + leafSlotBytes + len(member(0)))
	if fewest := n / full; len(s.nodes) > fewest*3/2 {
		t.Errorf("%d entries are in %d nodes; %d full ones would do", n, len(s.nodes), fewest)
	}
}
