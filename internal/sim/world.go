package sim

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

// World is a cluster in simulation. It is used by one goroutine.
type World struct {
	seed  uint64
	rng   *rand.Rand
	now   time.Duration
	queue []event // a heap
	seq   uint64
	nodes []*Node
	links map[[2]env.NodeID]*Link
	link  Link // of links that nothing is said about
	// What configures the run, and what Shrink has taken away from it.
	less    Less
	choices []choice
	faults  int            // that there were
	chaos   bool           // there are more
	rare    map[string]int // every how many times branches are taken
	out     io.Writer      // of the transcript; nil for none
	// Prey, if set, returns the node that matters most now: faults aim at it.
	Prey func() *Node
	// Show, if set, says what bytes in a message are, for transcripts, or nothing.
	Show func([]byte) string
	// idleJobs are coroutines that have no job now.
	idleJobs []*jobCoroutine
	failed   error
	digest   uint64
	events   uint64
}

// event is something that happens at a time. Events at the same time happen in
// the order of a number that the seed draws when they are made.
type event struct {
	at   time.Duration
	tie  uint32
	seq  uint64
	fire func()
}

func (e *event) before(o *event) bool {
	if e.at != o.at {
		return e.at < o.at
	}
	if e.tie != o.tie {
		return e.tie < o.tie
	}
	return e.seq < o.seq
}

// New returns an empty World. transcript, if not nil, is written what happens.
func New(seed uint64, transcript io.Writer) *World {
	w := &World{seed: seed, rng: rand.New(rand.NewPCG(seed, streamRun)), out: transcript,
		links: map[[2]env.NodeID]*Link{}, rare: map[string]int{}, digest: 14695981039346656037}
	w.link = quietLink()
	return w
}

// Seed returns what the World was made of.
func (w *World) Seed() uint64 { return w.seed }

// Rand returns the source of all chance in the World.
func (w *World) Rand() *rand.Rand { return w.rng }

// Now returns the time since the World began.
func (w *World) Now() time.Duration { return w.now }

// Events returns how many events there were.
func (w *World) Events() uint64 { return w.events }

// Digest returns a hash over all events.
func (w *World) Digest() uint64 { return w.digest }

// Failed returns what Fail was told first.
func (w *World) Failed() error { return w.failed }

// Fail ends the run with a verdict.
func (w *World) Fail(format string, args ...any) {
	if w.failed == nil {
		w.failed = fmt.Errorf(format, args...)
		w.Logf("FAILED: %v", w.failed)
	}
}

// note adds to the digest.
func (w *World) note(values ...uint64) {
	h := w.digest
	for _, v := range values {
		h = (h ^ v) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	w.digest = h
}

// The kinds of notes.
const (
	noteRun uint64 = iota + 1
	noteWrite
	noteReceive
	noteDisk
	noteCrash
	noteStart
	noteReplace
)

// After makes f happen in d, when the World's own time has come: whether nodes
// run or not.
func (w *World) After(d time.Duration, f func()) {
	w.seq++
	w.push(event{w.now + max(d, 0), w.rng.Uint32(), w.seq, f})
}

// inOrder is After without chance in the order.
func (w *World) inOrder(at time.Duration, f func()) {
	w.seq++
	w.push(event{at, 1 << 31, w.seq, f})
}

func (w *World) push(e event) {
	w.queue = append(w.queue, e)
	i := len(w.queue) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&w.queue[parent]) {
			break
		}
		w.queue[i] = w.queue[parent]
		i = parent
	}
	w.queue[i] = e
}

func (w *World) pop() event {
	top := w.queue[0]
	last := len(w.queue) - 1
	e := w.queue[last]
	w.queue[last] = event{}
	w.queue = w.queue[:last]
	if last == 0 {
		return top
	}
	i := 0
	for {
		first := 4*i + 1
		if first >= last {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, last); c++ {
			if w.queue[c].before(&w.queue[least]) {
				least = c
			}
		}
		if !w.queue[least].before(&e) {
			break
		}
		w.queue[i] = w.queue[least]
		i = least
	}
	w.queue[i] = e
	return top
}

// errPanic is matched by the verdict on a run that has panicked.
var errPanic = errors.New("panic")

// Run lets d pass and returns the verdict so far. A panic of a node's code is
// one.
func (w *World) Run(d time.Duration) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.failed = cmp.Or(w.failed, fmt.Errorf("%w: %v", errPanic, p))
			err = w.failed
			w.Logf("FAILED: %v\n%s", err, debug.Stack())
		}
	}()
	until := w.now + d
	for w.failed == nil && len(w.queue) > 0 && w.queue[0].at <= until {
		e := w.pop()
		w.now = e.at
		w.events++
		e.fire()
	}
	if w.failed == nil {
		w.now = until
	}
	return w.failed
}

// RunUntil lets time pass until a condition holds, at most d. It tells whether
// the condition holds.
func (w *World) RunUntil(d time.Duration, done func() bool) bool {
	for end := w.now + d; !done(); {
		if w.failed != nil || w.now >= end {
			return false
		}
		if w.Run(min(end-w.now, time.Millisecond)) != nil {
			return false
		}
	}
	return true
}

// Close ends all nodes, so that none of their coroutines is left.
func (w *World) Close() {
	for _, n := range w.nodes {
		if n.rt != nil {
			n.stop()
		}
	}
	for _, c := range w.idleJobs {
		c.end()
	}
	w.queue, w.idleJobs = nil, nil
}

// takeJobCoroutine returns a coroutine without a job.
func (w *World) takeJobCoroutine() *jobCoroutine {
	last := len(w.idleJobs) - 1
	if last < 0 {
		return newJobCoroutine()
	}
	c := w.idleJobs[last]
	w.idleJobs = w.idleJobs[:last]
	return c
}
