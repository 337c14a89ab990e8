package keyspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/godwitdb/godwit"
)

// elementsTest is a space in memory, and a source of random operations on it.
type elementsTest struct {
	*testing.T
	*rand.Rand
	db    *godwit.DB
	space *Space
	now   int64
	// records is how many there were at the beginning.
	records int64
}

func newElementsTest(t *testing.T, seed uint64) *elementsTest {
	t.Helper()
	db, err := godwit.Open("", &godwit.Options{Durability: godwit.DurabilityNone})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	space, err := Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if err := space.Reserve(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // no secret
	return &elementsTest{T: t, Rand: random, db: db, space: space, now: 1000, records: db.Stats().Records}
}

// update runs a transaction, maybe several times.
func (o *elementsTest) update(fn func(*Tx) error) {
	o.Helper()
	t := Tx{Space: o.space}
	err := o.db.Update(context.Background(), func(in *godwit.Tx) error {
		t.Begin(in, o.now)
		return errors.Join(fn(&t), t.End())
	})
	if err != nil {
		o.Fatal(err)
	}
}

// element makes a member or item, in a few cases a long one.
func (o *elementsTest) element() []byte {
	n := o.IntN(60)
	e := fmt.Appendf(nil, "%d", n)
	switch n % 6 {
	case 0:
		return bytes.Repeat(e, 1+1023/len(e)+o.IntN(2)) // about the longest that is a name, and longer
	case 1:
		return bytes.Repeat(e, 5000/len(e))
	case 2:
		if n == 2 {
			return nil
		}
	}
	return e
}

// empty fails if anything is left of keys that are gone.
func (o *elementsTest) empty() {
	o.Helper()
	for more := true; more; {
		var err error
		if more, err = o.space.Collect(o.Context(), o.db); err != nil {
			o.Fatal(err)
		}
	}
	o.update(func(t *Tx) error {
		if n, err := t.Size(t.DB); err != nil || n != (Size{}) {
			return fmt.Errorf("%+v keys are left: %w", n, err)
		}
		return nil
	})
	if n := o.db.Stats().Records; n != o.records {
		o.Errorf("%d records are left", n-o.records)
	}
}

func TestDictElements(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			o := newElementsTest(t, seed)
			want := []map[string]string{{}, {}, {}}
			for range 400 {
				i := o.IntN(len(want))
				var model map[string]string
				o.update(func(t *Tx) error {
					model = maps.Clone(want[i])
					return o.dictStep(t, model, i)
				})
				want[i] = model
			}
			o.update(func(t *Tx) error {
				for i := range want {
					k, err := t.Lookup(keyName(i))
					if err := errors.Join(err, k.Remove()); err != nil {
						return err
					}
				}
				return nil
			})
			o.empty()
		})
	}
}

func keyName(i int) []byte { return fmt.Appendf(nil, "key%d", i) }

// dictStep does a few things to a dict as to a map, saves it and compares them.
func (o *elementsTest) dictStep(t *Tx, model map[string]string, i int) error {
	d, k, err := t.Dict(keyName(i), HashType)
	if err != nil {
		return err
	}
	deletes := o.IntN(3) // some steps shrink it
	for range 1 + o.IntN(20) {
		member, value := o.element(), o.element()
		_, there := model[string(member)]
		if o.IntN(3) < deletes {
			ok, err := d.Delete(member)
			if err != nil || ok != there {
				return fmt.Errorf("delete %.20q: %v, %w", member, ok, err)
			}
			delete(model, string(member))
			continue
		}
		created, err := d.Put(member, value)
		if err != nil || created == there {
			return fmt.Errorf("put %.20q: %v, %w", member, created, err)
		}
		model[string(member)] = string(value)
	}
	if o.IntN(4) == 0 {
		k.SetExpiry(o.now + 1 + o.Int64N(1000))
	}
	before := k.Version()
	if err := d.Save(HashType); err != nil {
		return err
	}
	if k.Exists() != (len(model) > 0) || k.Exists() && k.Version() == before {
		return fmt.Errorf("saved %d members: exists %v, version %d after %d", len(model), k.Exists(), k.Version(), before)
	}
	return o.compareDict(t, i, model)
}

func (o *elementsTest) compareDict(t *Tx, i int, model map[string]string) error {
	d, _, err := t.Dict(keyName(i), HashType)
	if err != nil {
		return err
	}
	got := map[string]string{}
	for member, value := range d.All() {
		got[string(member)] = string(value)
	}
	if d.Len() != len(model) || !maps.Equal(got, model) {
		return fmt.Errorf("%s has %d members (length %d), want %d", keyName(i), len(got), d.Len(), len(model))
	}
	n := 0
	for member := range d.Members() {
		if at, err := d.At(n); err != nil || !bytes.Equal(at, member) {
			return fmt.Errorf("member %d is %.20q and %.20q: %w", n, at, member, err)
		}
		n++
	}
	absent := []byte("absent")
	if v, ok, err := d.Get(absent); ok || err != nil {
		return fmt.Errorf("an absent member has %q: %w", v, err)
	}
	return nil
}

