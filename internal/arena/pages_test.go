package arena

import (
	"math/rand/v2"
	"testing"
)

// TestPagesModel takes and puts runs at random and compares with a plain array.
func TestPagesModel(t *testing.T) {
	const total = 40 * chunkPages
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		p := newPages(total)
		used := make([]bool, total)
		used[0] = true
		var runs []extent
		count := 0
		for range 3000 {
			if rng.IntN(2) == 0 || len(runs) == 0 {
				n, align := 1+rng.IntN(8), 1<<rng.IntN(3)
				if rng.IntN(20) == 0 {
					n = 1 + rng.IntN(3*chunkPages)
				}
				first, ok := p.take(n, align)
				if fits := firstFit(used, n, align); ok != (fits >= 0) || ok && first != fits {
					t.Fatalf("seed %d: %d pages at a multiple of %d: got %d, %v, the lowest place is %d", seed, n, align, first, ok, fits)
				}
				if ok {
					runs = append(runs, extent{first, n})
					set(used, first, n, true)
					count += n
				}
			} else {
				i := rng.IntN(len(runs))
				r := runs[i]
				runs[i] = runs[len(runs)-1]
				runs = runs[:len(runs)-1]
				p.put(r.first, r.count)
				set(used, r.first, r.count, false)
				count -= r.count
			}
			if p.used != count {
				t.Fatalf("seed %d: %d pages are used, want %d", seed, p.used, count)
			}
		}
		checkFree(t, p, used)
	}
}

func set(used []bool, first, n int, v bool) {
	for i := first; i < first+n; i++ {
		used[i] = v
	}
}

// firstFit returns the lowest place for a run, -1 if there is none.
func firstFit(used []bool, n, align int) int {
	free := 0
	for i := range used {
		if used[i] {
			free = 0
			continue
		}
		free++
		// The run may begin at any aligned page of the free ones.
		first := (i + 1 - free + align - 1) / align * align
		if first+n == i+1 {
			return first
		}
	}
	return -1
}

// checkFree compares the free runs with the model: in order, joined, complete.
func checkFree(t *testing.T, p *pages, used []bool) {
	t.Helper()
	free := make([]bool, len(used))
	for i, e := range p.free {
		if e.count <= 0 || i > 0 && p.free[i-1].end() >= e.first {
			t.Fatalf("free runs %v and %v", p.free[max(0, i-1)], e)
		}
		set(free, e.first, e.count, true)
	}
	for i := range used {
		if used[i] == free[i] {
			t.Fatalf("page %d is used: %v, free: %v", i, used[i], free[i])
		}
	}
}

func TestUnback(t *testing.T) {
	const chunks = 10
	p := newPages(chunks * chunkPages)
	first, ok := p.take(chunks*chunkPages-1, 1)
	if !ok || first != 1 {
		t.Fatal(first, ok)
	}
	for i := range p.backed {
		p.back(i)
	}
	// Chunks 3 and 4 get free, but for the last page of 4; chunk 7 and its
	// neighbours' halves; chunk 9.
	p.put(3*chunkPages, 2*chunkPages-1)
	p.put(6*chunkPages+chunkPages/2, 2*chunkPages)
	p.put(9*chunkPages, chunkPages)
	var given []int
	give := func(c int) { given = append(given, c) }
	p.unback(0, give)
	if len(given) != 0 {
		t.Errorf("nothing is wanted, chunks %v are given", given)
	}
	p.unback(1, give)
	p.unback(chunks*chunkBytes, give)
	if len(given) != 3 || given[0] != 9 || given[1] != 7 || given[2] != 3 {
		t.Errorf("given back: chunks %v, want 9, 7 and 3", given)
	}
	if p.backedBytes() != (chunks-3)*chunkBytes {
		t.Errorf("%d bytes are backed", p.backedBytes())
	}
}
