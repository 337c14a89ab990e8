package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/godwitdb/godwit/internal/arena"
)

// fill takes all memory that the arena has left, in pieces of every size, and
// returns them.
func (w *treeWorld) fill() (pieces []arena.Ref, sizes []int) {
	for _, size := range []int{64 << 10, 16 << 10, 4096, 1024, 512, 128, 112, 96, 80, 64, 48, 32, 16} {
		for {
			r, err := w.mem.Cache.Alloc(size)
			if err != nil {
				break
			}
			pieces, sizes = append(pieces, r), append(sizes, size)
		}
	}
	return pieces, sizes
}

func TestTreeInsertWithoutMemory(t *testing.T) {
	for _, kind := range keyMakers {
		t.Run(kind.name, func(t *testing.T) {
			w := newTreeWorld(t, arena.MinLimitBytes)
			o := &oracle{w: w, recs: map[string]arena.Ref{}}
			r := rand.New(rand.NewPCG(7, 8))
			var waiting []arena.Ref
			for range 1000 {
				waiting = append(waiting, w.record(kind.make(r, 3000)))
			}
			pieces, sizes := w.fill()
			failures := 0
			for _, rec := range waiting {
				key := w.key(rec)
				for {
					before := w.scanNodes([]byte(key), nil, false)
					existing, changes, err := w.tree.Insert(w.mem, rec, nil)
					if err == nil {
						if existing == 0 {
							o.recs[key] = rec
						} else if existing != o.recs[key] || len(changes) != 0 {
							t.Fatalf("insert %q: found %#x, want %#x", key, existing, o.recs[key])
						}
						break
					}
					if !errors.Is(err, arena.ErrFull) || len(changes) != 0 || !before.valid(w.arena) {
						t.Fatalf("insert %q: %v with %d changes", key, err, len(changes))
					}
					if failures%16 == 0 {
						o.check()
						o.scan(o.sorted(), nil, nil)
					}
					failures++
					// Give a little back.
					for range 3 {
						last := len(pieces) - 1
						w.mem.Cache.Free(pieces[last], sizes[last])
						pieces, sizes = pieces[:last], sizes[:last]
					}
				}
			}
			if len(o.recs) > 300 && failures == 0 {
				t.Fatal("memory never ran out")
			}
			o.check()
			// With no memory at all, everything can be removed.
			more, moreSizes := w.fill()
			for _, k := range o.sorted() {
				o.w.tree.Remove(w.mem, o.recs[k])
			}
			if s := w.tree.Stats(); s.Leaves != 1 {
				t.Fatalf("empty tree: %+v", s)
			}
			// And nothing was lost on the way.
			w.tree.Free(w.mem, nil)
			pieces, sizes = append(pieces, more...), append(sizes, moreSizes...)
			for i, r := range pieces {
				w.mem.Cache.Free(r, sizes[i])
			}
			for _, rec := range waiting {
				w.mem.Cache.Free(rec, recordBytes(w.arena, rec))
			}
			w.collect()
			w.mem.Cache.Close()
			if n := w.arena.LiveBytes(); n != 0 {
				t.Fatalf("%d bytes are left", n)
			}
		})
	}
}

func TestNewTreeWithoutMemory(t *testing.T) {
	w := newTreeWorld(t, arena.MinLimitBytes)
	w.fill()
	if _, err := NewTree(w.arena, w.mem); !errors.Is(err, arena.ErrFull) {
		t.Fatalf("got %v, want ErrFull", err)
	}
}

