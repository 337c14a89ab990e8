package counted

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRoot(t *testing.T) {
	for _, r := range []Root{
		{},
		{NextID: 5},
		{Node: 3, Height: 1, Count: 1, NextID: 4},
		{Node: 1 << 40, Height: HeightMax, Count: math.MaxInt, NextID: math.MaxUint64},
	} {
		got, rest, err := ParseRoot(append(r.AppendTo(nil), "rest"...))
		if got != r || string(rest) != "rest" || err != nil {
			t.Errorf("%+v came back as %+v with %q: %v", r, got, rest, err)
		}
	}
	for _, r := range []Root{
		{Height: 1, NextID: 1},
		{Count: 1, NextID: 1},
		{Node: 1, NextID: 2},
		{Node: 2, Height: 1, Count: 1, NextID: 2},
		{Height: HeightMax + 1, Count: 1, NextID: 2},
		{Height: 1, Count: math.MaxInt + 1, NextID: 2},
	} {
		if _, _, err := ParseRoot(r.AppendTo(nil)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%+v: %v, want ErrCorrupt", r, err)
		}
	}
	full := Root{Node: 300, Height: 2, Count: 300, NextID: 400}.AppendTo(nil)
	for n := range full {
		if _, _, err := ParseRoot(full[:n]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d bytes of %d: %v, want ErrCorrupt", n, len(full), err)
		}
	}
}

func TestMisuse(t *testing.T) {
	tree, _ := newTree()
	if err := tree.Insert(1, make([]byte, MemberBytesMax+1)); !errors.Is(err, ErrMemberTooLong) {
		t.Error(err)
	}
	if err := tree.Insert(1, []byte("a")); err != nil {
		t.Fatal(err)
	}
	if err := tree.Insert(1, []byte("a")); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	for _, rank := range []int{-1, 1, math.MaxInt, math.MinInt} {
		if _, _, err := tree.At(rank); !errors.Is(err, ErrRank) {
			t.Error(rank, err)
		}
		for e, err := range tree.Ascend(rank) {
			t.Error(rank, e, err)
		}
		for e, err := range tree.Descend(rank) {
			t.Error(rank, e, err)
		}
	}
	for _, r := range [][2]int{{-1, 1}, {0, 2}, {1, 0}, {2, 2}} {
		if err := tree.DeleteRange(r[0], r[1], nil); !errors.Is(err, ErrRank) {
			t.Error(r, err)
		}
	}
}

