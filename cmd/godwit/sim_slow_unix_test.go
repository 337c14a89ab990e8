//go:build unix

package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestMain makes the test's binary a member's process if it is asked to be one.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && slices.Contains([]string{"sim", "bench", "serve", "demo"}, os.Args[1]) {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestSimSlowOnSockets(t *testing.T) {
	if testing.Short() {
		t.Skip("measures for seconds")
	}
	// A ballast takes the right to raise a priority, and Linux.
	ballast := fmt.Sprintf("--ballast=%t", runtime.GOOS == "linux" && os.Geteuid() == 0)
	for _, protocol := range []string{"raft", "copilot"} {
		code, out, errs := runSim("slow", "--protocol", protocol, ballast, "--rounds", "2", "--run", "20ms", "--sockets", "--leader=false", "--faults", "slow disk,stopped", "--dir", t.TempDir())
		if code != exitOK || !strings.Contains(out, "none            none           2") || !strings.Contains(out, "follower        slow disk      2") || !strings.Contains(out, "not shown") {
			t.Errorf("%s: exit code %d\n%s%s", protocol, code, out, errs)
		}
	}
	code, out, errs := runSim("slow", "--run", "20ms", "--sockets", "--pause", "200ms", "--dir", t.TempDir())
	if code != exitOK || !strings.Contains(out, "caught up in") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}
