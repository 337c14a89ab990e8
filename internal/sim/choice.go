package sim

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// Less is what is taken away from a run, so that a failure is easier to read. The
// zero value takes nothing away.
type Less struct {
	// Most are limits of choices, by their names.
	Most map[string]int
	// Only are the numbers of the faults that happen, in order; nil for all.
	Only []int
}

// String writes l as ParseLess reads it.
func (l Less) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(l.Most)) {
		parts = append(parts, fmt.Sprintf("%s=%d", name, l.Most[name]))
	}
	if l.Only != nil {
		numbers := make([]string, len(l.Only))
		for i, n := range l.Only {
			numbers[i] = strconv.Itoa(n)
		}
		parts = append(parts, onlyName+"="+strings.Join(numbers, "+"))
	}
	return strings.Join(parts, ", ")
}

// onlyName stands for Only in the text of a Less.
const onlyName = "faults"

// ParseLess reads what String has written: limits by name, and the faults that
// happen, as in "clients=1, members=3, faults=2+7".
func ParseLess(text string) (Less, error) {
	l := Less{Most: map[string]int{}}
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return l, fmt.Errorf("%q is not a name and a value", part)
		}
		if name != onlyName {
			n, err := strconv.Atoi(value)
			if err != nil {
				return l, fmt.Errorf("the value of %s: %w", name, err)
			}
			l.Most[name] = n
			continue
		}
		l.Only = []int{}
		for number := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == '+' }) {
			n, err := strconv.Atoi(number)
			if err != nil {
				return l, fmt.Errorf("a number of %s: %w", name, err)
			}
			l.Only = append(l.Only, n)
		}
		slices.Sort(l.Only)
	}
	return l, nil
}

// choice is a number that has been chosen.
type choice struct {
	name       string
	low, value int
}

// The streams of random numbers beside that of what happens. Each choice and each
// fault has a stream of its own, so that the others are the same without it.
const (
	streamRun   = 0x9e3779b97f4a7c15
	streamFault = 0xc2b2ae3d27d4eb4f
)

func (w *World) stream(number uint64) *rand.Rand { return rand.New(rand.NewPCG(w.seed, number)) }

// Draw returns the source of chance for what has that name.
func (w *World) Draw(name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return w.stream(h.Sum64())
}

// Choose draws a number from low to high by which the run is configured. Shrinking
// a run lowers it, so low has to be what is simplest.
func (w *World) Choose(name string, low, high int) int {
	return w.choose(name, low, low+w.Draw(name).IntN(high-low+1))
}

func (w *World) choose(name string, low, value int) int {
	if most, ok := w.less.Most[name]; ok {
		value = max(low, min(value, most))
	}
	w.choices = append(w.choices, choice{name, low, value})
	if w.out != nil {
		w.Logf("%s: %d", name, value)
	}
	return value
}

// Rare tells whether a rarely taken branch is to be taken now. Whether it is ever
// taken in this World and how often, the seed draws for each name; without Chaos
// it is not.
func (w *World) Rare(name string) bool {
	if !w.chaos {
		return false
	}
	every, ok := w.rare[name]
	if !ok {
		// Once in 2 to 256 times, for one name of three.
		rng, exponent := w.Draw(name), 0
		if rng.IntN(3) == 0 {
			exponent = 1 + rng.IntN(8)
		}
		if exponent = w.choose(name, 0, exponent); exponent > 0 {
			every = 1 << exponent
		}
		w.rare[name] = every
	}
	return every > 0 && w.rng.IntN(every) == 0
}
