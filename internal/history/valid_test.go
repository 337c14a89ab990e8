package history

import (
	"fmt"
	"testing"
)

const validSeeds = 200

// TestNoFalseAlarms checks histories of a serial database.
func TestNoFalseAlarms(t *testing.T) {
	for _, w := range []Workload{Lists, Registers, Sets} {
		t.Run(w.String(), func(t *testing.T) {
			committed, unresolved, linear := 0, 0, 0
			for seed := range uint64(validSeeds) {
				g := newGenerator(seed, w)
				h := g.history()
				for c := StrictSerializable; c <= Serializable; c++ {
					for _, keys := range []bool{false, true} {
						r := mustCheck(t, h, Options{Consistency: c, LinearizableKeys: keys})
						if !r.OK() {
							t.Fatalf("seed %d, consistency %d: %s", seed, c, r.String())
						}
						if c == StrictSerializable {
							committed += r.Committed
							unresolved += r.Unresolved
						}
					}
				}
				// Where most times are equal too many orders are possible.
				if w == Lists || g.durMax < 10 {
					continue
				}
				linear++
				r, err := CheckLinearizable(h, LinearOptions{})
				if err != nil || !r.OK() {
					t.Fatalf("seed %d: %v %s", seed, err, r.String())
				}
			}
			t.Logf("%d committed transactions, %d reads unresolved, %d histories linear", committed, unresolved, linear)
		})
	}
}

func mustCheck(t testing.TB, h *History, opt Options) Result {
	t.Helper()
	r, err := Check(h, opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func kinds(r Result) string {
	var text []string
	for i, a := range r.Anomalies {
		if i == 0 || a.Kind != r.Anomalies[i-1].Kind {
			text = append(text, string(a.Kind))
		}
	}
	return fmt.Sprint(text)
}
