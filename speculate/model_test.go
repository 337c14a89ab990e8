package speculate

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// oracle is what the package does, said naively.
type oracle struct {
	frontier map[int]Point
	final    map[int]Point
	failed   map[int]error
	items    []*item
}

// item is one who waits and can be undone.
type item struct {
	needs  map[int]Point
	set    Set[int]
	undoes bool
	want   []string // what happens to it
	got    []string
}

func (o *oracle) state(needs map[int]Point) State {
	all := Certain
	for key, at := range needs {
		switch final, ended := o.final[key]; {
		case ended && at > final:
			return Doomed
		case at > o.frontier[key]:
			all = Undecided
		}
	}
	return all
}

// failure is an error of those that somebody who begins to wait meets.
func (o *oracle) failure(needs map[int]Point) (errs []error) {
	for key, at := range needs {
		if at > o.frontier[key] && o.failed[key] != nil {
			errs = append(errs, o.failed[key])
		}
	}
	return errs
}

func (i *item) told() bool {
	return slices.ContainsFunc(i.want, func(s string) bool { return s != "undone" })
}

// decide notes what happens to all items; failed is the course that has just failed.
func (o *oracle) decide(failed int) {
	for _, i := range o.items {
		state := o.state(i.needs)
		if state == Doomed && i.undoes && !slices.Contains(i.want, "undone") {
			i.want = append(i.want, "undone")
		}
		if i.told() {
			continue
		}
		switch {
		case state == Certain:
			i.want = append(i.want, "<nil>")
		case state == Doomed:
			i.want = append(i.want, ErrDoomed.Error())
		case i.needs[failed] > o.frontier[failed]:
			i.want = append(i.want, o.failed[failed].Error())
		}
	}
}

func TestModel(t *testing.T) {
	for seed := range uint64(500) {
		if err := runModel(seed); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func runModel(seed uint64) error {
	const courses, steps, pointMax = 4, 60, 12
	r := rand.New(rand.NewPCG(seed, 1))
	o := oracle{map[int]Point{}, map[int]Point{}, map[int]error{}, nil}
	var v Vector[int]
	var undone []int // items
	for range steps {
		key, to := r.IntN(courses), Point(r.IntN(pointMax))
		failed := -1
		undone = undone[:0]
		before := len(o.items)
		switch x := r.IntN(20); {
		case x < 10:
			if err := addItem(r, &o, &v, func() (int, Point) { return r.IntN(courses), Point(r.IntN(pointMax)) }, &undone); err != nil {
				return err
			}
		case x < 16:
			v.Course(key).Advance(to)
			if _, ended := o.final[key]; !ended {
				o.frontier[key] = max(o.frontier[key], to)
			}
		case x < 18:
			final, ended := o.final[key]
			valid := to >= o.frontier[key] && (!ended || to == final)
			if err := v.Course(key).End(to); (err == nil) != valid || err != nil && !errors.Is(err, ErrFinal) {
				return fmt.Errorf("End(%d) of %d: %w", to, key, err)
			}
			if valid {
				o.frontier[key], o.final[key] = to, to
			}
		case x < 19:
			failed = key
			if o.failed[key] == nil {
				o.failed[key] = fmt.Errorf("failure of %d", key) // the first one stands
			}
			v.Course(key).Fail(o.failed[key])
		}
		o.decide(failed)
		if err := o.compare(&v); err != nil {
			return err
		}
		// Newest first: whoever inherits comes later and is undone earlier.
		if !slices.IsSortedFunc(undone, func(a, b int) int {
			ia, ib := o.items[a].needs[key], o.items[b].needs[key]
			if ia != ib {
				return int(ib) - int(ia)
			}
			return b - a
		}) || len(undone) > 0 && before != len(o.items) {
			return fmt.Errorf("undone in the order %v", undone)
		}
	}
	return nil
}

// addItem makes something that rests on a few points, and on what some items rest on.
func addItem(r *rand.Rand, o *oracle, v *Vector[int], point func() (int, Point), undone *[]int) error {
	i := &item{needs: map[int]Point{}}
	n := len(o.items)
	for range r.IntN(3) {
		key, at := point()
		i.set.Add(key, at)
		i.needs[key] = max(i.needs[key], at)
	}
	for range min(n, r.IntN(3)) {
		other := o.items[r.IntN(n)]
		i.set.Merge(&other.set)
		for key, at := range other.needs {
			i.needs[key] = max(i.needs[key], at)
		}
	}
	maps.DeleteFunc(i.needs, func(_ int, at Point) bool { return at == 0 })
	o.items = append(o.items, i)
	state := o.state(i.needs)
	err := v.Undo(&i.set, func() {
		*undone = append(*undone, n)
		i.got = append(i.got, "undone")
	})
	if (state == Doomed) != errors.Is(err, ErrDoomed) {
		return fmt.Errorf("Undo of what is %v: %w", state, err)
	}
	i.undoes = err == nil
	for _, err := range o.failure(i.needs) {
		if state != Doomed && i.want == nil {
			i.want = []string{err.Error()}
		}
	}
	v.Notify(&i.set, func(err error) {
		// Any failure will do, if there are several.
		if slices.Contains(o.failure(i.needs), err) && len(i.got) == 0 && state != Doomed {
			i.want = []string{err.Error()}
		}
		i.got = append(i.got, fmt.Sprint(err))
	})
	return nil
}

// compare compares what the package did with what the oracle says.
func (o *oracle) compare(v *Vector[int]) error {
	for n, i := range o.items {
		if !slices.Equal(i.got, i.want) {
			return fmt.Errorf("item %d, which needs %v: got %q, want %q", n, i.needs, i.got, i.want)
		}
		if got, want := v.State(&i.set), o.state(i.needs); got != want {
			return fmt.Errorf("item %d is %v, want %v", n, got, want)
		}
		var pruned Set[int]
		pruned.CopyFrom(&i.set)
		v.Prune(&pruned)
		left := maps.Clone(i.needs)
		maps.DeleteFunc(left, func(key int, at Point) bool { return at <= o.frontier[key] })
		if !maps.Equal(maps.Collect(pruned.All()), left) {
			return fmt.Errorf("item %d pruned: %v, want %v", n, maps.Collect(pruned.All()), left)
		}
	}
	return nil
}

func TestSet(t *testing.T) {
	var a, b Set[string]
	a.Add("x", 3)
	a.Add("x", 2)
	a.Add("none", 0)
	b.Add("y", 1)
	b.Add("x", 4)
	c := Set[string]{}
	c.CopyFrom(&a)
	c.Merge(&b)
	if a.At("x") != 3 || a.Len() != 1 || c.At("x") != 4 || c.At("y") != 1 || c.At("z") != 0 || c.Len() != 2 {
		t.Errorf("a %v, c %v", a, c)
	}
	for key := range c.All() {
		if key != "x" {
			t.Errorf("%s comes first", key)
		}
		break
	}
	c.Clear()
	if c.Len() != 0 || a.At("x") != 3 {
		t.Errorf("a %v, c %v", a, c)
	}
}
