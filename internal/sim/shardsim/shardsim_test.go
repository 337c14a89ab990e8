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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/history"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
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

// Seeds that have found something: a member that had to get its log from others and had promised
// more than the leader's epoch; one that believed a candidate, which had been away, that it does
// not count, and one that leads since; a log that was lost again when its files outlived what says that they do not count.
// Since there are tables that come and go: a leader whose log had lost a repaired round; a new leader whose log begins earlier
// than that of the one before, so that its checkpoint is of use; a deposed leader that still tells what came of a request.
func TestFoundBefore(t *testing.T) {
	if testing.Short() {
		t.Skip("the seeds have their full size elsewhere")
	}
	for _, s := range Scenarios() {
		if s.Name != "shard" {
			continue
		}
		for _, seed := range []uint64{1003796, 1005985, 1006540, 2033669} {
			r := sim.ReplayLess(s, seed, sim.Less{Most: map[string]int{"tables come and go": 0}}, nil) // there were none then
			if r.Err != nil {
				t.Errorf("seed %d: %v", seed, r.Err)
			}
		}
		for _, seed := range []uint64{80037252, 81035216, 82055916, 97066821, 98029885} {
			if r := sim.Replay(s, seed, nil); r.Err != nil {
				t.Errorf("seed %d: %v", seed, r.Err)
			}
		}
	}
}

// Without faults transactions are released all the time, by one leader.
func TestHealthy(t *testing.T) {
	w := sim.New(1, nil)
	defer w.Close()
	c := NewCluster(w, 3, 3, shard.Options{Workers: 2})
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
	t.Logf("%d transactions that wrote, of %d, %d of them on the newest state", c.succeeded, len(c.snapshots.Txns), len(c.lists.Txns))
	if c.succeeded < 200 || len(c.snapshots.Txns) <= len(c.lists.Txns) || len(c.announced) != 1 || c.restarts > 0 {
		t.Errorf("%d transactions, %d of snapshots, %d epochs with a leader, %d restarts",
			c.succeeded, len(c.snapshots.Txns)-len(c.lists.Txns), len(c.announced), c.restarts)
	}
}

