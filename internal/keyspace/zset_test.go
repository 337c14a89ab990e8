package keyspace

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/internal/keyspace/counted"
)

// editSortedSet gives members scores or removes them, some by their ranks.
func (o *oracle) editSortedSet(db int, name string, had *modelValue) {
	if had != nil && had.kind != SortedSetType {
		return
	}
	v := &modelValue{kind: SortedSetType, members: map[string]string{}}
	if had != nil {
		v = had.clone()
	}
	what, n := o.rng.IntN(3), 1+o.rng.IntN(120)
	var members []string
	var scores []float64
	for range n {
		members = append(members, fmt.Sprint("m", o.rng.IntN(300), strings.Repeat("x", o.rng.IntN(3)*o.rng.IntN(600))))
		scores = append(scores, []float64{math.Inf(-1), math.Inf(1), math.Copysign(0, -1), 0, float64(o.rng.IntN(9)), o.rng.NormFloat64()}[o.rng.IntN(6)])
	}
	from, to := o.rng.IntN(len(v.members)+1), o.rng.IntN(len(v.members)+1)
	from, to = min(from, to), max(from, to)
	o.update(func(tx *Tx) error {
		tx.DB = db
		z, _, err := tx.SortedSet([]byte(name))
		if err != nil {
			return err
		}
		switch what {
		case 0:
			err = z.DeleteRange(from, to)
		case 1, 2:
			for i, member := range members {
				if i == len(members)/2 { // as another command of the transaction
					if err := z.Save(); err != nil {
						return err
					}
					if z, _, err = tx.SortedSet([]byte(name)); err != nil {
						return err
					}
				}
				if what == 1 {
					_, err = z.Delete([]byte(member))
				} else {
					_, err = z.Put([]byte(member), scores[i])
				}
				if err != nil {
					return err
				}
			}
		}
		if err != nil {
			return err
		}
		return z.Save()
	})
	switch what {
	case 0:
		for _, e := range v.entries()[from:to] {
			delete(v.members, string(e.Member))
		}
	case 1:
		for _, member := range members {
			delete(v.members, member)
		}
	case 2:
		for i, member := range members {
			v.members[member] = strconv.FormatFloat(scores[i]+0, 'g', -1, 64)
		}
	}
	o.model.put(db, name, v)
}

// entries returns the members of a sorted set in order.
func (v *modelValue) entries() (entries []counted.Entry) {
	for member, text := range v.members {
		score, err := strconv.ParseFloat(text, 64)
		if err != nil {
			panic(err)
		}
		entries = append(entries, counted.Entry{Score: score, Member: []byte(member)})
	}
	slices.SortFunc(entries, func(a, b counted.Entry) int {
		return cmp.Or(cmp.Compare(a.Score, b.Score), bytes.Compare(a.Member, b.Member))
	})
	return entries
}

func sameEntry(a, b counted.Entry) bool {
	return math.Float64bits(a.Score) == math.Float64bits(b.Score) && bytes.Equal(a.Member, b.Member)
}

// sameSortedSet compares a sorted set with its model in each way in which it can be read.
func sameSortedSet(tx *Tx, name string, want *modelValue) error {
	z, _, err := tx.SortedSet([]byte(name))
	if err != nil {
		return err
	}
	if err := z.tree.Check(); err != nil {
		return err
	}
	all := want.entries()
	n := len(all)
	if z.Len() != n || z.Dict().Len() != n {
		return fmt.Errorf("has %d members, want %d", z.Len(), n)
	}
	if got := slices.Collect(z.Ascend(0, n)); !slices.EqualFunc(got, all, sameEntry) {
		return fmt.Errorf("is %v, want %v", got, all)
	}
	backwards := slices.Collect(z.Descend(n/3, n-n/3))
	slices.Reverse(backwards)
	if !slices.EqualFunc(backwards, all[n/3:n-n/3], sameEntry) {
		return fmt.Errorf("from %d to %d backwards is %v, want %v", n/3, n-n/3, backwards, all)
	}
	for rank, e := range all {
		score, ok, err := z.Get(e.Member)
		if err != nil || !ok || !sameEntry(counted.Entry{Score: score, Member: e.Member}, e) {
			return fmt.Errorf("member %q has %v, %t, %w; want %v", e.Member, score, ok, err, e.Score)
		}
		if got, ok, err := z.Rank(e.Member); err != nil || !ok || got != rank {
			return fmt.Errorf("member %q has the rank %d, %t, %w; want %d", e.Member, got, ok, err, rank)
		}
	}
	seen := map[string]bool{}
	for member := range z.Dict().Members() {
		seen[string(member)] = true
	}
	if len(seen) != n {
		return fmt.Errorf("the array has %d members, want %d", len(seen), n)
	}
	return nil
}

