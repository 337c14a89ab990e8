package index

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/arena"
)

// These tests stop a search between two of its steps, where other goroutines
// hardly ever come in, and let the tree change there.

func intKey(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }

// intTree returns a tree of the keys 0, gap, 2*gap, ... below n*gap.
func intTree(t *testing.T, n, gap int) (*treeWorld, *oracle) {
	w := newTreeWorld(t, 16<<20)
	o := &oracle{w: w, recs: map[string]arena.Ref{}}
	for i := range n {
		o.insert(intKey(i * gap))
	}
	return w, o
}

// crowd inserts keys just below and above key until its leaf is another one.
func (o *oracle) crowd(key int) {
	leaf := o.w.tree.Get(intKey(key)).Node
	for i := 1; o.w.tree.Get(intKey(key)).Node == leaf; i++ {
		o.insert(intKey(key - i))
	}
}

// thin removes the keys around key, which stays, until its leaf has been merged
// away.
func (o *oracle) thin(key int) {
	leaf := o.w.tree.Get(intKey(key)).Node
	keys := o.sorted()
	at, _ := slices.BinarySearch(keys, string(intKey(key)))
	for i := 1; CurrentVersion(o.w.arena, leaf)&obsoleteBit == 0; i++ {
		o.remove([]byte(keys[at-i]))
		o.remove([]byte(keys[at+i]))
	}
}

// A step down that took its direction from the parent before a split or a
// merge, and reads the child after it, finds out.
func TestTreeStepNoticesChanges(t *testing.T) {
	const n, gap, key = 1000, 1000, 500 * 1000
	for name, change := range map[string]func(o *oracle){
		"split": func(o *oracle) { o.crowd(key) },
		"merge": func(o *oracle) { o.thin(key) },
	} {
		t.Run(name, func(t *testing.T) {
			w, o := intTree(t, n, gap)
			tree := w.tree
			k := makeProbe(intKey(key))
			parent, v := tree.rootNode()
			if parent.meta().level() != 1 {
				t.Fatalf("the root is at level %d", parent.meta().level())
			}
			i, ok := tree.route(parent, v, parent.meta(), &k)
			child := parent.child(i)
			if _, _, ok2 := tree.step(parent, v, child); !ok || !ok2 {
				t.Fatal("a conflict without a change")
			}
			l := lookup{node: tree.refOf(parent), version: v, first: k.first}
			tree.descendOne(&l, k.key)
			if l.node != child || l.parent != tree.refOf(parent) {
				t.Fatalf("the lookup is at node %#x, want %#x", l.node, child)
			}
			change(o)
			if _, _, ok := tree.step(parent, v, child); ok {
				t.Error("step goes from a parent that has changed")
			}
			tree.searchOne(&l, k.key)
			if l.node != 0 {
				t.Error("a lookup goes from a parent that has changed")
			}
			if f := tree.finishOne(&l, k.key); f.Rec != o.recs[string(k.key)] {
				t.Errorf("got record %#x, want %#x", f.Rec, o.recs[string(k.key)])
			}
			o.check()
		})
	}
}

// A child that changes after its parent was left by is read anew: what is
// below the parent's version does not matter.
func TestTreeLookupNoticesLeafChanges(t *testing.T) {
	w, o := intTree(t, 1000, 1000)
	k := makeProbe(intKey(500 * 1000))
	root, v := w.tree.rootNode()
	l := lookup{node: w.tree.refOf(root), version: v, first: k.first}
	w.tree.descendOne(&l, k.key)
	o.remove(intKey(501 * 1000)) // no merge
	w.tree.searchOne(&l, k.key)
	if f := w.tree.finishOne(&l, k.key); l.node == 0 || f.Rec != o.recs[string(k.key)] || f.Version != CurrentVersion(w.arena, f.Node) {
		t.Fatalf("node %#x, found %+v", l.node, f)
	}
}

