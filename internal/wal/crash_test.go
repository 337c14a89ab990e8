package wal

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/hlc"
)

var (
	crashSeeds = flag.Uint64("wal.seeds", 30, "how many workloads the crash tests run")
	crashFirst = flag.Uint64("wal.seed", 0, "the first of their seeds")
)

// handClock stands still until a test moves it.
type handClock struct{ now time.Time }

func (c *handClock) Now() time.Time                   { return c.now }
func (c *handClock) NewTimer(time.Duration) env.Timer { return handTimer{} }
func (c *handClock) advance(d time.Duration)          { c.now = c.now.Add(d) }

type handTimer struct{}

func (handTimer) C() <-chan time.Time { return nil }
func (handTimer) Reset(time.Duration) {}
func (handTimer) Stop()               {}

// node is a log whose flusher and preparer are stepped by hand, so that a seed
// gives the same run again, with a model of what has to be in it.
type node struct {
	t     *testing.T
	what  string // the way here, for messages
	rng   *rand.Rand
	fs    *faultfs.FS
	clock *handClock
	opt   Options
	log   *Log

	segmentBytes int64 // 0: random

	must []tx // have to be found by a recovery: they were recovered, or published as durable
	may  []tx // were appended since: up to the recovered watermark they have to be there
	from hlc.Timestamp
	// crashed is called with what a crash can leave, before every operation that
	// changes the disk.
	crashed func(*faultfs.FS)
}

// settleModel moves what was published from may to must.
func (n *node) settleModel() {
	if n.log == nil {
		return
	}
	durable := n.log.Durable()
	rest := n.may[:0:0]
	for _, x := range n.may {
		if x.ts <= durable {
			n.must = append(n.must, x)
		} else {
			rest = append(rest, x)
		}
	}
	n.may = rest
}

// recover recovers what is on f and compares it with the model.
func (n *node) recover(f *faultfs.FS) (*Recovered, []tx) {
	n.t.Helper()
	n.settleModel()
	found, got, err := recoverAll(f, n.from)
	if err != nil {
		n.t.Fatalf("%s: recovery: %v", n.what, err)
	}
	expected := map[hlc.Timestamp]tx{}
	for _, x := range n.must {
		if x.ts > found.Watermark {
			n.t.Fatalf("%s: the watermark is %d, but this is certain: %v", n.what, found.Watermark, x)
		}
		if x.ts > n.from {
			expected[x.ts] = x
		}
	}
	for _, x := range n.may {
		if x.ts <= found.Watermark {
			expected[x.ts] = x
		}
	}
	for i, x := range got {
		if i > 0 && x.ts == got[i-1].ts {
			n.t.Fatalf("%s: found twice: %v", n.what, x)
		}
		want, ok := expected[x.ts]
		if !ok {
			n.t.Fatalf("%s: found although it was dropped, or is above the watermark %d: %v", n.what, found.Watermark, x)
		}
		if !sameTx(x, want) {
			n.t.Fatalf("%s: found\n     %v\nwant %v", n.what, x, want)
		}
		delete(expected, x.ts)
	}
	for _, x := range expected {
		n.t.Fatalf("%s: lost (watermark %d): %v", n.what, found.Watermark, x)
	}
	return found, got
}

// start recovers the log and opens it, as a process does that starts.
func (n *node) start(seed uint64) {
	n.rng = rand.New(rand.NewPCG(seed, 5))
	n.clock = &handClock{now: time.Unix(1e9, 0)}
	n.fs.SetHook(func(op faultfs.Op) error {
		if op.Kind.Changes() && n.crashed != nil {
			what := n.what
			n.what = fmt.Sprintf("%s, before %v", what, op)
			n.crashed(n.fs)
			n.what = what
		}
		return nil
	})
	found, got := n.recover(n.fs)
	var below []tx
	for _, x := range n.must {
		if x.ts <= n.from {
			below = append(below, x)
		}
	}
	n.must, n.may = append(below, got...), nil // what is not there now must never come back
	n.opt = testOptions(n.fs, n.rng.IntN(4)+1)
	n.opt.Clock = n.clock
	n.opt.Rand = newSeeded(seed)
	n.opt.SegmentBytes = int64(8+n.rng.IntN(12)) * blockBytes
	if n.segmentBytes > 0 {
		n.opt.SegmentBytes = n.segmentBytes
	}
	n.opt.SparesMax = n.rng.IntN(3) - 1
	if n.rng.IntN(2) == 0 {
		n.opt.SyncInterval = 50 * time.Millisecond
	}
	l, err := open(n.opt, found)
	if err != nil {
		n.t.Fatalf("%s: open: %v", n.what, err)
	}
	n.log = l
	l.files.requests <- found.segment + 1
	if n.rng.IntN(2) == 0 {
		l.flush.gathered = func(int) {
			if n.rng.IntN(4) == 0 {
				n.append()
			}
		}
	}
}

func (n *node) append() {
	s := n.opt.Streams[n.rng.IntN(len(n.opt.Streams))]
	n.may = append(n.may, appendTx(s, n.opt.HLC, randomWrites(n.rng, 3000)))
}

// prepare does the preparer's work.
func (n *node) prepare() error {
	select {
	case number := <-n.log.files.requests:
		seg, err := n.log.files.folder.prepare(number, 0)
		n.log.files.prepared <- preparation{seg, err}
		return err
	default:
		return nil
	}
}