func TestTreeFree(t *testing.T) {
	w := newTreeWorld(t, 16<<20)
	live := w.arena.LiveBytes() - nodeBytes
	recs := map[arena.Ref]bool{}
	for i := range 5000 {
		rec := w.record(fmt.Appendf(nil, "some/prefix/%d", i*7919%5000))
		if _, _, err := w.tree.Insert(w.mem, rec, nil); err != nil {
			t.Fatal(err)
		}
		recs[rec] = true
	}
	w.tree.Free(w.mem, func(rec arena.Ref) {
		if !recs[rec] {
			t.Fatalf("record %#x twice, or it was never inserted", rec)
		}
		delete(recs, rec)
		w.mem.Limbo.Retire(rec, recordBytes(w.arena, rec))
	})
	if len(recs) != 0 {
		t.Fatalf("%d records were left out", len(recs))
	}
	w.collect()
	w.mem.Cache.Close()
	if got := w.arena.LiveBytes(); got > live {
		t.Fatalf("%d bytes are left, want %d", got, live)
	}
}

// What is taken from the left and put to the right, as in a queue, takes no more
// memory after many rounds than after the first.
func TestTreeQueueStaysSmall(t *testing.T) {
	w := newTreeWorld(t, 16<<20)
	o := &oracle{w: w, recs: map[string]arena.Ref{}}
	key := func(i int) []byte { return fmt.Appendf(nil, "queues/mail/messages/%09d", i) }
	const length = 500
	for i := range 8000 {
		o.insert(key(i))
		if i >= length {
			o.remove(key(i - length))
		}
		if i%1000 == 999 {
			o.check()
			w.collect()
			if s := w.tree.Stats(); s.Leaves > 20 {
				t.Fatalf("%d keys take %d leaves", len(o.recs), s.Leaves)
			}
		}
	}
}

// Inserts in ascending order fill the leaves, at the end of the tree and in the
// middle of it, and long common prefixes do not lead every search to the records.
func TestTreeSequentialFill(t *testing.T) {
	w := newTreeWorld(t, 64<<20)
	const streams, n = 20, 20000
	for i := range n {
		key := fmt.Appendf(nil, "a/common/prefix/of/many/bytes/%02d/%09d", i%streams, i)
		if _, _, err := w.tree.Insert(w.mem, w.record(key), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.tree.Check(); err != nil {
		t.Fatal(err)
	}
	s := w.tree.Stats()
	if fill := float64(n) / float64(s.Leaves*fanout); fill < 0.85 {
		t.Errorf("leaves are %.0f %% full: %+v", fill*100, s)
	}
	root, _ := w.tree.rootNode()
	if p := root.meta().prefix(); !root.meta().edge() || p < 30 {
		t.Errorf("the root has a prefix of %d bytes", p)
	}
}

func TestTreeDoesNotAllocate(t *testing.T) {
	w := newTreeWorld(t, 64<<20)
	for i := range 20000 {
		key := binary.BigEndian.AppendUint64(nil, mix(uint64(i)))
		if i%2 == 0 {
			key = append(key, "a longer key"...)
		}
		if _, _, err := w.tree.Insert(w.mem, w.record(key), nil); err != nil {
			t.Fatal(err)
		}
	}
	key := binary.BigEndian.AppendUint64(nil, mix(77))
	long := append(binary.BigEndian.AppendUint64(nil, mix(78)), "a longer key"...)
	keys := [][]byte{key, long, key, []byte("missing"), long, long, key, key, long, nil}
	found := make([]Found, len(keys))
	changes := make([]Change, 0, 4)
	fresh := w.record([]byte("fresh"))
	var p Page
	pages := func(first func()) {
		first()
		for range 5 {
			w.tree.Next(&p)
		}
	}
	for name, f := range map[string]func(){
		"Get":     func() { w.tree.Get(key); w.tree.Get(long) },
		"GetMany": func() { w.tree.GetMany(keys, found) },
		"Insert and Remove": func() {
			if _, out, err := w.tree.Insert(w.mem, fresh, changes); err != nil || len(out) != 1 {
				t.Fatalf("insert: %v, %d changes", err, len(out))
			}
			if !w.tree.Remove(w.mem, fresh) {
				t.Fatal("remove: not there")
			}
		},
		"Ascend":  func() { pages(func() { w.tree.Ascend(&p, key, nil) }) },
		"Descend": func() { pages(func() { w.tree.Descend(&p, nil, long) }) },
	} {
		f()
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