func TestListElements(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			o := newElementsTest(t, seed)
			want := make([][][]byte, 3)
			for range 400 {
				i := o.IntN(len(want))
				var model [][]byte
				o.update(func(t *Tx) error {
					model = slices.Clone(want[i])
					l, k, err := t.List(keyName(i))
					if err != nil {
						return err
					}
					for range 1 + o.IntN(8) {
						if model, err = o.listStep(l, model); err != nil {
							return err
						}
					}
					if err := l.Save(); err != nil {
						return err
					}
					if k.Exists() != (len(model) > 0) {
						return fmt.Errorf("saved %d items: exists %v", len(model), k.Exists())
					}
					return o.compareList(t, i, model)
				})
				want[i] = model
			}
			o.update(func(t *Tx) error {
				for i := range want {
					k, err := t.Lookup(keyName(i))
					if err := errors.Join(err, k.Remove()); err != nil {
						return err
					}
				}
				return nil
			})
			o.empty()
		})
	}
}

// listStep does one thing to a list as to a slice.
func (o *elementsTest) listStep(l *List, model [][]byte) ([][]byte, error) {
	item, n := o.element(), len(model)
	op := o.IntN(9)
	if n == 0 && op > 2 {
		op = 0
	}
	switch op {
	case 0:
		return append(model, item), l.PushTail(item)
	case 1:
		return slices.Insert(model, 0, item), l.PushHead(item)
	case 2:
		i := o.IntN(n + 1)
		return slices.Insert(model, i, item), l.Insert(i, item)
	case 3:
		i := o.IntN(n)
		model[i] = item
		return model, l.Set(i, item)
	case 4:
		got, err := l.PopHead()
		if !bytes.Equal(got, model[0]) {
			err = errors.Join(err, errors.New("another item was the first"))
		}
		return model[1:], err
	case 5:
		got, err := l.PopTail()
		if !bytes.Equal(got, model[n-1]) {
			err = errors.Join(err, errors.New("another item was the last"))
		}
		return model[:n-1], err
	case 6:
		var gone []int
		var left [][]byte
		for i := range n {
			if o.IntN(6) == 0 {
				gone = append(gone, i)
			} else {
				left = append(left, model[i])
			}
		}
		return left, l.Remove(gone)
	case 7:
		for range 30 { // it grows by itself hardly ever
			if err := l.PushTail(item); err != nil {
				return nil, err
			}
			model = append(model, item)
		}
		return model, nil
	default:
		first := o.IntN(n + 1)
		end := first + o.IntN(n+1-first)
		if o.IntN(4) > 0 { // seldom as much
			first, end = min(first, 2), max(end, n-2)
		}
		return slices.Clone(model[first:end]), l.Trim(first, end)
	}
}

func (o *elementsTest) compareList(t *Tx, i int, model [][]byte) error {
	l, _, err := t.List(keyName(i))
	if err != nil {
		return err
	}
	if l.Len() != len(model) {
		return fmt.Errorf("%s has %d items, want %d", keyName(i), l.Len(), len(model))
	}
	if len(model) == 0 {
		return nil
	}
	up, down := 0, len(model)-1
	for at, item := range l.Items(0, len(model)-1) {
		if at != up || !bytes.Equal(item, model[at]) {
			return fmt.Errorf("item %d of %d is %.20q", at, up, item)
		}
		up++
	}
	for at, item := range l.Items(len(model)-1, 0) {
		if at != down || !bytes.Equal(item, model[at]) {
			return fmt.Errorf("item %d of %d downwards is %.20q", at, down, item)
		}
		down--
	}
	if up != len(model) || down != -1 {
		return fmt.Errorf("visited %d and %d of %d", up, down, len(model))
	}
	return nil
}

// One value that takes several steps of Collect, with no other behind it.
func TestGarbageOfOneLargeValueIsCollectedAtOnce(t *testing.T) {
	o := newElementsTest(t, 1)
	o.update(func(t *Tx) error {
		l, _, err := t.List(keyName(0))
		for range 3 * collectAtOnce {
			err = errors.Join(err, l.PushTail([]byte("item")))
		}
		return errors.Join(err, l.Save())
	})
	o.update(func(t *Tx) error {
		k, err := t.Lookup(keyName(0))
		return errors.Join(err, k.Remove())
	})
	o.update(func(t *Tx) error {
		if n, err := t.Garbage(10); n != 1 || err != nil {
			return fmt.Errorf("%d values are garbage, %w", n, err)
		}
		return nil
	})
	o.empty()
	o.update(func(t *Tx) error {
		if n, err := t.Garbage(10); n != 0 || err != nil {
			return fmt.Errorf("%d values are garbage, %w", n, err)
		}
		return nil
	})
}
