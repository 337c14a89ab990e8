package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/epoch"
	"github.com/godwitdb/godwit/internal/record"
)

// treeWorld is a tree with its arena and one worker, for tests.
type treeWorld struct {
	t      testing.TB
	arena  *arena.Arena
	domain *epoch.Domain
	mem    Mem
	tree   *Tree
}

func newTreeWorld(t testing.TB, limit int64) *treeWorld {
	t.Helper()
	a, err := arena.New(limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return newTreeIn(t, a)
}

func newTreeIn(t testing.TB, a *arena.Arena) *treeWorld {
	t.Helper()
	w := &treeWorld{t: t, arena: a, domain: epoch.NewDomain()}
	w.mem = w.newMem()
	var err error
	if w.tree, err = NewTree(a, w.mem); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *treeWorld) newMem() Mem {
	return Mem{Cache: w.arena.NewCache(), Limbo: w.domain.NewLimbo()}
}

// newRecord makes a record without a value.
func newRecord(a *arena.Arena, c *arena.Cache, key []byte) (arena.Ref, error) {
	m := record.MakeMeta(len(key), 0, 0, false)
	r, err := c.Alloc(m.Bytes())
	if err != nil {
		return 0, err
	}
	p := a.Ptr(r)
	*(*uint64)(unsafe.Add(p, record.WordOffset)) = 0
	*(*uint64)(unsafe.Add(p, record.PrevOffset)) = 0
	*(*uint64)(unsafe.Add(p, record.MetaOffset)) = uint64(m)
	copy(unsafe.Slice((*byte)(unsafe.Add(p, record.KeyOffset)), len(key)), key)
	return r, nil
}

func recordBytes(a *arena.Arena, r arena.Ref) int {
	return record.Meta(*(*uint64)(unsafe.Add(a.Ptr(r), record.MetaOffset))).Bytes()
}

func (w *treeWorld) record(key []byte) arena.Ref {
	r, err := newRecord(w.arena, w.mem.Cache, key)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *treeWorld) key(r arena.Ref) string { return string(record.Key(w.arena.Ptr(r))) }

// collect frees what waits for a grace period; nobody is inside.
func (w *treeWorld) collect() {
	w.domain.Advance()
	for w.mem.Limbo.Collect(w.mem.Cache, 1<<20) > 0 {
	}
	if n := w.mem.Limbo.Len(); n != 0 {
		w.t.Fatalf("%d objects are still in limbo", n)
	}
}

// oracle is what a tree should hold.
type oracle struct {
	w    *treeWorld
	recs map[string]arena.Ref
}

func (o *oracle) sorted() []string {
	keys := make([]string, 0, len(o.recs))
	for k := range o.recs {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (o *oracle) insert(key []byte) {
	t := o.w.t
	rec := o.w.record(key)
	leaf := o.w.tree.Get(key)
	existing, changes, err := o.w.tree.Insert(o.w.mem, rec, nil)
	if err != nil {
		t.Fatal(err)
	}
	if old, ok := o.recs[string(key)]; ok {
		if existing != old || len(changes) != 0 {
			t.Fatalf("insert %q: got record %#x and %d changes, want %#x and none", key, existing, len(changes), old)
		}
		o.w.mem.Cache.Free(rec, recordBytes(o.w.arena, rec))
		return
	}
	if existing != 0 || len(changes) == 0 {
		t.Fatalf("insert %q: got record %#x and %d changes, want none and some", key, existing, len(changes))
	}
	c := changes[len(changes)-1]
	if c.Node != leaf.Node || c.Before != leaf.Version {
		t.Fatalf("insert %q: changed node %#x from %d, the key was missing in %#x at %d", key, c.Node, c.Before, leaf.Node, leaf.Version)
	}
	for _, c := range changes {
		if now := CurrentVersion(o.w.arena, c.Node); now != c.After || c.Before == c.After {
			t.Fatalf("insert %q: version %d, change says %d to %d", key, now, c.Before, c.After)
		}
		if c.Right != 0 && CurrentVersion(o.w.arena, c.Right) != c.RightVersion {
			t.Fatalf("insert %q: right version %d, change says %d", key, CurrentVersion(o.w.arena, c.Right), c.RightVersion)
		}
	}
	o.recs[string(key)] = rec
}

func (o *oracle) remove(key []byte) {
	t := o.w.t
	rec, ok := o.recs[string(key)]
	// Another record of the same key is another record.
	other := o.w.record(key)
	if o.w.tree.Remove(o.w.mem, other) {
		t.Fatalf("remove %q: took out a record that was never inserted", key)
	}
	o.w.mem.Cache.Free(other, recordBytes(o.w.arena, other))
	if !ok {
		return
	}
	before := o.w.tree.Get(key)
	if !o.w.tree.Remove(o.w.mem, rec) {
		t.Fatalf("remove %q: not there", key)
	}
	if CurrentVersion(o.w.arena, before.Node) == before.Version {
		t.Fatalf("remove %q: the leaf's version is the same", key)
	}
	delete(o.recs, string(key))
	o.w.mem.Limbo.Retire(rec, recordBytes(o.w.arena, rec))
}

func (o *oracle) get(key []byte) {
	if f := o.w.tree.Get(key); f.Rec != o.recs[string(key)] || CurrentVersion(o.w.arena, f.Node) != f.Version {
		o.w.t.Fatalf("get %q: got %#x at version %d, want %#x", key, f.Rec, f.Version, o.recs[string(key)])
	}
}

func (o *oracle) getMany(keys [][]byte) {
	out := make([]Found, len(keys))
	o.w.tree.GetMany(keys, out)
	for i, f := range out {
		if f != o.w.tree.Get(keys[i]) || f.Rec != o.recs[string(keys[i])] {
			o.w.t.Fatalf("get many: %q: got %#x, want %#x", keys[i], f.Rec, o.recs[string(keys[i])])
		}
	}
}

// scan compares the range with the oracle, in both directions. sorted are the
// oracle's keys.
func (o *oracle) scan(sorted []string, from, to []byte) {
	t := o.w.t
	lo := sort.SearchStrings(sorted, string(from))
	hi := len(sorted)
	if to != nil {
		hi = max(lo, sort.SearchStrings(sorted, string(to)))
	}
	want := sorted[lo:hi]
	var p Page
	for _, descending := range []bool{false, true} {
		var got []string
		more := true
		if descending {
			o.w.tree.Descend(&p, from, to)
		} else {
			o.w.tree.Ascend(&p, from, to)
		}
		for ; more; more = o.w.tree.Next(&p) {
			if p.Node == 0 || CurrentVersion(o.w.arena, p.Node) != p.Version {
				t.Fatalf("scan [%q, %q): page of node %#x at version %d", from, to, p.Node, p.Version)
			}
			for _, r := range p.Recs {
				got = append(got, o.w.key(r))
			}
		}
		if descending {
			slices.Reverse(got)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("scan [%q, %q), descending %v: got %d keys, want %d: first difference at %d", from, to, descending,
				len(got), len(want), firstDifference(got, want))
		}
	}
}

func firstDifference(a, b []string) int {
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return len(a)
}

func (o *oracle) check() {
	if err := o.w.tree.Check(); err != nil {
		o.w.t.Fatal(err)
	}
}

// keyMakers are the kinds of keys that the tests run over, each over a space of
// about n keys.
var keyMakers = []struct {
	name string
	make func(r *rand.Rand, n int) []byte
}{
	{"integers", func(r *rand.Rand, n int) []byte {
		return binary.BigEndian.AppendUint64(nil, uint64(r.IntN(n)))
	}},
	{"random8", func(r *rand.Rand, n int) []byte {
		return binary.BigEndian.AppendUint64(nil, uint64(r.IntN(n))*0x9e3779b97f4a7c15)
	}},
	{"random24", func(r *rand.Rand, n int) []byte {
		x := uint64(r.IntN(n)) * 0x9e3779b97f4a7c15
		k := binary.BigEndian.AppendUint64(nil, x)
		k = binary.BigEndian.AppendUint64(k, x*x)
		return binary.BigEndian.AppendUint64(k, x^x>>7)
	}},
	{"zeros", func(r *rand.Rand, n int) []byte {
		// Few different bytes, many zeros: prefixes of each other.
		k := make([]byte, r.IntN(12))
		for i := range k {
			k[i] = byte(r.IntN(8) / 6)
		}
		return k
	}},
	{"prefixed", func(r *rand.Rand, n int) []byte {
		return fmt.Appendf(nil, "a/long/common/prefix/of/many/bytes/%d/%d", r.IntN(3), r.IntN(n/3+1))
	}},
	{"groups", func(r *rand.Rand, n int) []byte {
		// Few groups that differ late, then a tail: long runs of equal heads.
		return fmt.Appendf(nil, "%.*s%08d", r.IntN(30), strings.Repeat("g", 30), r.IntN(n/20+1))
	}},
	{"huge", func(r *rand.Rand, n int) []byte {
		k := bytes.Repeat([]byte{byte('x' + r.IntN(2))}, record.KeyBytesMax-r.IntN(3))
		binary.BigEndian.PutUint32(k[len(k)-4:], uint32(r.IntN(n/10+1)))
		return k
	}},
	{"mixed", func(r *rand.Rand, n int) []byte {
		k := make([]byte, r.IntN(20))
		for i := range k {
			k[i] = "\x00\x01ab\xfe\xff"[r.IntN(6)]
		}
		if r.IntN(4) == 0 {
			k = append([]byte("tenant/0001/"), k...)
		}
		return k
	}},
}

func TestTreeAgainstOracle(t *testing.T) {
	for _, kind := range keyMakers {
		t.Run(kind.name, func(t *testing.T) {
			a, err := arena.New(64 << 20)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			sizes := []int{300, 1500, 5000, 2000}
			if testing.Short() {
				sizes = sizes[:2]
			}
			for seed, n := range sizes {
				if kind.name == "huge" {
					n /= 5
				}
				testTreeAgainstOracle(t, a, kind.make, n, uint64(seed))
			}
		})
	}
}

func testTreeAgainstOracle(t *testing.T, a *arena.Arena, makeKey func(*rand.Rand, int) []byte, n int, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	w := newTreeIn(t, a)
	o := &oracle{w: w, recs: map[string]arena.Ref{}}
	key := func() []byte { return makeKey(r, n) }
	// The share of inserts goes up and down, so that nodes split and merge.
	steps := n * 3
	for i := range steps {
		inserts := 80
		if i/(steps/4)%2 == 1 {
			inserts = 15
		}
		switch x := r.IntN(100); {
		case x < 15:
			o.get(key())
		case x < 18:
			var keys [][]byte
			for range r.IntN(3 * groupMax) {
				keys = append(keys, key())
			}
			o.getMany(keys)
		case r.IntN(100) < inserts:
			o.insert(key())
		default:
			o.remove(o.near(r, key()))
		}
		if i%(steps/8) == 0 {
			o.check()
			o.scans(r, key)
			w.collect()
		}
	}
	o.check()
	for k := range o.recs {
		o.get([]byte(k))
	}
	o.scans(r, key)
	keys := o.sorted()
	switch seed % 3 {
	case 0:
		r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	case 1:
		slices.Reverse(keys)
	}
	for _, k := range keys {
		o.remove([]byte(k))
	}
	o.check()
	o.scans(r, key)
	w.collect()
	if s := w.tree.Stats(); s.Leaves != 1 || s.Inners != 0 {
		t.Fatalf("empty tree: %+v", s)
	}
	w.tree.Free(w.mem, nil)
	w.collect()
	w.mem.Cache.Close()
	if n := a.LiveBytes(); n != 0 {
		t.Fatalf("no tree: %d bytes are left", n)
	}
}

// near returns a key that is there, mostly.
func (o *oracle) near(r *rand.Rand, key []byte) []byte {
	if r.IntN(8) == 0 {
		return key
	}
	var p Page
	o.w.tree.Ascend(&p, key, nil)
	if len(p.Recs) == 0 {
		return key
	}
	return []byte(o.w.key(p.Recs[0]))
}

func (o *oracle) scans(r *rand.Rand, key func() []byte) {
	sorted := o.sorted()
	o.scan(sorted, nil, nil)
	o.scan(sorted, nil, []byte{})
	o.scan(sorted, []byte{}, []byte{0})
	for range 10 {
		a, b := key(), key()
		o.scan(sorted, a, b)
		o.scan(sorted, a, nil)
		o.scan(sorted, nil, b)
		o.scan(sorted, a, a)
		o.scan(sorted, a, append(slices.Clone(a), 0))
	}
}
