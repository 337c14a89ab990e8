package shardsim

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/sim"
)

// seedCount is how many seeds of each scenario TestFaults runs.
var seedCount = flag.Uint64("seeds", 10/slowdown, "how many seeds to run")

func TestFaults(t *testing.T) {
	seeds := *seedCount
	if testing.Short() {
		seeds = min(seeds, 3)
	}
	for _, s := range Scenarios() {
		for seed := uint64(2); seed < 2+seeds; seed++ {
			r := sim.Replay(s, seed, nil)
			if r.Err == nil {
				continue
			}
			var out bytes.Buffer
			sim.Replay(s, seed, &out)
			lines := strings.Split(out.String(), "\n")
			t.Fatalf("seed %d: %v\ngo run ./cmd/godwit sim --scenario %s --seed %d\n%s", seed, r.Err, s.Name, seed, strings.Join(lines[max(0, len(lines)-60):], "\n"))
		}
	}
}

// Without faults transactions are released all the time, by one leader.
func TestHealthy(t *testing.T) {
	w := sim.New(1, nil)
	defer w.Close()
	c := NewCluster(w, 3, shard.Options{Workers: 2})
	c.snapshotShare = 4
	c.Start()
	c.add(4, time.Millisecond, c.all)
	if err := w.Run(2 * time.Second); err != nil {
		t.Fatal(err)
	}
	if err := c.Settle(time.Second); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d transactions that wrote, of %d, %d of them on the newest state", c.succeeded, len(c.snapshots.Txns), len(c.strict.Txns))
	if c.succeeded < 200 || len(c.snapshots.Txns) <= len(c.strict.Txns) || len(c.announced) != 1 || c.restarts > 0 {
		t.Errorf("%d transactions, %d of snapshots, %d epochs with a leader, %d restarts",
			c.succeeded, len(c.snapshots.Txns)-len(c.strict.Txns), len(c.announced), c.restarts)
	}
}

// digests runs seeds of each scenario and returns a line for each.
func digests() string {
	var b strings.Builder
	for _, s := range Scenarios() {
		for seed := uint64(1); seed <= 3; seed++ {
			r := sim.Replay(s, seed, nil)
			fmt.Fprintf(&b, "%s %d %016x %d %v\n", s.Name, r.Seed, r.Digest, r.Events, r.Err)
		}
	}
	return b.String()
}

const digestEnv = "GODWIT_SHARDSIM_TEST_DIGESTS"

// One seed is one run, here and in another process: neither the scheduler of the one
// nor addresses, maps or files of the other are in it.
func TestDigestsAreTheSameInAnotherProcess(t *testing.T) {
	if os.Getenv(digestEnv) != "" {
		fmt.Printf("DIGESTS\n%s", digests())
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), digestEnv+"=1", "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, there, _ := strings.Cut(string(out), "DIGESTS\n")
	here := digests()
	if !strings.HasPrefix(there, here) {
		t.Errorf("there:\n%s\nhere:\n%s", there, here)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(here) {
		seen[strings.Fields(line)[2]] = true
	}
	if len(seen) != strings.Count(here, "\n") {
		t.Errorf("not every seed is a run of its own:\n%s", here)
	}
}

// A World that is closed leaves nothing behind, however its members have ended.
func TestNothingIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	var c *Cluster
	s := sim.Scenario{Run: func(w *sim.World) error {
		c = NewCluster(w, 3, shard.Options{Workers: 2, CheckpointBytes: 8 << 10})
		c.SegmentBytes = 64 << 10
		c.snapshotShare, c.rest = 3, 100*time.Millisecond
		c.Start()
		c.add(6, time.Millisecond, c.all)
		for i := range 6 {
			if err := w.Run(500 * time.Millisecond); err != nil {
				return err
			}
			if l := c.leader(); l != nil {
				l.node.Crash(i%2 == 0)
				if i < 4 {
					w.After(100*time.Millisecond, l.node.Start)
				}
			}
		}
		return nil // in the middle of it all
	}}
	if r := sim.Replay(s, 5, nil); r.Err != nil {
		t.Fatal(r.Err)
	}
	if c.arenas.made < 6 || c.arenas.open != 0 {
		t.Errorf("%d arenas were made, %d are left", c.arenas.made, c.arenas.open)
	}
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, there were %d", runtime.NumGoroutine(), before)
		}
	}
}

// Seeds that have failed once.
func TestFoundBefore(t *testing.T) {
	for _, x := range []struct {
		run  func(*sim.World) error
		seed uint64
		was  string
	}{
		{Hunt, 783, "a winner refused to fetch from behind what it knew to be durable, and nobody led any more"},
	} {
		if r := sim.Replay(sim.Scenario{Name: "found before", Run: x.run}, x.seed, nil); r.Err != nil {
			t.Errorf("seed %d (%s): %v", x.seed, x.was, r.Err)
		}
	}
}

// A request is carried out once, and an old copy of one that comes behind the client's
// next not at all.
func TestOldCopies(t *testing.T) {
	w := sim.New(1, nil)
	defer w.Close()
	c := NewCluster(w, 3, shard.Options{Workers: 2})
	c.Start()
	if !w.RunUntil(10*time.Second, func() bool { return c.leader() != nil }) {
		t.Fatal("nobody leads", w.Failed())
	}
	if err := w.Run(time.Second); err != nil {
		t.Fatal(err)
	}
	l := c.leader()
	for i, x := range []struct {
		number, value uint64
		want          error
		list          int // how many values the request sees, its own not counted
	}{{1, 11, nil, 0}, {1, 11, nil, 0}, {2, 12, nil, 1}, {1, 11, shard.ErrSuperseded, 0}, {2, 12, nil, 1}, {3, 13, nil, 2}} {
		var resp *response
		task := l.node.Runtime().Go("request", func(ctx context.Context) (err error) {
			resp, err = l.execute(ctx, &request{name: shard.Request{Client: 7, Number: x.number}, ops: []op{{key: 1}, {key: 1, value: x.value}}})
			return err
		})
		l.node.Runtime().Post(func() {})
		if !w.RunUntil(time.Second, task.Decided) || !errors.Is(task.Err(), x.want) {
			t.Fatalf("request %d: %v, want %v", i, task.Err(), x.want)
		}
		if x.want == nil && len(resp.lists.lists[0]) != 8*x.list {
			t.Errorf("request %d sees %d bytes", i, len(resp.lists.lists[0]))
		}
	}
}