// digests runs seeds of each scenario and returns a line for each.
func digests() string {
	var b strings.Builder
	for _, s := range Scenarios() {
		// In the last one a replica fetches a checkpoint with a table without order.
		for _, seed := range []uint64{1, 2, 3, 5051} {
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
	if testing.Short() {
		t.Skip("two processes run many seeds")
	}
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
		c = NewCluster(w, 3, 3, shard.Options{Workers: 2, CheckpointBytes: 8 << 10})
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

// A request is carried out once, and an old copy of one that comes behind the client's
// next not at all.
func TestOldCopies(t *testing.T) {
	w := sim.New(1, nil)
	defer w.Close()
	c := NewCluster(w, 3, 3, shard.Options{Workers: 2})
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
	}{{1, 11, nil, 0}, {1, 11, nil, 0}, {2, 12, nil, 1}, {1, 11, dberr.ErrSuperseded, 0}, {2, 12, nil, 1}, {3, 13, nil, 2}} {
		var resp *response
		task := l.node.Runtime().Go("request", func(ctx context.Context) (err error) {
			resp, err = l.execute(ctx, &request{name: shard.Request{Client: 7, Number: x.number}, ops: []op{{kind: history.OpList, key: 1}, {kind: history.OpAppend, key: 1, value: x.value}}})
			return err
		})
		l.node.Runtime().Post(func() {})
		if !w.RunUntil(time.Second, task.Decided) || !errors.Is(task.Err(), x.want) {
			t.Fatalf("request %d: %v, want %v", i, task.Err(), x.want)
		}
		if x.want == nil && len(resp.reads.reads[0]) != x.list {
			t.Errorf("request %d sees %d values", i, len(resp.reads.reads[0]))
		}
	}
}

// directed runs a group of three without faults, with two more nodes that may join, until a
// leader has released something.
func directed(t *testing.T, o stream.Options) (*sim.World, *Cluster) {
	t.Helper()
	w := sim.New(1, nil)
	t.Cleanup(w.Close)
	c := NewCluster(w, 5, 3, shard.Options{Workers: 2, Group: o, CheckpointBytes: 1 << 10})
	c.SegmentBytes = 32 << 10
	c.snapshotShare = 4
	c.Start()
	c.add(4, 5*time.Millisecond, c.all)
	await(t, w, func() bool { return c.succeeded > 10 })
	return w, c
}

func await(t *testing.T, w *sim.World, what func() bool) {
	t.Helper()
	if !w.RunUntil(30*time.Second, what) {
		t.Fatal("it does not come to that", w.Failed())
	}
}

// A blank node takes the place of one that is gone for good, and of the leader.
func TestReplace(t *testing.T) {
	w, c := directed(t, stream.Options{})
	for i, gone := range []func() *member{
		func() *member { return c.members[c.leader().node.ID()%3+1] },
		func() *member { return c.leader() },
	} {
		m := gone()
		if i == 0 {
			m.node.Crash(false)
		}
		before := c.succeeded
		await(t, w, func() bool { return c.leader() != nil && c.succeeded > before+40 })
		l := c.leader()
		task := l.node.Runtime().Go("replace", func(ctx context.Context) error { return c.replace(ctx, l, m.node.ID()) })
		l.node.Runtime().Post(func() {})
		await(t, w, task.Decided)
		if err := task.Err(); err != nil {
			t.Fatal(err)
		}
		await(t, w, func() bool { return c.leader() != nil && c.leader() != m })
		if s := c.leader().replica.Group().Status(); len(s.Members.Voters) != 3 || slices.Contains(s.Members.Voters, m.node.ID()) {
			t.Errorf("without n%d: %+v", m.node.ID(), s)
		}
	}
	if c.restarts == 0 {
		t.Error("no checkpoint was fetched")
	}
	if err := errors.Join(c.Settle(10*time.Second), c.Check()); err != nil {
		t.Fatal(err)
	}
}

// With durability in memory one member after the other loses what its slow disk does not
// have yet, and nothing is lost.
func TestMemory(t *testing.T) {
	w, c := directed(t, stream.Options{Durability: stream.Memory})
	for i := range 6 {
		for _, id := range c.first {
			c.world.Node(id).Disk.SyncDelay = 100 * time.Millisecond
		}
		before := c.succeeded
		await(t, w, func() bool { return c.succeeded > before+20 && c.whole() })
		n := c.leader().node
		if i%2 == 0 {
			n = w.Node(n.ID()%3 + 1)
		}
		n.Crash(true)
		n.Start()
	}
	// On slow disks an election's syncs wait behind those of checkpoints, for longer than its
	// timeout. What takes seconds is a client that asks one that is no member three times.
	for _, id := range c.first {
		c.world.Node(id).Disk.SyncDelay = time.Millisecond
	}
	if err := errors.Join(c.Settle(10*time.Second), c.Check()); err != nil {
		t.Fatal(err)
	}
}

// Disks are lost, logs and checkpoints are damaged, one member's after the other's, and the
// group has everything again each time.
func TestBrokenDisks(t *testing.T) {
	for i, d := range []damages{{disks: true}, {logs: true}, {checkpoints: true}} {
		for _, durability := range []stream.Durability{stream.Disk, stream.Memory} {
			w, c := directed(t, stream.Options{Durability: durability})
			c.damages = d
			c.breakDisks()
			for c.breaks < 4 || c.broken != nil || d.checkpoints && c.refilled == 0 {
				before := c.succeeded
				await(t, w, func() bool { return c.succeeded > before+5 })
				if c.breaks > 40 {
					t.Fatalf("kind %d: %d disks failed, %d checkpoints were given up", i, c.breaks, c.refilled)
				}
			}
			c.spared = true
			if err := errors.Join(c.Settle(time.Minute), c.Check()); err != nil {
				t.Fatalf("kind %d: %v", i, err)
			}
		}
	}
}

// What the checks would say if something were wrong.
func TestTruth(t *testing.T) {
	name := func(n uint64) shard.Request { return shard.Request{Client: 1, Number: n} }
	put := func(n uint64, epoch wal.Epoch, at hlc.Timestamp, read ...uint64) executed {
		return executed{name(n), epoch, looked{1, at, []op{{kind: history.OpList, key: 7}, {kind: history.OpAppend, key: 7, value: n}}, reads{[][]uint64{read}}}}
	}
	look := func(at hlc.Timestamp, read ...uint64) looked {
		return looked{2, at, []op{{kind: history.OpRange, to: 9}, {kind: history.OpList, key: 7}}, reads{[][]uint64{nil, read}}}
	}
	for _, x := range []struct {
		what     string
		executed []executed
		looked   []looked
		told     map[shard.Request]bool
		wrong    string
	}{
		{"all is well", []executed{put(1, 1, 10), put(2, 1, 30, 1), put(3, 2, 40, 1)}, []looked{look(10, 1), look(25, 1), look(40, 1, 3)}, map[shard.Request]bool{name(1): true, name(3): true}, ""},
		{"told of what was dropped", []executed{put(1, 1, 10), put(2, 1, 30, 1)}, nil, map[shard.Request]bool{name(2): true}, "I1"},
		{"twice", []executed{put(1, 1, 10), put(1, 2, 40, 1)}, nil, nil, "twice"},
		{"a read of what was dropped", []executed{put(1, 1, 10), put(2, 1, 30, 1), put(3, 2, 40, 1, 2)}, nil, nil, "I4"},
		{"an update is lost", []executed{put(1, 1, 10), put(2, 1, 15)}, nil, nil, "I4"},
		{"a snapshot lacks something", []executed{put(1, 1, 10)}, []looked{look(10)}, nil, "snapshot"},
		{"a snapshot has too much", []executed{put(1, 1, 10)}, []looked{look(9, 1)}, nil, "snapshot"},
	} {
		truth := truth{executed: x.executed, looked: x.looked, finals: map[wal.Epoch]hlc.Timestamp{1: 20}, last: 2}
		_, err := truth.settle(x.told)
		if (err == nil) != (x.wrong == "") || err != nil && !strings.Contains(err.Error(), x.wrong) {
			t.Errorf("%s: %v", x.what, err)
		}
	}
}
