package history

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// found lists the kinds of a result, each once, sorted.
func found(r Result) []Kind {
	var kinds []Kind
	for _, a := range r.Anomalies {
		kinds = append(kinds, a.Kind)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// wants is what an example has to be found to have at a level.
func (e *example) wants(c Consistency) []Kind {
	return slices.Sorted(slices.Values(e.want[min(int(c), len(e.want)-1)]))
}

// TestExamples checks each example at each level of consistency.
func TestExamples(t *testing.T) {
	for _, e := range examples() {
		t.Run(fmt.Sprintf("%s/%s", e.w, e.name), func(t *testing.T) {
			h := transcript(t, e.w, e.text)
			for c := StrictSerializable; c <= Serializable; c++ {
				r := mustCheck(t, h, Options{Consistency: c})
				if got, want := found(r), e.wants(c); !slices.Equal(got, want) {
					t.Errorf("consistency %d: found %q, want %q\n%s", c, got, want, r.String())
				}
				for _, a := range r.Anomalies {
					if len(a.Txns) == 0 || a.Explanation == "" {
						t.Errorf("%s without transactions or explanation", a.Kind)
					}
				}
				if t.Failed() {
					return
				}
			}
		})
	}
}

// TestPlanted hides each example in histories of a serial database, at some time
// and pace, at keys and with clients and values of its own: it has to be found
// there, under its name, and nothing else.
func TestPlanted(t *testing.T) {
	const seeds = 10
	for _, e := range examples() {
		t.Run(fmt.Sprintf("%s/%s", e.w, e.name), func(t *testing.T) {
			for seed := range uint64(seeds) {
				g := newGenerator(seed, e.w)
				h := g.history()
				plant(g.rand, h, transcript(t, e.w, e.text))
				r := mustCheck(t, h, Options{})
				if got, want := found(r), e.wants(StrictSerializable); !slices.Equal(got, want) {
					t.Fatalf("seed %d: found %q, want %q\n%s", seed, got, want, r.String())
				}
			}
		})
	}
}

// plant adds the transactions of part to h.
func plant(r *rand.Rand, h, part *History) {
	end := Time(0)
	for _, t := range h.Txns {
		end = max(end, t.Complete)
	}
	start, pace := Time(r.Int64N(int64(end)+1)), Time(1+r.IntN(5))
	const away = 1 << 32 // clear of the generator's keys, values and clients
	for _, t := range part.Txns {
		t.Client += 1 << 20
		t.Invoke, t.Complete = start+t.Invoke*pace, start+t.Complete*pace
		t.Ops = slices.Clone(t.Ops)
		for i := range t.Ops {
			op := &t.Ops[i]
			op.Key += away
			op.List, op.Pairs = slices.Clone(op.List), slices.Clone(op.Pairs)
			if op.Kind == OpRange {
				op.To += away
			}
			op.Value += away
			for j := range op.List {
				op.List[j] += away
			}
			for j := range op.Pairs {
				op.Pairs[j].Key += away
				op.Pairs[j].Value += away
			}
		}
		at := len(h.Txns)
		for at > 0 && h.Txns[at-1].Invoke > t.Invoke {
			at--
		}
		h.Txns = slices.Insert(h.Txns, at, t)
	}
}
