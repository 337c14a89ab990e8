package wal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/godwitdb/godwit/internal/env/faultfs"
)

// tapeState is a log as a group sees it.
type tapeState struct {
	base   Base
	rounds []Round
}

func (s *tapeState) last() RoundNumber { return s.base.Number + RoundNumber(len(s.rounds)) }

// with returns the state after one more round.
func (s *tapeState) with(r Round) tapeState {
	kept := s.rounds[:r.Number-s.base.Number-1]
	return tapeState{s.base, append(slices.Clone(kept), r)}
}

// behind returns what the log goes on behind if it begins behind round n.
func (s *tapeState) behind(n RoundNumber) Base {
	if n == s.base.Number {
		return s.base
	}
	r := &s.rounds[n-s.base.Number-1]
	return Base{r.Number, r.Epoch, r.Watermark, r.Last}
}

// tapeNode works on a tape as a seed says, with a model of what a crash may leave.
type tapeNode struct {
	t    *testing.T
	what string
	rng  *rand.Rand
	m    *roundMaker
	fs   *faultfs.FS
	tape *Tape

	// states are what may be found: what is durable, then what it has become since.
	states    []tapeState
	discarded RoundNumber // rounds below need not be there
	epoch     Epoch
	crashed   func(*faultfs.FS)
}

func (n *tapeNode) now() *tapeState { return &n.states[len(n.states)-1] }

// settled says that the newest state is durable.
func (n *tapeNode) settled() { n.states = n.states[len(n.states)-1:] }

// open opens the tape and compares it with the model.
func (n *tapeNode) open(seed uint64) {
	n.t.Helper()
	n.rng, n.m = rand.New(rand.NewPCG(seed, 5)), newMaker(seed)
	n.m.clock = 1 << 40
	n.fs.SetHook(func(op faultfs.Op) error {
		if op.Kind.Changes() && n.crashed != nil {
			what := n.what
			n.what = fmt.Sprintf("%s, before %v", what, op)
			n.crashed(n.fs)
			n.what = what
		}
		return nil
	})
	o := tapeOptions(n.fs)
	o.Rand = newSeeded(seed)
	o.SegmentBytes = int64(8+n.rng.IntN(8)) * blockBytes
	o.SparesMax = n.rng.IntN(4) - 1
	tape, found, err := OpenTape(o)
	if err != nil {
		n.t.Fatalf("%s: %v", n.what, err)
	}
	n.tape = tape
	got, err := readTape(tape, 1<<30)
	if err != nil {
		n.t.Fatalf("%s: %v", n.what, err)
	}
	for i := range n.states {
		if s := &n.states[i]; n.matches(s, found, got) {
			n.states = []tapeState{{found.Base, got}}
			n.discarded = min(n.discarded, n.now().last()+1) // if it was reset
			n.epoch++
			return
		}
	}
	n.t.Fatalf("%s: found behind %+v\n     %v\nit may be\n%s", n.what, found.Base, briefly(got), n.expected())
}

func (n *tapeNode) expected() (s string) {
	for _, x := range n.states {
		s += fmt.Sprintf("behind %+v\n     %v\n", x.base, briefly(x.rounds))
	}
	return s
}

// matches tells whether what was found is that state, but for rounds that were discarded.
func (n *tapeNode) matches(s *tapeState, found *TapeContents, got []Round) bool {
	b := found.Base.Number
	if b < s.base.Number || b > s.last() || b > s.base.Number && b >= n.discarded || found.Base != s.behind(b) || len(found.Rounds) != len(got) {
		return false
	}
	return slices.EqualFunc(got, s.rounds[b-s.base.Number:], func(a, b Round) bool { return sameRound(&a, &b) })
}

