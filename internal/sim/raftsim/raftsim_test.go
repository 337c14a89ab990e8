package raftsim

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum/raft"
)

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
	c.Clients(16, 8, 0)
	if err := w.Run(3 * time.Second); err != nil {
		t.Fatal(err)
	}
	if err := c.Settle(time.Second); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	if c.Succeeded() < 2_000 || len(c.leaders) != 1 {
		t.Errorf("%d requests, %d terms with a leader", c.Succeeded(), len(c.leaders))
	}
}

func TestFaults(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 6
	}
	succeeded := 0
	for seed := uint64(1); seed <= seeds; seed++ {
		s := Scenarios()[0]
		r := sim.Replay(s, seed, nil)
		if r.Err != nil {
			t.Errorf("seed %d: %v", seed, r.Err)
			if succeeded++; succeeded < 2 {
				replay(t, s, seed)
			}
		}
		succeeded++
	}
}