// The root may be replaced between the reading of its reference and of its
// version.
func TestTreeNoticesNewRoots(t *testing.T) {
	w, o := intTree(t, 2, 10)
	ref := w.tree.root.Load()
	old, v := w.tree.rootNode()
	for i := range 100 {
		o.insert(intKey(1000 + i))
	}
	if _, _, ok := w.tree.enter(ref); ok {
		t.Error("a search begins at what is no more the root")
	}
	if now, _ := w.tree.rootNode(); now == old || old.word() == v {
		t.Fatal("the root was split, and is still the root or has its old version")
	}
	ref = w.tree.root.Load()
	root, v := w.tree.rootNode()
	for _, k := range o.sorted() {
		o.remove([]byte(k))
	}
	if _, _, ok := w.tree.enter(ref); ok {
		t.Error("a search begins at what is no more the root")
	}
	if now, _ := w.tree.rootNode(); now == root || root.word() == v || root.word()&obsoleteBit == 0 {
		t.Fatal("the root was dropped, and is still the root or has its old version")
	}
}

// A scan reports the leaves that its range intersects, and no others.
func TestTreeScansReportLeavesOfTheRange(t *testing.T) {
	w, o := intTree(t, 2000, 3)
	type leaf struct {
		node      arena.Ref
		low, high []byte
	}
	var leaves []leaf
	for r := w.tree.Get(nil).Node; r != 0; r = w.tree.node(r).ref(linkOffset) {
		n := w.tree.node(r)
		leaves = append(leaves, leaf{r, w.tree.fence(n.ref(lowOffset)), w.tree.fence(n.ref(highOffset))})
	}
	if len(leaves) < 10 {
		t.Fatalf("%d leaves", len(leaves))
	}
	pages := func(from, to []byte, descending bool) (nodes []arena.Ref) {
		var p Page
		if descending {
			w.tree.Descend(&p, from, to)
		} else {
			w.tree.Ascend(&p, from, to)
		}
		for more := true; more; more = w.tree.Next(&p) {
			nodes = append(nodes, p.Node)
		}
		if descending {
			slices.Reverse(nodes)
		}
		return nodes
	}
	below := func(k []byte) []byte { // the key before an integer key or fence of 8 bytes
		return intKey(int(headOf(k, 0) - 1))
	}
	for i := 1; i < len(leaves)-1; i++ {
		low, high := leaves[i].low, leaves[i].high
		for _, c := range []struct {
			from, to []byte
			first    int
			last     int
		}{
			{low, high, i, i},
			{below(low), high, i - 1, i},
			{low, append(slices.Clone(high), 0), i, i + 1},
			{below(low), append(slices.Clone(high), 0), i - 1, i + 1},
			{low, append(slices.Clone(low), 0), i, i},
			{nil, low, 0, i - 1},
			{high, nil, i + 1, len(leaves) - 1},
		} {
			var want []arena.Ref
			for _, l := range leaves[c.first : c.last+1] {
				want = append(want, l.node)
			}
			for _, descending := range []bool{false, true} {
				if got := pages(c.from, c.to, descending); !slices.Equal(got, want) {
					t.Fatalf("scan [%x, %x), descending %v: leaves %#x, want %#x", c.from, c.to, descending, got, want)
				}
			}
		}
	}
	o.check()
}

// What a pinned reader may have found the way to is not used for anything else.
func TestTreeNodesAndFencesOutliveReaders(t *testing.T) {
	w, o := intTree(t, 3000, 1)
	pin := w.domain.NewPin()
	pin.Enter()
	fences := map[arena.Ref][]byte{}
	var merged []arena.Ref
	for r := w.tree.Get(nil).Node; r != 0; r = w.tree.node(r).ref(linkOffset) {
		merged = append(merged, r)
		for _, offset := range []int{lowOffset, highOffset, edgeOffset} {
			if f := w.tree.node(r).ref(offset); f != 0 {
				fences[f] = bytes.Clone(w.tree.fence(f))
			}
		}
	}
	for _, k := range o.sorted() {
		o.remove([]byte(k))
	}
	merged = slices.DeleteFunc(merged, func(r arena.Ref) bool { return CurrentVersion(w.arena, r)&obsoleteBit == 0 })
	if len(merged) < 10 {
		t.Fatalf("%d leaves were merged away", len(merged))
	}
	for i := range 3000 {
		w.domain.Advance()
		w.mem.Limbo.Collect(w.mem.Cache, 1<<20)
		o.insert(append([]byte("zz"), intKey(i)[2:]...))
	}
	for f, want := range fences {
		if got := w.tree.fence(f); !bytes.Equal(got, want) {
			t.Fatalf("fence %#x: %x, was %x", f, got, want)
		}
	}
	for _, r := range merged {
		if v := CurrentVersion(w.arena, r); v&obsoleteBit == 0 {
			t.Fatalf("leaf %#x was merged away, and has version %#x", r, v)
		}
	}
	pin.Exit()
	w.collect()
	o.check()
}

