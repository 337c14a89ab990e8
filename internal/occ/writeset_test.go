package occ

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A write set is sorted as often as a transaction scans, with more writes each time.
func TestWriteSetStaysSorted(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	tables := []*Table{{id: 4}, {id: 2}, {id: 9}}
	var s writeSet
	for round := range 200 {
		for range rng.IntN(1 << rng.IntN(8)) {
			s.entries = append(s.entries, write{table: tables[rng.IntN(3)], key: fmt.Append(nil, rng.IntN(1000))})
		}
		s.sort()
		if !slices.IsSortedFunc(s.sorted, s.compare) {
			t.Fatalf("round %d: not sorted", round)
		}
		all := slices.Clone(s.sorted)
		slices.Sort(all)
		for i := range s.entries {
			if len(all) != len(s.entries) || all[i] != int32(i) {
				t.Fatalf("round %d: %d of %d entries", round, len(all), len(s.entries))
			}
		}
		if rng.IntN(20) == 0 {
			s.reset()
		}
	}
}

// Sorting in what is new, if that is a tenth, is less work than sorting everything.
func TestWriteSetSortsInLittleTime(t *testing.T) {
	if testing.Short() {
		t.Skip("compares times, of one goroutine")
	}
	const have, fresh = 400_000, 45_000
	rng := rand.New(rand.NewPCG(6, 6))
	table := &Table{id: 2}
	var s writeSet
	grow := func(n int) {
		for range n {
			s.entries = append(s.entries, write{table: table, key: fmt.Appendf(nil, "%08d", rng.IntN(1e8))})
		}
	}
	grow(have)
	start := time.Now()
	s.sort()
	all := time.Since(start)
	grow(fresh)
	start = time.Now()
	s.sort()
	if some := time.Since(start); some > 3*all {
		t.Errorf("%d writes were sorted in %v, %d more in %v", have, all, fresh, some)
	}
}
