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
		seeds = min(seeds, 6)
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