// A merge changes the versions of all nodes that it touches: the left one has
// a longer range, the right one is gone, and the parent was rewritten.
func TestTreeMergeChangesVersions(t *testing.T) {
	w, o := intTree(t, 1000, 1)
	root, v := w.tree.rootNode()
	const i = 5
	l, r := w.tree.node(root.child(i)), w.tree.node(root.child(i+1))
	for _, n := range []node{l, r} {
		// So few that they fit into one node, so many that Remove leaves them.
		for n.meta().count() > mergedMax/2 {
			o.remove([]byte(w.key(slotRef(n.slot(3)))))
		}
	}
	lv, rv := l.word(), r.word()
	sum := l.meta().count() + r.meta().count()
	if root.word() != v || (lv|rv)&obsoleteBit != 0 {
		t.Fatal("the leaves were merged before their time")
	}
	w.tree.merge(w.mem, root, v, i)
	if lw := l.word(); lw == lv || lw&(lockedBit|obsoleteBit) != 0 {
		t.Errorf("left version %#x, was %#x", lw, lv)
	}
	if rw := r.word(); rw&obsoleteBit == 0 || rw&lockedBit != 0 {
		t.Errorf("right version %#x, was %#x", rw, rv)
	}
	if pw := root.word(); pw == v || pw&(lockedBit|obsoleteBit) != 0 {
		t.Errorf("parent version %#x, was %#x", pw, v)
	}
	if n := l.meta().count(); n != sum {
		t.Errorf("%d entries, want %d", n, sum)
	}
	o.check()
	o.scan(o.sorted(), nil, nil)
}

// A split whose parent has changed since it was decided on locks neither.
func TestTreeSplitLocksWhatItDecidedOn(t *testing.T) {
	w, _ := intTree(t, 1000, 1000)
	parent, pv := w.tree.rootNode()
	child := w.tree.node(parent.child(3))
	v := child.stableWord()
	for name, c := range map[string]struct{ pv, v uint64 }{"the parent": {pv - versionStep, v}, "the node": {pv, v - versionStep}} {
		if lockPair(parent, c.pv, child, c.v) {
			t.Errorf("locked, though %s has changed", name)
		}
		if parent.word() != pv || child.word() != v {
			t.Fatalf("%s had changed: the words are %#x and %#x, they were %#x and %#x", name, parent.word(), child.word(), pv, v)
		}
	}
	if !lockPair(parent, pv, child, v) || parent.word() != pv|lockedBit || child.word() != v|lockedBit {
		t.Error("not locked, though nothing has changed")
	}
	unlockPairUnchanged(parent, pv, child, v)
}

// A merge counts the entries once more when nobody can add any.
func TestTreeMergeCountsUnderItsLocks(t *testing.T) {
	w, o := intTree(t, 1000, 1000)
	root, v := w.tree.rootNode()
	tried := 0
	for i := range root.meta().count() {
		l, r := w.tree.node(root.child(i)), w.tree.node(root.child(i+1))
		if l.meta().count()+r.meta().count() <= mergedMax {
			continue
		}
		tried++
		lv, rv := l.word(), r.word()
		w.tree.merge(w.mem, root, v, i)
		if root.word() != v || l.word() != lv || r.word() != rv {
			t.Fatalf("children %d and %d were merged, or are locked", i, i+1)
		}
	}
	if tried == 0 {
		t.Fatal("no two siblings are too full")
	}
	o.check()
}

// A step does not touch what a node that has changed says is its child: that may be
// anything.
func TestTreeStepKeepsOffTheLeavingsOfAChange(t *testing.T) {
	w, _ := intTree(t, 1000, 1000)
	root, v := w.tree.rootNode()
	anything, err := w.mem.Cache.Alloc(nodeBytes)
	if err != nil {
		t.Fatal(err)
	}
	w.tree.node(anything).store(0, lockedBit) // who took it for a node would wait for ever
	stepped := make(chan bool)
	go func() {
		_, _, ok := w.tree.step(root, v-versionStep, anything)
		stepped <- ok
	}()
	select {
	case ok := <-stepped:
		if ok {
			t.Error("a step from a node that has changed")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("a step waits for what is no node")
	}
}
