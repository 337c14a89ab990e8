package occ

import (
	"bytes"
	"slices"
)

// ownOrder is the order of a write set's entries by (table, key), for scans. It is two
// sorted runs, a long one and a short one for what is new: sorting a few entries in
// moves those of the short run only. That is merged into the long one when it has
// more entries than the square root of the long one's, so that a transaction which
// scans after each of its n writes moves O(√n) entries each time.
type ownOrder struct {
	long, short []int32 // places in entries, which have all up to their number
	fresh       []int32 // of sort
	sorts       int     // how often the runs have changed
}

// shortRunMin is how many entries the long run has at least before there is a short
// one: those of a small transaction are moved faster than two runs are searched.
const shortRunMin = 1 << 14

func (o *ownOrder) reset() {
	o.long, o.short, o.fresh = keepSmall(o.long), keepSmall(o.short), keepSmall(o.fresh)
}

func (s *writeSet) compare(a, b int32) int {
	x, y := &s.entries[a], &s.entries[b]
	if x.table != y.table {
		return int(int64(x.table.id) - int64(y.table.id))
	}
	return bytes.Compare(x.key, y.key)
}

// sort brings the order up to date with all entries.
func (s *writeSet) sort() {
	o := &s.order
	have := len(o.long) + len(o.short)
	if have == len(s.entries) {
		return
	}
	o.sorts++
	o.fresh = o.fresh[:0]
	for i := have; i < len(s.entries); i++ {
		o.fresh = append(o.fresh, int32(i))
	}
	slices.SortFunc(o.fresh, s.compare)
	if len(o.long) < shortRunMin {
		o.long = s.merge(o.long, o.fresh)
		return
	}
	o.short = s.merge(o.short, o.fresh)
	if len(o.short)*len(o.short) > len(o.long) {
		o.long = s.merge(o.long, o.short)
		o.short = o.short[:0]
	}
}

// merge sorts the entries of fresh, which are sorted, into run, from its end, so that
// each entry that was there moves once.
func (s *writeSet) merge(run, fresh []int32) []int32 {
	end := len(run) // of those that have not moved
	run = append(run, fresh...)
	for i := len(fresh) - 1; i >= 0; i-- {
		at, _ := slices.BinarySearchFunc(run[:end], fresh[i], s.compare)
		copy(run[at+i+1:], run[at:end])
		run[at+i] = fresh[i]
		end = at
	}
	return run
}

// seek returns the place in a run of the first entry of t at or above key; a nil key
// means the first entry of t.
func (s *writeSet) seek(run []int32, t *Table, key []byte) int {
	at, _ := slices.BinarySearchFunc(run, key, func(i int32, key []byte) int {
		w := &s.entries[i]
		if w.table != t {
			return int(int64(w.table.id) - int64(t.id))
		}
		return bytes.Compare(w.key, key)
	})
	return at
}

// seekEnd returns the place in a run behind the last entry of t.
func (s *writeSet) seekEnd(run []int32, t *Table) int {
	at, _ := slices.BinarySearchFunc(run, t.id, func(i int32, id TableID) int {
		if s.entries[i].table.id <= id {
			return -1
		}
		return 1
	})
	return at
}

// ownWrites walks the transaction's own writes in a range, in order.
type ownWrites struct {
	set      *writeSet
	table    *Table
	from, to []byte
	step     int
	count    int // writes when the scan began
	sorts    int // the order's, when long and short were right
	// long and short are the places in the runs of what comes next there.
	long, short int
	current     int // place in set.entries, -1 at the end
}

func (o *ownWrites) start(tx *Tx, t *Table, from, to []byte, reverse bool) {
	set := &tx.writes
	*o = ownWrites{set: set, table: t, from: from, to: to, step: 1, count: len(set.entries), current: -1}
	if o.count == 0 {
		return
	}
	set.sort()
	o.sorts = set.order.sorts
	if reverse {
		o.step = -1
	}
	o.long = o.first(set.order.long)
	if len(set.order.short) > 0 {
		o.short = o.first(set.order.short)
	}
	o.load()
}

// first returns the place in a run where the range begins, in the walk's direction.
func (o *ownWrites) first(run []int32) int {
	switch {
	case o.step > 0:
		return o.set.seek(run, o.table, o.from)
	case o.to == nil:
		return o.set.seekEnd(run, o.table) - 1
	default:
		return o.set.seek(run, o.table, o.to) - 1
	}
}

// load makes current what comes first of the two runs.
func (o *ownWrites) load() {
	o.current = -1
	i := int32(-1)
	if long := o.set.order.long; o.long >= 0 && o.long < len(long) {
		i = long[o.long]
	}
	if short := o.set.order.short; o.short >= 0 && o.short < len(short) {
		if j := short[o.short]; i < 0 || o.step*o.set.compare(j, i) < 0 {
			i = j
		}
	}
	if i < 0 {
		return
	}
	w := &o.set.entries[i]
	if w.table != o.table || o.step < 0 && bytes.Compare(w.key, o.from) < 0 ||
		o.step > 0 && o.to != nil && bytes.Compare(w.key, o.to) >= 0 {
		return
	}
	o.current = int(i)
}

// peek returns the next own write, nil at the end.
func (o *ownWrites) peek() *write {
	if o.current < 0 {
		return nil
	}
	return &o.set.entries[o.current]
}

func (o *ownWrites) next() {
	if o.sorts != o.set.order.sorts { // a nested scan has sorted later writes in
		o.resume()
	} else if long := o.set.order.long; o.long >= 0 && o.long < len(long) && int(long[o.long]) == o.current {
		o.long += o.step
	} else {
		o.short += o.step
	}
	o.load()
}

// resume finds the places in both runs again, behind current.
func (o *ownWrites) resume() {
	o.sorts = o.set.order.sorts
	key := o.set.entries[o.current].key
	behind := func(run []int32) int {
		at := o.set.seek(run, o.table, key)
		if o.step < 0 {
			return at - 1
		}
		if at < len(run) && int(run[at]) == o.current {
			at++
		}
		return at
	}
	o.long, o.short = behind(o.set.order.long), behind(o.set.order.short)
}
