package counted

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestCut cuts leaves of any mix of members: the pieces are all of it, each fits
// and none would fit with the next.
func TestCut(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 1 + r.IntN(150)
		w := build(nil, 0, n)
		for i := range n {
			size := r.IntN(20)
			if r.IntN(10) == 0 {
				size = r.IntN(3 * nodeWeightMax)
			}
			w.entry(key{uint64(i), make([]byte, size)})
		}
		at := r.IntN(n + 1)
		var c content
		c.set(0, run{w.node, 0, at}, run{w.node, at, n})
		c.cut()
		next := 0
		for i, p := range c.pieces {
			if p.lo != next || p.hi <= p.lo || !c.fits(p) {
				t.Fatalf("seed %d: pieces %v of %d", seed, c.pieces, n)
			}
			if i > 0 && c.fits(piece{c.pieces[i-1].lo, p.hi}) {
				t.Fatalf("seed %d: pieces %d and %d fit together", seed, i-1, i)
			}
			next = p.hi
		}
		if next != n {
			t.Fatalf("seed %d: pieces %v of %d", seed, c.pieces, n)
		}
	}
}

func TestSeparator(t *testing.T) {
	for _, c := range []struct{ left, right, want key }{
		{key{1, []byte("x")}, key{2, []byte("a")}, key{2, nil}},
		{key{1, []byte("abc")}, key{1, []byte("abdef")}, key{1, []byte("abd")}},
		{key{1, []byte("ab")}, key{1, []byte("abcdef")}, key{1, []byte("abc")}},
		{key{1, nil}, key{1, []byte("abc")}, key{1, []byte("a")}},
	} {
		if got := separator(c.left, c.right); got.compare(c.want) != 0 {
			t.Errorf("between %v and %v: %v, want %v", c.left, c.right, got, c.want)
		}
	}
	// In a tree of long members that differ early, interior nodes are small.
	tree, _ := newTree()
	for i := range 2000 {
		if err := tree.Insert(1, append(fmt.Appendf(nil, "%04d", i*7919%2000), bytes.Repeat([]byte("x"), 1000)...)); err != nil {
			t.Fatal(err)
		}
	}
	walk(t, tree, func(n node, level uint8, _ bool) {
		if level > 0 && len(n.b) > headerBytes+n.n*(interiorSlotBytes+4) {
			t.Errorf("an interior node of %d slots has %d bytes", n.n, len(n.b))
		}
	})
}