// A node that a tree has read stays as it is until the transaction ends, whatever becomes of it, which package counted relies on:
// nodes that are stored as those that are not yet.
func TestNodesStay(t *testing.T) {
	o := newOracle(t, 1)
	o.update(func(tx *Tx) error {
		z, _, err := tx.SortedSet([]byte("z"))
		if err != nil {
			return err
		}
		if _, err := z.Put([]byte("member"), 1); err != nil {
			return err
		}
		return z.Save()
	})
	o.update(func(tx *Tx) error {
		for _, change := range []func(*treeNodes, uint64) error{
			func(n *treeNodes, id uint64) error { return n.Put(id, []byte("another node")) },
			func(n *treeNodes, id uint64) error { return n.Put(id, []byte("another nod2")) },
			(*treeNodes).Delete,
		} {
			z, _, err := tx.SortedSet([]byte("z"))
			if err != nil {
				return err
			}
			id := z.tree.Root.Node
			node, err := z.nodes.Get(id)
			if err != nil {
				return err
			}
			before := bytes.Clone(node)
			if err := change(z.nodes, id); err != nil {
				return err
			}
			if err := z.nodes.write(); err != nil {
				return err
			}
			if _, err := z.dict.Put([]byte("room"), node); err != nil {
				return err
			}
			if !bytes.Equal(node, before) {
				return fmt.Errorf("node %d became %q, was %q", id, node, before)
			}
		}
		return nil
	})
}

func TestMemberTooLong(t *testing.T) {
	o := newOracle(t, 1)
	if err := o.space.Reserve(t.Context(), o.db); err != nil {
		t.Fatal(err)
	}
	o.update(func(tx *Tx) error {
		z, _, err := tx.SortedSet([]byte("z"))
		if err != nil {
			return err
		}
		long := make([]byte, MemberBytesMax+1)
		if _, err := z.Put(long, 1); !errors.Is(err, ErrMemberTooLong) {
			t.Errorf("a long member: %v", err)
		}
		if created, err := z.Put(long[1:], 1); err != nil || !created {
			t.Errorf("the longest member: %t, %v", created, err)
		}
		return z.Save()
	})
}

// TestSortedSetsOfOneTransaction are changed, moved, copied and removed by its commands, and what is left of them is whole.
func TestSortedSetsOfOneTransaction(t *testing.T) {
	o := newOracle(t, 1)
	if err := o.space.Reserve(t.Context(), o.db); err != nil {
		t.Fatal(err)
	}
	records := o.db.Stats().Records
	const members = 500
	add := func(tx *Tx, name string, from, to int) error {
		for i := from; i < to; i++ {
			z, _, err := tx.SortedSet([]byte(name))
			if err != nil {
				return err
			}
			if _, err := z.Put(fmt.Appendf(nil, "%03d", i), float64(i%7)); err != nil {
				return err
			}
			if err := z.Save(); err != nil {
				return err
			}
		}
		return nil
	}
	with := func(tx *Tx, do func(a, b *Key) error) error {
		a, err1 := tx.Lookup([]byte("a"))
		b, err2 := tx.Lookup([]byte("b"))
		return errors.Join(err1, err2, do(&a, &b))
	}
	rename := func(a, b *Key) error { return a.Rename(b) }
	copied := func(a, b *Key) error { return b.Copy(a) }
	remove := func(a, b *Key) error { return errors.Join(a.Remove(), b.Remove()) }
	check := func(tx *Tx, want int) {
		for _, name := range []string{"a", "b"} {
			z, _, err := tx.SortedSet([]byte(name))
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			last := counted.Entry{Score: -1}
			for e := range z.Ascend(0, z.Len()) {
				if n++; cmp.Or(cmp.Compare(last.Score, e.Score), bytes.Compare(last.Member, e.Member)) >= 0 {
					t.Errorf("%s has %v behind %v", name, e, last)
				}
				last = e
			}
			if n != want || z.Len() != want {
				t.Errorf("%s has %d of %d members in order, want %d", name, n, z.Len(), want)
			}
		}
	}
	o.update(func(tx *Tx) error { return add(tx, "a", 0, 10) })
	o.update(func(tx *Tx) error {
		defer check(tx, members)
		return errors.Join(add(tx, "a", 10, members), with(tx, rename), add(tx, "a", 0, 9), with(tx, remove), add(tx, "b", 0, members/2), with(tx, copied), add(tx, "a", 0, members), add(tx, "b", 0, members))
	})
	o.update(func(tx *Tx) error {
		check(tx, members)
		return errors.Join(add(tx, "a", members, 2*members), with(tx, remove))
	})
	for more := true; more; {
		var err error
		if more, err = o.space.Collect(t.Context(), o.db); err != nil {
			t.Fatal(err)
		}
	}
	if n := o.db.Stats().Records; n != records {
		t.Errorf("%d records are left", n-records)
	}
}

// What is no sorted set gives an error.
func TestCorruptSortedSet(t *testing.T) {
	o := newOracle(t, 1)
	o.update(func(tx *Tx) error {
		for _, body := range []string{"", "1234567", "12345678", "12345678\x00\x00\x00", "12345678\x01\x00\x01\x01more"} {
			if _, err := tx.parseSortedSet([]byte(body)); !errors.Is(err, ErrCorrupt) && !errors.Is(err, counted.ErrCorrupt) {
				t.Errorf("body %q: %v", body, err)
			}
		}
		// The root of a tree without its nodes.
		z, err := tx.parseSortedSet([]byte("12345678\x01\x00\x01\x01"))
		if err != nil {
			return err
		}
		for range z.Ascend(0, 1) {
			t.Error("an entry of no node")
		}
		if err := tx.Err(); !errors.Is(err, counted.ErrCorrupt) {
			t.Errorf("a missing node: %v", err)
		}
		tx.err = nil
		return nil
	})
}
