package quorum

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

type counter struct{ fired int }

func (c *counter) expire() { c.fired++ }

// The heap against a sorted slice.
func TestTimersFireInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	type entry struct {
		at  time.Duration
		seq int
		id  int
	}
	var h timerHeap
	timers := make([]timer, 200)
	targets := make([]counter, len(timers))
	var model []entry
	remove := func(id int) {
		model = slices.DeleteFunc(model, func(e entry) bool { return e.id == id })
	}
	now := time.Duration(0)
	for seq := range 20000 {
		id := rng.IntN(len(timers))
		switch rng.IntN(4) {
		case 0, 1:
			at := now + time.Duration(rng.IntN(50))
			h.set(&timers[id], &targets[id], at)
			remove(id)
			i, _ := slices.BinarySearchFunc(model, entry{at, seq, id}, func(a, b entry) int {
				if a.at != b.at {
					return int(a.at - b.at)
				}
				return a.seq - b.seq
			})
			model = slices.Insert(model, i, entry{at, seq, id})
		case 2:
			h.cancel(&timers[id])
			remove(id)
		case 3:
			now += time.Duration(rng.IntN(3))
			for e := h.pop(now); e != nil; e = h.pop(now) {
				if len(model) == 0 || model[0].at > now || e != expirer(&targets[model[0].id]) {
					t.Fatal("the wrong timer")
				}
				model = model[1:]
			}
			if len(model) > 0 && model[0].at <= now {
				t.Fatal("a timer did not fire")
			}
		}
		if len(model) != len(h.entries) {
			t.Fatalf("%d timers, want %d", len(h.entries), len(model))
		}
	}
}
