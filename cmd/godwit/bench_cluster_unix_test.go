//go:build unix

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/cmd/godwit/benchcluster"
)

// smallTPCC are a workload's flags. The leader of a busy machine stays while it loads.
func smallTPCC(args ...string) []string {
	return append([]string{"bench", "cluster", "--workload", "tpcc", "--warehouses", "2", "--items", "300", "--customers", "30", "--memory", "256", "--election-timeout", "2s"}, args...)
}

func TestBenchClusterMeasuresAndChecks(t *testing.T) {
	file, base := filepath.Join(t.TempDir(), "result.json"), filepath.Join(t.TempDir(), "plot")
	code, out, errs := execute(t, smallTPCC("--duration", "300ms", "--warmup", "50ms", "--rate", "5000", "--json", file, "--plot", base,
		"--sessions", "3", "--round-trip", "4ms", "--jitter", "100us", "--bandwidth", "500")...)
	if code != exitOK || !strings.Contains(out, "correct on every replica") {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r benchcluster.Result
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if r.Leader.Executed == 0 || r.Leader.Released == 0 || r.Leads() <= 0 || r.Follows() <= 0 || r.RoundsPerSecond <= 0 ||
		r.SentPerTransactionBytes <= 0 || len(r.Members) != 3 || r.Checksum.Tables != 12 {
		t.Errorf("%+v\n%s", r, text)
	}
	if r.Leader.Sessions != 3 || r.Links == nil || r.Links.BytesPerSecond != 500e6 || r.Leader.ReleasedLatency.P50 < 4*time.Millisecond {
		t.Errorf("%d sessions, links %+v, released after %v", r.Leader.Sessions, r.Links, r.Leader.ReleasedLatency.P50)
	}
	if _, err := os.Stat(base + ".svg"); err != nil {
		t.Error(err)
	}
}

// TestBenchClusterOverTheNetwork compares what clients were told with the data of every
// replica, also after failovers.
func TestBenchClusterOverTheNetwork(t *testing.T) {
	if testing.Short() {
		t.Skip("clusters of processes for many seconds")
	}
	file := filepath.Join(t.TempDir(), "result.json")
	code, out, errs := execute(t, smallTPCC("--clients", "network", "--duration", "300ms", "--warmup", "50ms", "--rate", "2000", "--sessions", "24", "--json", file)...)
	if code != exitOK || !strings.Contains(out, "correct on every replica") || !strings.Contains(out, "over the network") {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r benchcluster.Result
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	c := r.Clients
	if c == nil || c.CPUSeconds <= 0 || c.SentPerTransactionBytes <= 0 || c.ReceivedPerTransactionBytes <= 0 || c.WritesPerTransaction <= 0 || c.LeaderWritesPerTransaction <= 0 ||
		r.SentPerTransactionBytes <= 0 || r.Leader.Released == 0 || r.Leader.Executed == 0 || r.Leader.Sessions != 24 || r.Leads() <= 0 || r.Follows() <= 0 {
		t.Errorf("%+v\n%s", r, text)
	}
	base := filepath.Join(t.TempDir(), "plot")
	code, out, errs = execute(t, smallTPCC("--clients", "network", "--rate", "1000", "--kill", "1", "--pause", "1", "--between", "10ms", "--plot", base)...)
	if code != exitOK || !strings.Contains(out, "leader killed 1 times") || !strings.Contains(out, "leader stopped 1 times") || !strings.Contains(out, "correct on every replica") {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	if _, err := os.Stat(base + ".svg"); err != nil {
		t.Error(err)
	}
}

func TestBenchClusterFailsOver(t *testing.T) {
	base := filepath.Join(t.TempDir(), "plot")
	code, out, errs := execute(t, smallTPCC("--rate", "2000", "--kill", "1", "--pause", "1", "--between", "10ms", "--plot", base)...)
	if code != exitOK || !strings.Contains(out, "leader killed 1 times") || !strings.Contains(out, "leader stopped 1 times") || !strings.Contains(out, "correct on every replica") {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	if _, err := os.Stat(base + ".svg"); err != nil {
		t.Error(err)
	}
}

// TestBenchClusterRunsBaselines runs each of the others, one with each fault.
func TestBenchClusterRunsBaselines(t *testing.T) {
	if testing.Short() {
		t.Skip("clusters of processes for many seconds")
	}
	for _, args := range [][]string{
		{"--engine", "syncrepl", "--sessions", "8", "--fault", "slow-disk", "--fault-delay", "5ms"},
		{"--engine", "singlestream", "--fault", "slow-link", "--fault-delay", "2ms", "--rate", "3000"},
		{"--fault", "stopped", "--rate", "3000"},
	} {
		code, out, errs := execute(t, smallTPCC(append(args, "--duration", "200ms", "--warmup", "50ms")...)...)
		if code != exitOK || !strings.Contains(out, "correct on every replica") || !strings.Contains(out, "one follower: "+args[slices.Index(args, "--fault")+1]) {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, errs)
		}
	}
}

func TestBenchClusterCompares(t *testing.T) {
	code, out, errs := execute(t, "bench", "cluster", "compare", "--workload", "ycsb++", "--records", "2000", "--memory", "256", "--rounds", "1", "--duration", "100ms", "--warmup", "0s",
		"--rate", "5000", "--replicas", "1", "--durability", "memory")
	if code != exitOK || !strings.Contains(out, "leader / engine alone") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}

func TestBenchClusterComparesSideBySide(t *testing.T) {
	if testing.Short() {
		t.Skip("clusters of processes for many seconds")
	}
	base := filepath.Join(t.TempDir(), "plot")
	for against, args := range map[string][]string{
		"syncrepl": {"--sessions", "4"}, "healthy": {"--fault", "slow-link", "--fault-delay", "1ms"}, "loopback": {"--round-trip", "2ms"},
	} {
		args = append([]string{"bench", "cluster", "compare", "--against", against, "--workload", "ycsb++", "--records", "2000", "--memory", "256", "--rounds", "1",
			"--duration", "100ms", "--warmup", "0s", "--election-timeout", "2s", "--rate", "5000", "--durability", "memory", "--plot", base}, args...)
		code, out, errs := execute(t, args...)
		if code != exitOK || !strings.Contains(out, " / "+against) {
			t.Errorf("against %s: exit code %d\n%s%s", against, code, out, errs)
		}
		if err := os.Rename(base+".svg", base+against+".svg"); err != nil {
			t.Error(err)
		}
	}
}

func TestBenchClusterRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"--replicas", "2"}, {"--workload", "ycsb"}, {"--durability", "none"}, {"--threads", "0"}, {"--records", "1", "--workload", "ycsb++"},
		{"--kill", "1", "--replicas", "1"}, {"--kill", "1", "--unreplicated"}, {"--pause", "-1"}, {"--plot", "nowhere/x"}, {"--kill", "1", "--plot", "nowhere/x"}, {"--election-timeout", "0s"}, {"extra"},
		{"--sessions", "-1"}, {"--round-trip", "-1s"}, {"--jitter", "-1s"}, {"--bandwidth", "-1"}, {"--round-trip", "1ms", "--unreplicated"},
		{"--engine", "raft"}, {"--fault", "hot"}, {"--fault", "stopped", "--replicas", "1"}, {"--fault", "stopped", "--unreplicated"}, {"--fault-delay", "1ms"},
		{"--fault", "slow-disk", "--fault-delay", "-1ms"}, {"--fault", "stopped", "--kill", "1"},
		{"--clients", "some"}, {"--clients", "network", "--unreplicated"}, {"--clients", "network", "--engine", "syncrepl"},
		{"--clients", "network", "--sessions", "1025"}, {"--clients", "network", "--in-flight", "5"},
	} {
		if code, out, _ := execute(t, append([]string{"bench", "cluster"}, args...)...); code != exitUsage {
			t.Errorf("%v: exit code %d\n%s", args, code, out)
		}
	}
	for _, args := range [][]string{
		{"--rounds", "0"}, {"--against", "raft"}, {"--against", ""}, {"--against", "healthy"}, {"--against", "loopback"}, {"--against", "syncrepl", "--engine", "syncrepl"},
		{"--plot", "x"}, {"--against", "syncrepl", "--clients", "network"},
	} {
		if code, out, _ := execute(t, append([]string{"bench", "cluster", "compare"}, args...)...); code != exitUsage {
			t.Errorf("compare %v: exit code %d\n%s", args, code, out)
		}
	}
}
