package sim

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/quorum"
)

// pass lets d pass, in which nothing goes wrong.
func pass(t testing.TB, w *World, d time.Duration) {
	t.Helper()
	if err := w.Run(d); err != nil {
		t.Fatal(err)
	}
}

type ping struct{ N uint64 }

func (p *ping) Fields(c *quorum.Coder) { c.Uint(&p.N) }

// gossip is a scenario of three nodes that call each other and write to their
// disks, under faults. It returns how much they got done.
func gossip(w *World, faults bool, d time.Duration, done *int) error {
	ids := []env.NodeID{1, 2, 3}
	pings := quorum.NewMethod[ping, ping](1, "ping")
	for _, id := range ids {
		w.AddNode(id, func(n *Node) {
			e := quorum.NewEndpoint(n.Runtime(), n.Network(), quorum.Options{OutboxMessagesMax: 64, CallTimeout: time.Second}, nil)
			pings.Handle(e, func(ctx context.Context, _ env.NodeID, p *ping) (*ping, error) {
				return &ping{p.N + 1}, nil
			})
			e.Listen()
			files := n.FS()
			for k := range 4 {
				n.Runtime().Go("worker", func(ctx context.Context) error {
					for i := uint64(0); ; i++ {
						votes := pings.Broadcast(ctx, e, ids, func(to env.NodeID) *ping {
							if to == n.ID() {
								return nil
							}
							return &ping{i}
						})
						votes.AddEvent(n.ID(), &ping{i + 1}, quorum.Disk(ctx, "write", func() error {
							f, err := files.Create(fmt.Sprint("f", k))
							if err != nil {
								return err
							}
							defer f.Close()
							if _, err := f.WriteAt([]byte{1, 2, 3}, 0); err != nil {
								return err
							}
							return f.Sync()
						}))
						err := quorum.WaitFor(ctx, votes.Majority(func(_ env.NodeID, p *ping) bool { return p.N == i+1 }), 50*time.Millisecond)
						if ctx.Err() != nil {
							return err
						}
						if err == nil {
							*done++
						} else if err := quorum.Sleep(ctx, time.Millisecond); err != nil {
							return err
						}
					}
				})
			}
		}).Start()
	}
	if faults {
		w.Chaos(w.DrawFaults())
	}
	return w.Run(d)
}

func gossipScenario(d time.Duration) Scenario {
	return Scenario{Name: "gossip", Run: func(w *World) error { return gossip(w, true, d, new(int)) }}
}

func TestHealthyNodesGetOn(t *testing.T) {
	w := New(1, nil)
	defer w.Close()
	done := 0
	if err := gossip(w, false, time.Second, &done); err != nil {
		t.Fatal(err)
	}
	if done < 5000 {
		t.Errorf("%d rounds in a second of three nodes with four workers", done)
	}
}

// digests runs seeds and returns a line for each.
func digests(first, count uint64) string {
	var b strings.Builder
	for seed := first; seed < first+count; seed++ {
		r := Replay(gossipScenario(100*time.Millisecond), seed, nil)
		fmt.Fprintf(&b, "%d %016x %d %v\n", r.Seed, r.Digest, r.Events, r.Err)
	}
	return b.String()
}

const digestEnv = "GODWIT_SIM_TEST_DIGESTS"

// One seed is one run: here and in another process.
func TestDigestsAreTheSameInAnotherProcess(t *testing.T) {
	count := uint64(1000 / slowdown)
	if testing.Short() {
		count = 50
	}
	if os.Getenv(digestEnv) != "" {
		fmt.Printf("DIGESTS\n%s", digests(1, count))
		return
	}
	here := make(chan string)
	go func() { here <- digests(1, count) }()
	args := []string{"-test.run=^" + t.Name() + "$"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), digestEnv+"=1", "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, there, _ := strings.Cut(string(out), "DIGESTS\n")
	want := <-here
	if !strings.HasPrefix(there, want) {
		t.Fatalf("there:\n%.500s\nhere:\n%.500s", there, want)
	}
	distinct := map[string]bool{}
	for line := range strings.Lines(want) {
		_, rest, _ := strings.Cut(line, " ")
		distinct[rest] = true
	}
	if len(distinct) != int(count) {
		t.Errorf("%d different runs of %d", len(distinct), count)
	}
	t.Logf("bar: seeds with the same digest in two processes | %d of %d | 1,000", len(distinct), count)
}

func TestTranscriptsAreTheSame(t *testing.T) {
	var a, b bytes.Buffer
	first := Replay(gossipScenario(time.Second), 7, &a)
	second := Replay(gossipScenario(time.Second), 7, &b)
	if first != second || a.String() != b.String() || a.Len() == 0 {
		t.Errorf("%+v and %+v", first, second)
	}
	if quiet := Replay(gossipScenario(time.Second), 7, nil); quiet != first {
		t.Errorf("writing a transcript changes the run: %+v, %+v", quiet, first)
	}
}

