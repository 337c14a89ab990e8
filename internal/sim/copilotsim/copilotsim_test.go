package copilotsim

import (
	"context"
	"flag"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/registers"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/copilot"
)

func TestHealthy(t *testing.T) {
	w := sim.New(1, nil)
	defer w.Close()
	c := NewCluster(w, 3, copilot.Options{})
	c.Start()
	c.AddClients(4, 8, 0)
	if err := w.Run(2 * time.Second); err != nil {
		t.Fatal(err)
	}
	if err := c.Settle(time.Second); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	if c.Succeeded() < 1_000 || len(c.pilots) != 1 {
		t.Errorf("%d requests, %d epochs", c.Succeeded(), len(c.pilots))
	}
}

// A command takes one round from the pilot that gets it, whichever that is.
func TestOneRound(t *testing.T) {
	const delay = 20 * time.Millisecond
	for j := range 2 {
		w := sim.New(1, nil)
		defer w.Close()
		w.SetLinks(sim.Link{DelayMin: delay})
		c := NewCluster(w, 3, copilot.Options{TakeoverTimeout: 4 * delay, PingPong: time.Nanosecond})
		c.Start()
		if !w.RunUntil(10*time.Second, func() bool { _, ok := c.Pilots(); return ok }) {
			t.Fatal("no pilots")
		}
		pilots, _ := c.Pilots()
		c.Add(1, 8, 0, func() registers.Ask {
			return func(ctx context.Context, e *quorum.Endpoint, r *registers.Request) (*registers.Response, bool, error) {
				resp, err := registers.Method().Call(ctx, e, pilots[j], r)
				return resp, false, err
			}
		})
		if err := w.Run(5 * time.Second); err != nil {
			t.Fatal(err)
		}
		// To the pilot, to the others, and both ways back. The disks take some time too.
		s, ok := c.Speed(5 * time.Second)
		if t.Logf("pilot %d: %v", j, s); !ok || s.P50 < 4*delay || s.P50 > 5*delay || len(c.pilots) != 1 {
			t.Errorf("pilot %d: it takes %v of %v, %d epochs", j, s.P50, 4*delay, len(c.pilots))
		}
	}
}

// A pilot that stops is replaced in a part of an election timeout, however often the other
// one has had to do that lately, and soon again once it went well for a while.
func TestTakeoversStayQuick(t *testing.T) {
	const election = time.Second
	for name, test := range map[string]struct{ stops, replaced, well time.Duration }{
		"without a break": {election * 4 / 10, election * 3 / 10, 0},
		"after some calm": {80 * time.Millisecond, 60 * time.Millisecond, 100 * time.Millisecond},
	} {
		w := sim.New(1, nil)
		defer w.Close()
		c := NewCluster(w, 3, copilot.Options{ElectionTimeout: election})
		c.Start()
		c.AddClients(4, 8, 10*time.Millisecond)
		var stays env.NodeID
		for i := range 12 {
			var pilots [2]env.NodeID
			if !w.RunUntil(4*election, func() (ok bool) { pilots, ok = c.Pilots(); return ok }) {
				t.Fatalf("%s: no pilots", name)
			}
			if i == 0 {
				stays = pilots[0]
			}
			stops := pilots[0]
			if stops == stays {
				stops = pilots[1]
			}
			if err := w.Run(test.well); err != nil {
				t.Fatal(err)
			}
			w.Node(stops).Pause(test.stops)
			if epochs := len(c.pilots); !w.RunUntil(test.replaced, func() bool { return len(c.pilots) > epochs }) {
				t.Errorf("%s: the pilot that stops as number %d is not replaced", name, i)
			}
			if err := w.Run(test.stops); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// seedCount is how many seeds TestFaults runs.
var seedCount = flag.Uint64("seeds", 40/slowdown, "how many seeds to run")

func TestFaults(t *testing.T) {
	seeds := *seedCount
	if testing.Short() {
		seeds = min(seeds, 2)
	}
	s := Scenarios()[0]
	for seed := uint64(1); seed <= seeds; seed++ {
		if r := sim.Replay(s, seed, nil); r.Err != nil {
			t.Fatalf("seed %d: %v\ngo run ./cmd/godwit sim --scenario copilot --seed %d", seed, r.Err, seed)
		}
	}
}

// One seed is one run of the whole protocol.
func TestRunsAreTheSame(t *testing.T) {
	if testing.Short() {
		t.Skip("the long form runs the same seed twice")
	}
	a, b := sim.Replay(Scenarios()[0], 2, nil), sim.Replay(Scenarios()[0], 2, nil)
	if a != b {
		t.Errorf("%+v and %+v", a, b)
	}
}

// A node that is stopped for ten minutes costs the others a bound of memory, and
// gets a snapshot when it is back.
func TestMemoryBehindAStoppedNode(t *testing.T) {
	w := sim.New(3, nil)
	defer w.Close()
	const snapshotEntries = 200
	c := NewCluster(w, 3, copilot.Options{SnapshotEntries: snapshotEntries})
	c.Network = quorum.Options{OutboxMessagesMax: 100, OutboxBytesMax: 64 << 10}
	c.Start()
	if !w.RunUntil(10*time.Second, func() bool { _, ok := c.Pilots(); return ok }) {
		t.Fatal("no pilots")
	}
	c.AddClients(1, 10, 50*time.Millisecond)
	pilots, _ := c.Pilots()
	w.Node(c.others(pilots)[0]).Pause(10 * time.Minute / slowdown)
	for range 60 / slowdown {
		if err := w.Run(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		s, _ := c.status(pilots[0])
		if s.Entries > snapshotEntries+2*16 {
			t.Fatalf("%d entries in memory", s.Entries)
		}
	}
	if s := c.members[pilots[0]].endpoint.Stats(); s.OutboxBytesPeak == 0 || s.OutboxBytesPeak > 64<<10 {
		t.Errorf("%d bytes in an outbox", s.OutboxBytesPeak)
	}
	if c.Succeeded() < 8_000/slowdown {
		t.Errorf("%d requests", c.Succeeded())
	}
	if err := c.Settle(10 * time.Second); err != nil {
		t.Error(err)
	}
}
