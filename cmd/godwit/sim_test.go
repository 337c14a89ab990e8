package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func runSim(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(context.Background(), append([]string{"sim"}, args...), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func TestSimRunsSeeds(t *testing.T) {
	code, out, errs := runSim("--count", "3", "--workers", "2")
	if code != exitOK || !strings.Contains(out, "3 seeds") || !strings.Contains(out, "0 failed") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}

func TestSimReplaysASeed(t *testing.T) {
	code, out, errs := runSim("--seed", "4")
	if code != exitOK || !strings.Contains(out, "n1 starts") || !strings.Contains(out, "seed 4: digest ") {
		t.Errorf("exit code %d\n%.500s\n%s", code, out, errs)
	}
	if _, again, _ := runSim("--seed", "4"); again != out {
		t.Error("the second transcript is not that of the first run")
	}
}

// Without most of its faults a seed is another run; one that does not fail has
// nothing to shrink.
func TestSimLess(t *testing.T) {
	code, out, errs := runSim("--seed", "4", "--less", "clients=1, seconds=2, faults=1")
	if code != exitOK || !strings.Contains(out, "clients: 1\n") || !strings.Contains(out, "seconds: 2\n") || strings.Contains(out, " fault 2\n") {
		t.Errorf("exit code %d\n%.500s\n%s", code, out, errs)
	}
	code, out, errs = runSim("--seed", "4", "--shrink")
	if code != exitOK || !strings.Contains(out, "seed 4 does not fail") {
		t.Errorf("exit code %d\n%.500s\n%s", code, out, errs)
	}
}

func TestSimRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, args := range [][]string{{"--scenario", "none"}, {"--workers", "0"}, {"extra"}, {"slow", "--rounds", "0"},
		{"--shrink"}, {"--seed", "1", "--less", "clients"}} {
		if code, _, errs := runSim(args...); code != exitUsage || errs == "" {
			t.Errorf("%v: exit code %d, %q", args, code, errs)
		}
	}
}

func TestSimSlow(t *testing.T) {
	code, out, errs := runSim("slow", "--rounds", "1", "--run", "20ms")
	if code != exitOK || !strings.Contains(out, "leader          slow CPU") || !strings.Contains(out, "follower        slow disk") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}
