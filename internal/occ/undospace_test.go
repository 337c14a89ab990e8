package occ

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/hlc"
)

// Versions lie apart, those that were taken back come again, and each chunk is freed with the last of its versions.
func TestUndoSpace(t *testing.T) {
	a, err := arena.New(arena.MinLimitBytes)
	must(t, err)
	defer func() { must(t, a.Close()) }()
	c, rng := a.NewCache(), rand.New(rand.NewPCG(1, 2))
	type version struct {
		at    arena.Ref
		bytes int
	}
	var s undoSpace
	var live []version // in order
	for range 3000 {
		s.mark()
		before := s.used
		var taken []version
		for range rng.IntN(20) {
			v := version{bytes: 24 + 8*rng.IntN(260)}
			v.at, err = s.alloc(c, v.bytes)
			must(t, err)
			for _, o := range append(live, taken...) {
				if v.at < o.at+arena.Ref(o.bytes) && o.at < v.at+arena.Ref(v.bytes) {
					t.Fatalf("%d bytes at %#x lie on %d bytes at %#x", v.bytes, v.at, o.bytes, o.at)
				}
			}
			taken = append(taken, v)
		}
		if rng.IntN(3) == 0 {
			if s.rewind(c); s.used != before {
				t.Fatalf("%d bytes are used after a rewind, %d before", s.used, before)
			}
		} else {
			live = append(live, taken...)
		}
		for range rng.IntN(min(len(live), 15) + 1) {
			s.freeBefore(c, live[0].at)
			live = live[1:]
		}
		if len(live) == 0 {
			s.reuse(c)
		}
		if most := 2 + 2*len(live)*2200/undoChunkBytes; len(s.chunks) > most {
			t.Fatalf("%d chunks for %d versions", len(s.chunks), len(live))
		}
	}
	s.free(c)
	c.Close()
	if n := a.LiveBytes(); n != 0 {
		t.Errorf("%d bytes were not freed", n)
	}
}

// A commit that fails takes back the room for its versions and nobody else's.
func TestUndoSpaceAfterConflicts(t *testing.T) {
	clock := &hlc.Clock{}
	final := hlc.Timestamp(0)
	e := newUndoable(t, 1, clock, func() hlc.Timestamp { return final })
	table := newTable(t, e, 1, true)
	value := func(n int) []byte { return bytes.Repeat([]byte{byte('a' + n%26)}, 500) }
	keys := [][]byte{[]byte("a"), []byte("b"), []byte("c")}
	for n := range 2 {
		for _, k := range keys {
			put(t, e, table, string(k), string(value(n)))
		}
	}
	final = clock.Last()
	first := e.workers[0].versions.used
	for n := range 200 {
		tx := begin(t, e)
		_, err := tx.Get(table, keys[0])
		must(t, err)
		put(t, e, table, string(keys[0]), string(value(n))) // it has overtaken tx
		must(t, tx.Put(table, keys[1], value(n)))
		must(t, tx.Put(table, keys[2], value(n)))
		if _, err = tx.Commit(); err == nil {
			t.Fatal("what was overtaken has committed")
		}
		tx.End()
	}
	w := e.workers[0]
	if got, want := len(w.versions.chunks)*undoChunkBytes, 200*600+first+2*undoChunkBytes; got > want {
		t.Errorf("%d bytes for 200 versions, at most %d are needed", got, want)
	}
	e.Seal()
	must(t, e.RollBack(final))
	e.Unseal()
	tx := begin(t, e)
	defer tx.End()
	for _, k := range keys {
		if v, err := tx.Get(table, k); err != nil || !bytes.Equal(v, value(1)) {
			t.Errorf("%s has %.5q, %v", k, v, err)
		}
	}
	settle(e)
	if w.versions.used != 0 || len(w.versions.chunks) != 0 {
		t.Errorf("%d chunks are kept", len(w.versions.chunks))
	}
}