// step does something that a running log does.
func (n *node) step() error {
	switch n.rng.IntN(10) {
	case 0:
		// Timestamps that nobody appends for: conflicts.
		n.opt.HLC.Next()
	case 1:
		ts := n.log.Durable()
		if len(n.must) > 0 && n.rng.IntN(2) == 0 {
			ts = n.must[n.rng.IntN(len(n.must))].ts
		}
		// A checkpoint comes first, which has everything up to here.
		n.from = max(n.from, ts)
		return n.log.TruncateBefore(n.from)
	case 2, 3, 4:
		n.clock.advance(time.Duration(n.rng.IntN(40)) * time.Millisecond)
		if n.rng.IntN(4) == 0 {
			n.log.syncsWanted.Add(1)
		}
		if err := n.prepare(); err != nil {
			return err
		}
		err := n.log.flush.work(false)
		n.settleModel()
		return err
	default:
		n.append()
	}
	return nil
}

// stop closes the log.
func (n *node) stop() error {
	for range 3 { // each round may need a segment
		if err := n.prepare(); err != nil {
			return err
		}
		n.log.syncsWanted.Add(1)
		if err := n.log.flush.work(false); err != nil {
			return err
		}
	}
	n.log.flush.gathered = nil
	if err := n.prepare(); err != nil {
		return err
	}
	if err := n.log.flush.work(true); err != nil {
		return err
	}
	if err := n.prepare(); err != nil {
		return err
	}
	err := n.log.flush.mark()
	n.settleModel()
	return err
}

// fork returns the node as it is on another disk.
func (n *node) fork(f *faultfs.FS, how string) *node {
	n.settleModel()
	return &node{
		t: n.t, what: n.what + how, fs: f, from: n.from,
		must: append([]tx(nil), n.must...), may: append([]tx(nil), n.may...),
	}
}

// TestCrashAtEveryWrite runs random workloads and crashes them before every
// operation that changes the disk. What is left is recovered, and some of the
// time worked on and crashed again, in the middle of the recovery too.
func TestCrashAtEveryWrite(t *testing.T) {
	var crashes, dropped, closed int
	seeds := *crashSeeds
	if testing.Short() {
		seeds = min(seeds, 10)
	}
	for seed := *crashFirst; seed < *crashFirst+seeds; seed++ {
		crashRng := rand.New(rand.NewPCG(seed, 6))
		var run func(n *node, depth, steps int)
		run = func(n *node, depth, steps int) {
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
					run(next, depth+1, crashRng.IntN(15))
					return
				}
				found, _ := next.recover(left)
				dropped += int(found.Dropped)
			}
			n.start(crashRng.Uint64())
			for range steps {
				if err := n.step(); err != nil {
					t.Fatalf("%s: %v", n.what, err)
				}
			}
			if n.rng.IntN(2) == 0 {
				if err := n.stop(); err != nil {
					t.Fatalf("%s: close: %v", n.what, err)
				}
				closed++
				if found, _ := n.fork(n.fs, ", closed").recover(n.fs.Crash(crashRng)); !found.Clean && n.log.flush.active != nil {
					t.Fatalf("%s: a closed log was not clean", n.what)
				}
			}
			n.fs.SetHook(nil)
			report, err := Check(context.Background(), CheckOptions{FS: n.fs.Crash(crashRng), Dir: testDir, Reach: testReach, ID: testID, From: n.from})
			if err != nil || len(report.Problems) > 0 {
				t.Fatalf("%s: check: %v, %v", n.what, err, report.Problems)
			}
		}
		run(&node{t: t, what: fmt.Sprintf("seed %d", seed), fs: newFS(t)}, 1, 60)
	}
	t.Logf("%d crashes, %d records dropped, %d logs closed", crashes, dropped, closed)
	if crashes < 500 || dropped == 0 || closed == 0 {
		t.Error("the test does not reach what it is for")
	}
}

// TestFailedSync lets one sync fail and the ones after it succeed. The log must
// not believe those, and what a later process recovers must be on the disk.
func TestFailedSync(t *testing.T) {
	injected := errors.New("injected")
	failed := 0
	for seed := *crashFirst; seed < *crashFirst+*crashSeeds; seed++ {
		rng := rand.New(rand.NewPCG(seed, 7))
		n := &node{t: t, what: fmt.Sprintf("seed %d", seed), fs: newFS(t)}
		n.start(rng.Uint64())
		kind := faultfs.OpSync
		if rng.IntN(3) == 0 {
			kind = faultfs.OpWrite
		}
		n.fs.Fail(kind, rng.IntN(25)+1, 1, injected)
		var err error
		for range 200 {
			if err = n.step(); err != nil {
				break
			}
		}
		if !errors.Is(err, injected) {
			continue // there was a round after another
		}
		failed++
		n.settleModel()
		durable := n.log.Durable()
		n.log.flush.end(err)
		if err := n.log.Throttle(context.Background()); !errors.Is(err, dberr.ErrLogFailed) || !errors.Is(err, injected) {
			t.Fatalf("%s: Throttle after a failure: %v", n.what, err)
		}
		if n.log.Durable() != durable {
			t.Fatalf("%s: durable has moved after a failure", n.what)
		}
		// The process ends, and another one believes what it can read.
		next := n.fork(n.fs.Clone(), ", restarted")
		next.start(rng.Uint64())
		last := next.fork(next.fs.Crash(rng), ", power loss")
		last.recover(last.fs)
		for range 20 {
			if err := next.step(); err != nil {
				t.Fatalf("%s: %v", next.what, err)
			}
		}
		last = next.fork(next.fs.Crash(rng), ", power loss")
		last.recover(last.fs)
	}
	if failed < int(*crashSeeds)/2 {
		t.Errorf("only %d of %d runs failed", failed, *crashSeeds)
	}
}