// step does something that a group does with its tape.
func (n *tapeNode) step() error {
	switch n.rng.IntN(12) {
	case 0:
		return n.tape.Witness()
	case 1:
		n.discarded = max(n.discarded, n.states[0].base.Number) + RoundNumber(n.rng.IntN(8))
		for i := range n.states { // what is discarded is durable
			n.discarded = min(n.discarded, n.states[i].last()+1)
		}
		return n.tape.Discard(n.discarded)
	case 2:
		if n.rng.IntN(3) > 0 {
			return nil
		}
		base := Base{RoundNumber(n.rng.IntN(100)), n.epoch, 5, 6}
		n.states = append(n.states, tapeState{base: base})
		if err := n.tape.Reset(base); err != nil {
			return err
		}
		n.settled()
		n.discarded = 0
	case 3, 4, 5:
		if err := n.tape.Sync(); err != nil {
			return err
		}
		n.settled()
	default:
		return n.append()
	}
	return nil
}

// append appends a few rounds, now and then in place of others.
func (n *tapeNode) append() error {
	low := max(n.now().base.Number+1, n.discarded)
	next := n.now().last() + 1
	if n.rng.IntN(4) == 0 {
		n.epoch++
		next = max(low, next-min(next, RoundNumber(n.rng.IntN(12))))
		// What is replaced may go before what replaces it is there.
		s := n.now()
		n.states = append(n.states, tapeState{s.base, s.rounds[:next-1-s.base.Number]})
	}
	var rounds []Round
	for range n.rng.IntN(3) + 1 {
		rounds = append(rounds, n.m.make(next, n.epoch, 0))
		n.states = append(n.states, n.now().with(rounds[len(rounds)-1]))
		next++
	}
	if n.rng.IntN(4) > 0 {
		return n.tape.Append(rounds)
	}
	if err := n.tape.AppendDurably(rounds); err != nil {
		return err
	}
	n.settled()
	return nil
}

// fork returns the node as it is on another disk.
func (n *tapeNode) fork(f *faultfs.FS, how string) *tapeNode {
	return &tapeNode{t: n.t, what: n.what + how, fs: f, states: slices.Clone(n.states), discarded: n.discarded, epoch: n.epoch}
}

// A tape is crashed before every operation that changes the disk, in its opening too. What
// was synced is there, what was replaced does not come back, a reset is done or not
// begun.
func TestTapeCrashAtEveryWrite(t *testing.T) {
	crashes, undone := 0, 0
	for seed := *crashFirst; seed < *crashFirst+max(1, *crashSeeds/10); seed++ {
		crashRng := rand.New(rand.NewPCG(seed, 6))
		var run func(n *tapeNode, depth, steps int)
		run = func(n *tapeNode, depth, steps int) {
			n.crashed = func(f *faultfs.FS) {
				if depth > 1 && crashRng.IntN(6) > 0 {
					return
				}
				crashes++
				left, how := f.Crash(crashRng), ", power loss"
				if crashRng.IntN(4) == 0 {
					left, how = f.Clone(), ", kill"
				}
				next := n.fork(left, how)
				if depth < 3 && crashRng.IntN(12) == 0 {
					run(next, depth+1, crashRng.IntN(20))
					return
				}
				next.open(crashRng.Uint64())
				if next.now().last() < n.now().last() {
					undone++
				}
			}
			n.open(crashRng.Uint64())
			for range steps {
				if err := n.step(); err != nil {
					t.Fatalf("%s: %v", n.what, err)
				}
			}
			if n.rng.IntN(2) == 0 {
				if err := n.tape.Close(); err != nil {
					t.Fatalf("%s: close: %v", n.what, err)
				}
				n.settled()
			}
			n.fs.SetHook(nil)
			n.fork(n.fs.Crash(crashRng), ", at last").open(crashRng.Uint64())
		}
		run(&tapeNode{t: t, what: fmt.Sprintf("seed %d", seed), fs: newFS(t), states: []tapeState{{}}}, 1, 60)
	}
	t.Logf("%d crashes, %d of them undid something", crashes, undone)
	if crashes < 500 || undone < 50 {
		t.Error("the test does not reach what it is for")
	}
}
