package index

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/godwitdb/godwit/internal/arena"
)

// nodeSet is what a transaction keeps of its scans.
type nodeSet map[arena.Ref]uint64

func (s nodeSet) valid(a *arena.Arena) bool {
	for node, version := range s {
		if CurrentVersion(a, node) != version {
			return false
		}
	}
	return true
}

// apply keeps the set valid through the owner's insert.
func (s nodeSet) apply(changes []Change) {
	for _, c := range changes {
		if v, ok := s[c.Node]; ok && v == c.Before {
			s[c.Node] = c.After
			if c.Right != 0 {
				s[c.Right] = c.RightVersion
			}
		}
	}
}

func (w *treeWorld) scanNodes(from, to []byte, descending bool) nodeSet {
	set := nodeSet{}
	var p Page
	if descending {
		w.tree.Descend(&p, from, to)
	} else {
		w.tree.Ascend(&p, from, to)
	}
	for more := true; more; more = w.tree.Next(&p) {
		set[p.Node] = p.Version
	}
	return set
}

// Any insert into a scanned range and any remove from it changes a version that
// the scan reported, and the changes of an insert tell its owner how to go on.
func TestTreeVersionsGuardRanges(t *testing.T) {
	for _, kind := range keyMakers {
		t.Run(kind.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			w := newTreeWorld(t, 32<<20)
			o := &oracle{w: w, recs: map[string]arena.Ref{}}
			key := func() []byte { return kind.make(r, 1500) }
			for i := range 1500 {
				from, to := key(), key()
				if bytes.Compare(from, to) > 0 {
					from, to = to, from
				}
				set := w.scanNodes(from, to, i%2 == 0)
				if !set.valid(w.arena) {
					t.Fatalf("scan [%q, %q): versions are not current", from, to)
				}
				k := key()
				inside := bytes.Compare(from, k) <= 0 && bytes.Compare(k, to) < 0
				missing := w.tree.Get(k)
				if o.recs[string(k)] != 0 {
					o.remove(k)
					if inside && set.valid(w.arena) {
						t.Fatalf("remove %q: no version of [%q, %q) has changed", k, from, to)
					}
					continue
				}
				rec := w.record(k)
				_, changes, err := w.tree.Insert(w.mem, rec, nil)
				if err != nil {
					t.Fatal(err)
				}
				o.recs[string(k)] = rec
				if CurrentVersion(w.arena, missing.Node) == missing.Version {
					t.Fatalf("insert %q: the leaf that lacked it has not changed", k)
				}
				if inside && set.valid(w.arena) {
					t.Fatalf("insert %q: no version of [%q, %q) has changed", k, from, to)
				}
				set.apply(changes)
				if !set.valid(w.arena) {
					t.Fatalf("insert %q: its changes do not make the scan of [%q, %q) valid", k, from, to)
				}
				again := w.scanNodes(from, to, false)
				for node := range again {
					if _, ok := set[node]; !ok {
						t.Fatalf("insert %q: node %#x of [%q, %q) is not in the set that its changes led to", k, node, from, to)
					}
				}
			}
		})
	}
}

// A leaf that was merged away never again has a version that a reader can have
// noted, while a reader is pinned.
func TestTreeMergedLeavesStayObsolete(t *testing.T) {
	w := newTreeWorld(t, 16<<20)
	o := &oracle{w: w, recs: map[string]arena.Ref{}}
	r := rand.New(rand.NewPCG(5, 6))
	pin := w.domain.NewPin()
	for range 5000 {
		o.insert(keyMakers[1].make(r, 5000))
	}
	pin.Enter()
	before := w.scanNodes(nil, nil, false)
	versions := map[arena.Ref]map[uint64]bool{}
	for node, v := range before {
		versions[node] = map[uint64]bool{v: true}
	}
	keys := o.sorted()
	r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for i, k := range keys {
		o.remove([]byte(k))
		if i%100 != 0 {
			continue
		}
		w.domain.Advance()
		w.mem.Limbo.Collect(w.mem.Cache, 1<<20)
		after := w.scanNodes(nil, nil, false)
		for node := range before {
			v := CurrentVersion(w.arena, node)
			switch _, alive := after[node]; {
			case alive && v&(lockedBit|obsoleteBit) != 0:
				t.Fatalf("leaf %#x: version %#x", node, v)
			case !alive && v&obsoleteBit == 0:
				t.Fatalf("leaf %#x was merged away: version %#x", node, v)
			case !alive && versions[node][v]:
				t.Fatalf("leaf %#x was merged away: version %#x had been seen", node, v)
			case alive:
				versions[node][v] = true
			}
		}
	}
	pin.Exit()
	if s := w.tree.Stats(); s.Leaves != 1 || s.Height != 1 {
		t.Fatalf("empty tree: %+v", s)
	}
	w.collect()
}