// TestLexBounds compares bounds of members with the oracle.
func TestLexBounds(t *testing.T) {
	tree, _ := newTree()
	var o oracle
	r := rand.New(rand.NewPCG(1, 1))
	random := func() []byte {
		m := make([]byte, r.IntN(4))
		for i := range m {
			m[i] = byte(r.IntN(5))
		}
		return m
	}
	for range 1000 {
		m := random()
		before, _ := slices.BinarySearchFunc(o, Entry{2.5, m}, compareEntries)
		after, _ := slices.BinarySearchFunc(o, Entry{2.5, append(slices.Clone(m), 0)}, compareEntries)
		if rank, err := tree.RankOfBound(BeforeMember(m)); rank != before || err != nil {
			t.Fatalf("before %q is %d %v, want %d", m, rank, err, before)
		}
		if rank, err := tree.RankOfBound(AfterMember(m)); rank != after || err != nil {
			t.Fatalf("after %q is %d %v, want %d", m, rank, err, after)
		}
		if e := (Entry{2.5, random()}); o.insert(e) {
			if err := tree.Insert(e.Score, e.Member); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestLongestMembers has members of the longest kind that differ in the last
// byte only, so that separators are as long.
func TestLongestMembers(t *testing.T) {
	tree, s := newTree()
	var o oracle
	long := bytes.Repeat([]byte("x"), MemberBytesMax-1)
	for i := range 5 {
		e := Entry{1, append(slices.Clone(long), byte(i*3%5))}
		o.insert(e)
		if err := tree.Insert(e.Score, e.Member); err != nil {
			t.Fatal(err)
		}
		for id, b := range s.nodes {
			if len(b) > 64<<20 {
				t.Fatalf("node %d has %d bytes", id, len(b))
			}
		}
	}
	o.same(t, tree, s)
	checkFill(t, tree)
	for b, c := range map[string][]byte{"buf": tree.buf, "fresh 0": tree.fresh[0], "fresh 1": tree.fresh[1], "top": tree.top} {
		if cap(c) > scratchBytesMax {
			t.Errorf("%s keeps %d bytes", b, cap(c))
		}
	}
	for len(o) > 0 {
		if ok, err := tree.Delete(1, o[len(o)/2].Member); !ok || err != nil {
			t.Fatal(ok, err)
		}
		o = slices.Delete(o, len(o)/2, len(o)/2+1)
	}
	o.same(t, tree, s)
}

var errBroken = errors.New("broken")

// failing is a store of which one call fails.
type failing struct {
	*store
	left int
}

func (f *failing) fail() error {
	if f.left--; f.left < 0 {
		return errBroken
	}
	return nil
}

func (f *failing) Get(id uint64) ([]byte, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.store.Get(id)
}

func (f *failing) Edit(id uint64) ([]byte, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.store.Edit(id)
}

func (f *failing) Put(id uint64, node []byte) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.store.Put(id, node)
}

func (f *failing) Delete(id uint64) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.store.Delete(id)
}

// TestFailingStore has every call of the store fail once, in every operation.
func TestFailingStore(t *testing.T) {
	full, s := newTree()
	fill(t, full, 3000)
	operations := map[string]func(*Tree) error{
		"Insert":      func(t *Tree) error { return t.Insert(7.5, nil) },
		"Delete":      func(t *Tree) error { _, err := t.Delete(7, member(7)); return err },
		"Rank":        func(t *Tree) error { _, _, err := t.Rank(7, member(7)); return err },
		"At":          func(t *Tree) error { _, _, err := t.At(7); return err },
		"RankOfBound": func(t *Tree) error { _, err := t.RankOfBound(BeforeMember(nil)); return err },
		"DeleteRange": func(t *Tree) error { return t.DeleteRange(1000, 1500, nil) },
		"Clear":       (*Tree).Clear,
		"Check":       (*Tree).Check,
		"Ascend": func(t *Tree) error {
			for _, err := range t.Ascend(0) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"Descend": func(t *Tree) error {
			for _, err := range t.Descend(2999) {
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	for name, op := range operations {
		calls := 0
		for ; ; calls++ {
			copied := &store{nodes: map[uint64][]byte{}}
			for id, b := range s.nodes {
				copied.nodes[id] = b
			}
			err := op(&Tree{Nodes: &failing{copied, calls}, Root: full.Root})
			if err == nil {
				break
			}
			if !errors.Is(err, errBroken) {
				t.Fatalf("%s: call %d failed and the error is %v", name, calls, err)
			}
		}
		if calls < 2 {
			t.Errorf("%s needed %d calls only", name, calls)
		}
	}
}

// TestCheck breaks a tree in the ways that parsing its nodes does not show.
func TestCheck(t *testing.T) {
	for name, damage := range map[string]func(t *Tree, s *store){
		"count":        func(t *Tree, _ *store) { t.Root.Count++ },
		"height":       func(t *Tree, _ *store) { t.Root.Height++ },
		"missing node": func(_ *Tree, s *store) { delete(s.nodes, 1) },
		"next id":      func(t *Tree, _ *store) { t.Root.NextID-- },
		"order in a leaf": func(t *Tree, s *store) {
			b := s.nodes[leafOf(t)]
			copy(b[headerBytes:], b[headerBytes+leafSlotBytes:headerBytes+2*leafSlotBytes])
		},
		"separator": func(t *Tree, s *store) {
			b := s.nodes[t.Root.Node]
			b[headerBytes+interiorSlotBytes+atScore] ^= 1
			b[headerBytes+interiorSlotBytes+atScore+6] ^= 0xff
		},
	} {
		tree, s := newTree()
		fill(t, tree, 3000)
		if err := tree.Check(); err != nil {
			t.Fatal(err)
		}
		damage(tree, s)
		if err := tree.Check(); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
	}
}

// leafOf returns the id of a leaf.
func leafOf(t *Tree) uint64 {
	if _, _, err := t.seek(key{score: ordered(1000)}); err != nil {
		return 0
	}
	return t.path[len(t.path)-1].id
}
