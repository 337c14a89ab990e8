package occ

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A write set is sorted as often as a transaction scans, with more writes each time.
func TestOwnWritesAgainstAnOracle(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	tables := []*Table{{id: 4}, {id: 2}, {id: 9}}
	tx := &Tx{}
	s := &tx.writes
	has := map[string]bool{}
	for _, w := range manyWrites(shortRunMin) {
		w.table = tables[w.key[7]%3]
		has[fmt.Sprint(w.table.id, string(w.key))] = true
		s.add(w.table, w.key, w.hash)
	}
	shorts := 0 // scans that had a short run
	rounds := 1000
	if testing.Short() {
		rounds = 40
	}
	for round := range rounds {
		for range rng.IntN(1 << rng.IntN(8)) {
			table, key := tables[rng.IntN(3)], fmt.Append(nil, rng.IntN(1e6))
			if id := fmt.Sprint(table.id, string(key)); !has[id] {
				has[id] = true
				s.add(table, key, 0)
			}
		}
		table, reverse := tables[rng.IntN(3)], rng.IntN(2) == 0
		from, to := fmt.Append(nil, rng.IntN(1e6)), fmt.Append(nil, rng.IntN(1e6))
		if rng.IntN(4) == 0 {
			from = nil
		}
		if rng.IntN(4) == 0 {
			to = nil
		}
		var want [][]byte
		for _, w := range s.entries {
			if w.table == table && bytes.Compare(w.key, from) >= 0 && (to == nil || bytes.Compare(w.key, to) < 0) {
				want = append(want, w.key)
			}
		}
		slices.SortFunc(want, bytes.Compare)
		if reverse {
			slices.Reverse(want)
		}
		var own ownWrites
		var got [][]byte
		for own.start(tx, table, from, to, reverse); own.peek() != nil; own.next() {
			got = append(got, own.peek().key)
		}
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("round %d: %d writes from %q to %q (reverse: %v), want %d", round, len(got), from, to, reverse, len(want))
		}
		if len(s.order.short) > 0 {
			shorts++
		}
		if round == rounds/2 || round > rounds/2 && rng.IntN(rounds/2) == 0 {
			s.reset()
			clear(has)
		}
	}
	if shorts == 0 {
		t.Error("there never was a short run")
	}
}

// manyWrites are writes of different keys in no order.
func manyWrites(n int) []write {
	rng := rand.New(rand.NewPCG(6, 6))
	table := &Table{id: 2}
	ws := make([]write, n)
	for i, k := range rng.Perm(n) {
		ws[i] = write{table: table, key: fmt.Appendf(nil, "%08d", k)}
	}
	return ws
}

// Sorting in what is new, if that is a tenth, is less work than sorting everything.
func TestWriteSetSortsInLittleTime(t *testing.T) {
	if testing.Short() {
		t.Skip("compares times, of one goroutine")
	}
	const have, fresh = 400_000, 45_000
	ws := manyWrites(have + fresh)
	s := writeSet{entries: ws[:have]}
	start := time.Now()
	s.sort()
	all := time.Since(start)
	s.entries = ws
	start = time.Now()
	s.sort()
	if some := time.Since(start); some > 3*all {
		t.Errorf("%d writes were sorted in %v, %d more in %v", have, all, fresh, some)
	}
}

// A transaction that scans after each of its writes does not move all of them each time.
func TestWriteSetSortedAfterEachWrite(t *testing.T) {
	ws := manyWrites(400_000)
	s := writeSet{entries: ws}
	start := time.Now()
	s.sort()
	once := time.Since(start)
	slices.SortFunc(ws, func(a, b write) int { return bytes.Compare(b.key, a.key) }) // each goes to the front
	s = writeSet{}
	start = time.Now()
	for i := range ws {
		s.entries = ws[:i+1]
		s.sort()
	}
	if each := time.Since(start); each > 10*once {
		t.Errorf("%d writes were sorted in %v at once, in %v one by one", len(ws), once, each)
	}
}
