package sim

import (
	"context"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Scenario is a program for a World. It adds nodes, lets time pass with Run, and
// returns what is wrong with what happened.
type Scenario struct {
	Name string
	Doc  string // one line for users
	Run  func(w *World) error
}

// Result is what became of one seed.
type Result struct {
	Seed   uint64
	Digest uint64
	Events uint64
	Time   time.Duration // in the World
	Err    error
}

// Replay runs one seed. transcript, if not nil, is written what happens.
func Replay(s Scenario, seed uint64, transcript io.Writer) Result {
	return ReplayLess(s, seed, Less{}, transcript)
}

// gcPercent makes up for how little a World holds: a few megabytes, on thousands of
// stacks that each collection looks at.
const gcPercent = 800

// RareCollections lets the garbage collector of this process run as rarely as worlds
// want it, which makes them faster by a half. restore undoes that.
func RareCollections() (restore func()) {
	before := debug.SetGCPercent(gcPercent)
	return func() { debug.SetGCPercent(before) }
}

// Sweep runs seeds from first up, on as many goroutines as workers says, until
// ctx ends or count seeds have run; a count of 0 is no limit. Each result is
// handed to report, one at a time, in any order.
func Sweep(ctx context.Context, s Scenario, first, count uint64, workers int, report func(Result)) {
	defer RareCollections()()
	var next atomic.Uint64
	var mu sync.Mutex
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for ctx.Err() == nil {
				i := next.Add(1) - 1
				if count > 0 && i >= count {
					return
				}
				r := Replay(s, first+i, nil)
				mu.Lock()
				report(r)
				mu.Unlock()
			}
		})
	}
	working.Wait()
}
