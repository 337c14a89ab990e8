package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/sim"
)

func runSim(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(context.Background(), append([]string{"sim"}, args...), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func TestSimRunsSeeds(t *testing.T) {
	count := 3
	if testing.Short() {
		count = 1
	}
	code, out, errs := runSim("--count", fmt.Sprint(count), "--workers", "2")
	if code != exitOK || !strings.Contains(out, fmt.Sprintf("%d seeds", count)) || !strings.Contains(out, "0 failed") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}

// All scenarios run, one that fails does not keep the next from its share of the
// time, and the failure is told.
func TestSimRunsAllScenarios(t *testing.T) {
	broken := errors.New("planted")
	scenario := func(name string, err error) sim.Scenario {
		return sim.Scenario{Name: name, Run: func(*sim.World) error { return err }}
	}
	var out bytes.Buffer
	o := simOptions{first: 1, count: 2, workers: 1, duration: time.Minute}
	err := sweepAll(t.Context(), &out, nil, []sim.Scenario{scenario("one", nil), scenario("two", broken), scenario("three", nil)}, o)
	if err == nil || err.Error() != "two: 2 of 2 seeds failed" {
		t.Errorf("error %v", err)
	}
	for _, name := range []string{"one", "two", "three"} {
		if !strings.Contains("\n"+out.String(), "\n"+name+"\n") {
			t.Errorf("%s did not run:\n%s", name, out.String())
		}
	}
	if got := strings.Count(out.String(), ": 2 seeds,"); got != 3 {
		t.Errorf("%d of 3 scenarios ran 2 seeds:\n%s", got, out.String())
	}

	// The time is for all of them together.
	began := time.Now()
	o.count, o.duration = 0, time.Second
	if err := sweepAll(t.Context(), io.Discard, nil, []sim.Scenario{scenario("one", nil), scenario("two", nil), scenario("three", nil)}, o); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < o.duration || took > 2*o.duration+o.duration/2 {
		t.Errorf("took %v, not %v", took, o.duration)
	}
}

// Who is interrupted says how far he has got, and that he was.
func TestSimIsInterrupted(t *testing.T) {
	interrupted := errors.New("interrupted")
	ctx, interrupt := context.WithCancelCause(t.Context())
	seeds := 0
	scenario := sim.Scenario{Name: "one", Run: func(*sim.World) error {
		if seeds++; seeds == 5 {
			interrupt(interrupted)
		}
		return nil
	}}
	other := sim.Scenario{Name: "two", Run: func(*sim.World) error { t.Error("the next scenario ran"); return nil }}
	var out bytes.Buffer
	err := sweepAll(ctx, &out, nil, []sim.Scenario{scenario, other}, simOptions{first: 1, workers: 1, duration: time.Hour})
	if !errors.Is(err, interrupted) || !strings.Contains(out.String(), ": 5 seeds,") {
		t.Errorf("%v\n%s", err, out.String())
	}
	var o, e bytes.Buffer
	if code := run(ctx, []string{"sim", "slow", "--rounds", "1", "--run", "1ms"}, strings.NewReader(""), &o, &e); code != exitFailed || !strings.Contains(e.String(), "interrupted") {
		t.Errorf("exit code %d, %s", code, e.String())
	}
}

func TestSimReplaysASeed(t *testing.T) {
	code, out, errs := runSim("--scenario", "raft", "--seed", "4")
	if code != exitOK || !strings.Contains(out, "n1 starts") || !strings.Contains(out, "seed 4: digest ") {
		t.Errorf("exit code %d\n%.500s\n%s", code, out, errs)
	}
	if _, again, _ := runSim("--scenario", "raft", "--seed", "4"); again != out {
		t.Error("the second transcript is not that of the first run")
	}
}

// Without most of its faults a seed is another run; one that does not fail has
// nothing to shrink.
func TestSimLess(t *testing.T) {
	for _, scenario := range []string{"raft", "raft-hunt", "copilot", "copilot-hunt"} {
		code, out, errs := runSim("--scenario", scenario, "--seed", "4", "--less", "clients=1, five members=0, seconds=2, faults=1")
		if code != exitOK || strings.Contains(out, " fault 2\n") {
			t.Errorf("%s: exit code %d\n%.500s\n%s", scenario, code, out, errs)
		}
		for _, choice := range []string{"clients: 1\n", "five members: 0\n", "seconds: 2\n"} {
			if !strings.Contains(out, choice) {
				t.Errorf("%s: the transcript does not say %q", scenario, choice)
			}
		}
	}
	code, out, errs := runSim("--scenario", "raft", "--seed", "4", "--shrink")
	if code != exitOK || !strings.Contains(out, "seed 4 does not fail") {
		t.Errorf("exit code %d\n%.500s\n%s", code, out, errs)
	}
}

func TestSimRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, args := range [][]string{{"--scenario", "none"}, {"--workers", "0"}, {"extra"}, {"slow", "--rounds", "0"},
		{"--duration", "0s"}, {"--scenario", "raft", "--duration", "-1s"}, {"slow", "--faults", "slow disc"}, {"slow", "--pause", "1s"},
		{"slow", "--sockets", "--pause", "-1s"}, {"slow", "--protocol", "none"}, {"slow", "--sockets", "--protocol", "none"},
		{"--shrink"}, {"--scenario", "raft", "--seed", "1", "--less", "clients"}, {"--seed", "1"}} {
		if code, _, errs := runSim(args...); code != exitUsage || errs == "" {
			t.Errorf("%v: exit code %d, %q", args, code, errs)
		}
	}
}

func TestSimSlow(t *testing.T) {
	if testing.Short() {
		t.Skip("measures for seconds")
	}
	code, out, errs := runSim("slow", "--rounds", "1", "--run", "20ms")
	if code != exitOK || !strings.Contains(out, "leader          slow CPU") || !strings.Contains(out, "follower        slow disk") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}

// A file of digests has a line for each seed, the same however many run at a time.
func TestSimWritesDigests(t *testing.T) {
	var files []string
	count := 3
	if testing.Short() {
		count = 2
	}
	for _, workers := range []string{"1", "3"} {
		file := filepath.Join(t.TempDir(), "digests")
		if code, out, errs := runSim("--scenario", "copilot-hunt", "--count", fmt.Sprint(count), "--workers", workers, "--digests", file); code != exitOK {
			t.Fatal(out, errs)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, string(b))
	}
	if files[0] != files[1] || strings.Count(files[0], "\n") != count || !strings.HasPrefix(files[0], "copilot-hunt 1 ") {
		t.Errorf("%s\nand\n%s", files[0], files[1])
	}
}
