package counted

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"
)

// FuzzNode gives one tree nodes of any bytes: operations end, with an error that
// says so or without.
func FuzzNode(f *testing.F) {
	leaf := build(nil, 0, 2)
	leaf.entry(key{ordered(1), []byte("a")})
	leaf.entry(key{ordered(1), []byte("bb")})
	interior := build(nil, 1, 2)
	interior.child(key{}, 1, 2)
	interior.child(key{ordered(1), []byte("b")}, 2, 2)
	f.Add(leaf.b, interior.b, uint8(2), uint16(4), uint8(1))
	f.Add(leaf.b, leaf.b, uint8(1), uint16(2), uint8(0))
	f.Add([]byte{}, []byte{0, 0}, uint8(3), uint16(60), uint8(3))
	f.Fuzz(func(t *testing.T, a, b []byte, height uint8, count uint16, op uint8) {
		s := &store{nodes: map[uint64][]byte{}}
		// The root is node 0; below it are the other, and itself.
		for id := range uint64(8) {
			s.nodes[id] = a
		}
		s.nodes[0] = b
		tree := &Tree{Nodes: s, Root: Root{Height: height % 5, Count: uint64(count), NextID: 8}}
		if tree.Root.validate() != nil {
			return
		}
		n := int(count)
		var err error
		switch op % 10 {
		case 0:
			err = tree.Insert(1, []byte("b"))
		case 1:
			_, err = tree.Delete(1, []byte("bb"))
		case 2:
			err = tree.DeleteRange(n/4, n/2, func(Entry) error { return nil })
		case 3:
			err = tree.Clear()
		case 4:
			_, _, err = tree.Rank(1, []byte("b"))
		case 5:
			_, err = tree.RankOfBound(AfterMember([]byte("b")))
		case 6:
			_, _, err = tree.At(n / 2)
		case 7:
			err = tree.Check()
		case 8:
			for _, e := range tree.Ascend(n / 2) {
				err = e
			}
		case 9:
			for _, e := range tree.Descend(n / 2) {
				err = e
			}
		}
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrRank) {
			t.Fatal(err)
		}
	})
}

// FuzzRoot: what is parsed is encoded again to something that parses to the same.
func FuzzRoot(f *testing.F) {
	f.Add(Root{Node: 300, Height: 2, Count: 300, NextID: 400}.AppendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, _, err := ParseRoot(b)
		if err != nil {
			return
		}
		if again, rest, err := ParseRoot(r.AppendTo(nil)); again != r || len(rest) != 0 || err != nil {
			t.Fatalf("%+v came back as %+v: %v", r, again, err)
		}
	})
}

// FuzzOperations plays what the bytes say, five bytes each, on the tree and on the oracle.
func FuzzOperations(f *testing.F) {
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz"))
	f.Add(bytes.Repeat([]byte{0, 250, 1, 9, 3, 1, 2, 200, 7, 0}, 40))
	f.Fuzz(func(t *testing.T, in []byte) {
		tree, s := newTree()
		var o oracle
		for ; len(in) >= 5; in = in[5:] {
			score := float64(int8(in[1]))
			if score == -128 {
				score = math.Inf(-1)
			}
			// A member of up to 16 KiB, or none.
			e := Entry{score, bytes.Repeat(in[2:3], int(in[3]&15)<<(in[3]>>4)/16)}
			switch in[0] % 8 {
			case 0, 1, 2, 3, 4:
				// A few at once, so that nodes split.
				for i := range in[4] % 64 {
					e := Entry{e.Score, append(slices.Clone(e.Member), i)}
					if o.insert(e) {
						if err := tree.Insert(e.Score, e.Member); err != nil {
							t.Fatal(err)
						}
					}
				}
			case 5, 6:
				at, _ := slices.BinarySearchFunc(o, e, compareEntries)
				for range in[4] % 64 {
					if at == len(o) {
						break
					}
					if ok, err := tree.Delete(o[at].Score, o[at].Member); !ok || err != nil {
						t.Fatal(ok, err)
					}
					o = slices.Delete(o, at, at+1)
				}
			case 7:
				from := int(binary.LittleEndian.Uint16(in[1:])) % (len(o) + 1)
				to := from + int(binary.LittleEndian.Uint16(in[3:]))%(len(o)-from+1)
				deleteRange(t, tree, &o, from, to)
			}
			if len(in) < 10 || len(in)%40 < 5 {
				o.same(t, tree, s)
				checkFill(t, tree)
			}
		}
	})
}
