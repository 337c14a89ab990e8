package raftsim

import (
	"bytes"
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum/raft"
)

// seedCount is how many seeds TestFaults runs.
var seedCount = flag.Uint64("seeds", 60/slowdown, "how many seeds to run")

// replay shows the end of a failed run.
func replay(t *testing.T, s sim.Scenario, seed uint64) {
	t.Helper()
	var out bytes.Buffer
	sim.Replay(s, seed, &out)
	lines := strings.Split(out.String(), "\n")
	t.Logf("go run ./cmd/godwit sim --scenario %s --seed %d\n%s", s.Name, seed, strings.Join(lines[max(0, len(lines)-60):], "\n"))
}

func TestHealthy(t *testing.T) {
	w := sim.New(1, nil)
	defer w.Close()
	c := NewCluster(w, 3, 3, raft.Options{})
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
	if c.Succeeded() < 1_000 || len(c.leaders) != 1 {
		t.Errorf("%d requests, %d terms with a leader", c.Succeeded(), len(c.leaders))
	}
}

func TestFaults(t *testing.T) {
	seeds := *seedCount
	if testing.Short() {
		seeds = min(seeds, 3)
	}
	s := Scenarios()[0]
	for seed := uint64(2); seed < 2+seeds; seed++ {
		r := sim.Replay(s, seed, nil)
		if r.Err == nil {
			continue
		}
		t.Errorf("seed %d: %v", seed, r.Err)
		replay(t, s, seed)
		return
	}
}

// Members whose disks are damaged stay away, members whose disks are full come
// back when there is room, and the others get on with it.
func TestDamagedAndFullDisks(t *testing.T) {
	refused, full := 0, 0
	s := sim.Scenario{Name: "raft, with damaged disks", Run: func(w *sim.World) error {
		mix := w.DrawFaults()
		mix.Every = 300 * time.Millisecond
		mix.Crash, mix.PowerLoss, mix.Rot, mix.Misdirect, mix.FullDisk = 1, 1, 2, 2, 1
		c, err := faults(w, mix, nil)
		refused += len(c.refused)
		full += c.full
		return err
	}}
	// With few seeds it may take some more until both have happened.
	for seed := uint64(1); seed <= *seedCount || (refused == 0 || full == 0) && seed <= 8**seedCount; seed++ {
		if r := sim.Replay(s, seed, nil); r.Err != nil {
			t.Errorf("seed %d: %v", seed, r.Err)
		}
	}
	t.Logf("%d disks were damaged, one was full %d times", refused, full)
	if refused < max(1, int(*seedCount/10)) || full < max(1, int(*seedCount/5)) {
		t.Error("that is too few to prove something")
	}
}
