//go:build unix

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/cmd/godwit/benchchaos"
)

// TestBenchChaos has each fault happen once. What more of them find is for longer runs.
func TestBenchChaos(t *testing.T) {
	file := filepath.Join(t.TempDir(), "result.json")
	args := []string{"bench", "chaos", "--cycles", "7", "--clients", "4", "--json", file, "--election-timeout", "1s"}
	if testing.Short() {
		args = append(args, "--faults", "kill,replace", "--cycles", "2")
	}
	code, out, errs := execute(t, args...)
	if code != exitOK || !strings.Contains(out, "nothing lost, no anomaly, all replicas equal") {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r benchchaos.Result
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if r.Cycles < 2 || r.Clients.Released == 0 || r.Clients.Read == 0 || r.Clients.Snapshots == 0 || len(r.Faults) < 2 || len(r.Wrong) > 0 {
		t.Errorf("%+v", r)
	}
}

func TestBenchChaosRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"--cycles", "-1"}, {"--cycles", "0"}, {"--faults", "kill,rain"}, {"--chapter", "0"}, {"--durability", "none"}, {"--durability", "memory"}, {"extra"},
	} {
		if code, out, _ := execute(t, append([]string{"bench", "chaos"}, args...)...); code != exitUsage {
			t.Errorf("%v: exit code %d\n%s", args, code, out)
		}
	}
}

// TestBenchChaosDoesNotStart: what keeps replicas from starting is said, and nothing of the rest.
func TestBenchChaosDoesNotStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := execute(t, "bench", "chaos", "--cycles", "1", "--dir", file)
	if code != exitFailed || strings.Contains(out, "nothing lost") || !strings.Contains(errs, "not a directory") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}