func TestPanicOfANodeIsAVerdict(t *testing.T) {
	s := Scenario{Run: func(w *World) error {
		w.AddNode(1, func(n *Node) {
			n.Runtime().Go("bad", func(ctx context.Context) error {
				if err := quorum.Sleep(ctx, time.Second); err != nil {
					return err
				}
				panic("boom")
			})
		}).Start()
		return w.Run(time.Minute)
	}}
	if r := Replay(s, 1, nil); !errors.Is(r.Err, errPanic) || r.Time < time.Second || r.Time > 2*time.Second {
		t.Error(r)
	}
}

func TestFileOperationsOnTheLoopPanic(t *testing.T) {
	s := Scenario{Run: func(w *World) error {
		w.AddNode(1, func(n *Node) {
			files := n.FS()
			n.Runtime().Go("bad", func(ctx context.Context) error { _, err := files.Create("x"); return err })
		}).Start()
		return w.Run(time.Minute)
	}}
	if r := Replay(s, 1, nil); !errors.Is(r.Err, errPanic) {
		t.Error(r)
	}
}

func TestPowerLossLosesWhatWasNotSynced(t *testing.T) {
	for _, power := range []bool{false, true} {
		lost, boots := 0, 0
		for seed := range uint64(40) {
			w := New(seed, nil)
			n := w.AddNode(1, func(n *Node) {
				boots++
				files := n.FS()
				n.Runtime().Go("main", func(ctx context.Context) error {
					return quorum.Wait(ctx, quorum.Disk(ctx, "write", func() error {
						f, err := files.Open("x")
						if err != nil {
							f, err = files.Create("x")
							if err != nil {
								return err
							}
							_, write := f.WriteAt([]byte("synced"), 0)
							sync := cmp.Or(f.Sync(), files.SyncDir("."))
							_, unsafe := f.WriteAt([]byte("unsafe"), 600)
							err = cmp.Or(write, sync, unsafe)
						}
						return errors.Join(err, f.Close())
					}))
				})
			})
			n.Start()
			if err := w.Run(time.Second); err != nil {
				t.Fatal(err)
			}
			n.Crash(power)
			if b, err := n.Files().ReadFile("x"); err != nil || len(b) < 6 || string(b[:6]) != "synced" {
				t.Fatalf("%q, %v", b, err)
			} else if len(b) != 606 || string(b[600:]) != "unsafe" {
				lost++
			}
			n.Start()
			pass(t, w, time.Second)
			w.Close()
		}
		if boots != 80 || power && lost == 0 || !power && lost > 0 {
			t.Errorf("power lost %v: %d boots, lost %d times", power, boots, lost)
		}
	}
}

// A program that ends a moment after the last fault, because of one before, comes back.
func TestAllComeBackAfterChaos(t *testing.T) {
	for seed := range uint64(8) {
		w := New(seed, nil)
		starts := 0
		n := w.AddNode(1, func(*Node) { starts++ })
		n.Start()
		calm := w.Chaos(Faults{Every: time.Hour})
		pass(t, w, time.Millisecond)
		calm()
		n.Exit()
		pass(t, w, 2*time.Second)
		if !n.Up() || starts != 2 {
			t.Errorf("seed %d: up: %v, after %d starts", seed, n.Up(), starts)
		}
		w.Close()
	}
}

// Once faults have ended nobody is rebooted any more for a bit that has rotten before.
func TestNobodyRebootsAfterChaos(t *testing.T) {
	for seed := range uint64(20) {
		w := New(seed, nil)
		starts, rots := 0, 0
		w.AddNode(1, func(n *Node) {
			starts++
			n.Exposed = func() (string, int) { rots++; return "", 0 }
		}).Start()
		calm := w.Chaos(Faults{Every: 50 * time.Millisecond, Rot: 1})
		if !w.RunUntil(10*time.Second, func() bool { return rots > 0 }) {
			t.Fatal("nothing rots")
		}
		calm() // which starts whoever is down
		before := starts
		pass(t, w, 10*time.Second)
		if starts != before {
			t.Errorf("seed %d: rebooted %d times after the last fault", seed, starts-before)
		}
		w.Close()
	}
}

// TestBars measures the simulator's speed; see the one of package quorum.
func TestBars(t *testing.T) {
	d, tries := 100*time.Millisecond, 1
	if os.Getenv("GODWIT_BARS") != "" {
		d, tries = 10*time.Second, 5
	}
	defer RareCollections()()
	var best float64
	for range tries {
		w := New(1, nil)
		done := 0
		began := time.Now()
		if err := gossip(w, false, d, &done); err != nil {
			t.Fatal(err)
		}
		best = max(best, float64(w.Events())/time.Since(began).Seconds())
		w.Close()
	}
	t.Logf("bar: simulator, one core | %.0f events/s | at least 500,000", best)
}

func BenchmarkEvents(b *testing.B) {
	defer RareCollections()()
	w := New(1, nil)
	defer w.Close()
	done := 0
	if err := gossip(w, false, time.Millisecond, &done); err != nil {
		b.Fatal(err)
	}
	from := w.Events()
	b.ResetTimer()
	for w.Events()-from < uint64(b.N) {
		pass(b, w, time.Millisecond)
	}
	b.ReportMetric(float64(w.Events()-from)/b.Elapsed().Seconds(), "events/s")
}
