package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/bench"
)

// execute runs a command line and returns its exit code and what it printed.
func execute(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e strings.Builder
	code = run(t.Context(), args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// succeed is execute of something that must go well.
func succeed(t *testing.T, args ...string) (out, errs string) {
	t.Helper()
	code, out, errs := execute(t, args...)
	if code != exitOK {
		t.Fatalf("%v: exit code %d\n%s%s", args, code, out, errs)
	}
	return out, errs
}

func TestBenchTPCC(t *testing.T) {
	dir := t.TempDir()
	data, json, picture := filepath.Join(dir, "data"), filepath.Join(dir, "r.json"), filepath.Join(dir, "r")
	scale := []string{"--warehouses", "2", "--items", "300", "--customers", "30"}
	args := append([]string{
		"bench", "tpcc", "--threads", "2", "--duration", "300ms", "--warmup", "50ms", "--interval", "100ms",
		"--durability", "disk", "--dir", data, "--json", json, "--plot", picture, "--snapshot", "--checkpoint-every", "20ms",
		"--cpu-profile", filepath.Join(dir, "profile"), "--name", "mine", "--memory", "64",
	}, scale...)
	out, errs := succeed(t, args...)
	for _, want := range []string{"tpcc on mine, 2 sessions", "new-order", "stock-level", "released after", "deliveries incomplete"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in the result\n%s", want, out)
		}
	}
	for _, want := range []string{"warm-up", "measured", "in flight", "correct"} {
		if !strings.Contains(errs, want) {
			t.Errorf("no %q in the progress\n%s", want, errs)
		}
	}
	r, err := bench.ReadResult(json)
	if err != nil {
		t.Fatal(err)
	}
	if r.Executed == 0 || r.Params["warehouses"] != 2.0 || r.Settings["durability"] != "disk" || r.EngineStats["log_syncs"] == 0 ||
		r.LoadedStats["records"] == 0 || r.WorkloadStats["deliveries"] == 0 || r.Machine.Go == "" {
		t.Errorf("result %+v", r)
	}
	for _, name := range []string{"r.svg", "r.png", "profile"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s was not written: %v", name, err)
		}
	}

	out, _ = succeed(t, append([]string{"bench", "tpcc", "--check-only", "--memory", "64", "--dir", data}, scale...)...)
	if !strings.Contains(out, "tpcc: the database is consistent") {
		t.Errorf("check: %s", out)
	}
	// A database of another scale is not what this one should be.
	code, _, errs := execute(t, "bench", "tpcc", "--check-only", "--memory", "64", "--dir", data, "--warehouses", "3", "--items", "300", "--customers", "30")
	if code != exitFailed || !strings.Contains(errs, "violations of the consistency conditions") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}

func TestBenchYCSB(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.json"), filepath.Join(dir, "two.json")
	common := []string{"--records", "2000", "--threads", "1", "--duration", "100ms", "--warmup", "0s", "--quiet", "--memory", "64"}
	_, errs := succeed(t, append([]string{"bench", "ycsb++", "--durability", "none", "--table", "hash", "--theta", "0.9", "--json", one}, common...)...)
	if errs != "" {
		t.Errorf("a quiet run says %s", errs)
	}
	succeed(t, append([]string{"bench", "ycsb", "--workload", "F", "--api", "public", "--goroutines", "5", "--json", two}, common...)...)
	r, err := bench.ReadResult(two)
	if err != nil {
		t.Fatal(err)
	}
	if r.Sessions != 5 || r.Workload != "ycsb-f" || r.Params["distribution"] != "zipfian" {
		t.Errorf("result %+v", r)
	}
	out, _ := succeed(t, "bench", "compare", one, two, "--plot", filepath.Join(dir, "both"))
	if !strings.Contains(out, "1.00x") || !strings.Contains(out, "ycsb++") || !strings.Contains(out, "ycsb-f") {
		t.Errorf("comparison\n%s", out)
	}
	if _, err := os.Stat(filepath.Join(dir, "both.svg")); err != nil {
		t.Error(err)
	}
}

// A wrong command line is refused by the name of what is wrong, before a run that
// would be lost.
func TestBenchNamesWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing", "r")
	kept := filepath.Join(dir, "kept.json")
	if err := os.WriteFile(kept, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "r.svg"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		want string
		args []string
	}{
		{"--threads is 0", []string{"bench", "--threads", "0"}},
		{"--threads is -1", []string{"bench", "ycsb", "--threads", "-1"}},
		{"--goroutines is 0", []string{"bench", "tpcc", "--api", "public", "--goroutines", "0"}},
		{"--api is \"x\"", []string{"bench", "ycsb", "--api", "x"}},
		{"--checkpoint-every is -1s", []string{"bench", "tpcc", "--checkpoint-every", "-1s"}},
		{"open " + missing, []string{"bench", "tpcc", "--check-only", "--dir", missing}},
		{"Options.MemoryLimit is 92", []string{"bench", "tpcc", "--memory", "17592186044417"}}, // is 1 MiB in 64 bits
		{"unknown workload \"nope\"", []string{"bench", "nope"}},
		{"--json: open " + missing, []string{"bench", "ycsb++", "--json", missing}},
		{"--json: open " + dir, []string{"bench", "ycsb", "--json", dir}},
		{"--plot: open " + missing + ".png", []string{"bench", "tpcc", "--plot", missing}},
		{"--plot: open " + filepath.Join(dir, "r.svg"), []string{"bench", "tpcc", "--json", kept, "--plot", filepath.Join(dir, "r.png")}},
		{"--cpu-profile: open " + missing, []string{"bench", "tpcc", "--json", filepath.Join(dir, "new.json"), "--cpu-profile", missing}},
	} {
		// A run that begins, and so a late refusal, says that it loads.
		args := append(test.args, "--duration", "10ms", "--warmup", "0s")
		if !slices.Contains(args, "--check-only") {
			args = append(args, "--durability", "none")
		}
		if !slices.Contains(args, "--memory") {
			args = append(args, "--memory", "64")
		}
		code, out, errs := execute(t, args...)
		if code != exitUsage || !strings.HasPrefix(errs, "godwit: "+test.want) {
			t.Errorf("%v: exit code %d, no %q\n%s%s", test.args, code, test.want, out, errs)
		}
	}
	if text, err := os.ReadFile(kept); err != nil || string(text) != "{}" {
		t.Errorf("an earlier result was changed to %q, %v", text, err)
	}
	expectMissing(t, filepath.Join(dir, "new.json"))
	expectMissing(t, filepath.Join(dir, "r.png"))
}

func TestBenchUsage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.json")
	if err := os.WriteFile(file, []byte(`{"schema": 99}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"bench", "tpcc", "--durability", "paper"},
		{"bench", "tpcc", "--api", "x", "--durability", "none", "--memory", "64"},
		{"bench", "tpcc", "--duration", "0s"},
		{"bench", "tpcc", "--warehouses", "-1"},
		{"bench", "tpcc", "--table", "tree"},
		{"bench", "tpcc", "--check-only"},
		{"bench", "tpcc", "--durability", "none", "--dir", "x"},
		{"bench", "tpcc", "more"},
		{"bench", "ycsb", "--workload", "g"},
		{"bench", "ycsb", "--workload", "e", "--table", "hash"},
		{"bench", "ycsb++", "--theta", "1"},
		{"bench", "compare"},
		{"bench", "compare", file},
		{"bench", "compare", file + "x"},
		{"bench", "nonsense"},
	} {
		if code, out, errs := execute(t, args...); code != exitUsage || errs == "" {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, errs)
		}
	}
}
