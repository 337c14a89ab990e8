package fifo

import (
	"math/rand/v2"
	"testing"
)

func TestAgainstASlice(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var q Queue[int]
		var model []int
		next := 0
		for range 200 {
			for n := rng.IntN(3000); n > 0; n-- {
				q.Push(next)
				model = append(model, next)
				next++
			}
			for n := rng.IntN(3200); n > 0 && len(model) > 0; n-- {
				if *q.Front() != model[0] {
					t.Fatalf("seed %d: front %d, want %d", seed, *q.Front(), model[0])
				}
				if got := q.Pop(); got != model[0] {
					t.Fatalf("seed %d: pop %d, want %d", seed, got, model[0])
				}
				model = model[1:]
			}
			if q.Len() != len(model) {
				t.Fatalf("seed %d: length %d, want %d", seed, q.Len(), len(model))
			}
		}
	}
}

func TestSteadyUseDoesNotAllocate(t *testing.T) {
	var q Queue[int]
	for i := range 5 * chunkLen {
		q.Push(i)
	}
	if n := testing.AllocsPerRun(10*chunkLen, func() { q.Push(q.Pop()) }); n > 0 {
		t.Errorf("%v allocations per entry", n)
	}
	for q.Len() > 0 {
		q.Pop()
	}
	if len(q.chunks) > 1 {
		t.Errorf("an empty queue keeps %d chunks", len(q.chunks))
	}
}
