//go:build unix

package realslow

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/godwitdb/godwit/quorum"
)

// memberVariable makes the test's binary a member's process.
const memberVariable = "GODWIT_REALSLOW_MEMBER"

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(memberVariable) == "" {
		os.Exit(m.Run())
	}
	if err := Serve(context.Background(), os.Stdin, os.Stdout, Protocols()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// short is a trial that proves something even beside other tests.
func short(t *testing.T, p Protocol) Trial {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Trial{
		Protocol: p,
		Command: func(ctx context.Context) *exec.Cmd {
			cmd := exec.CommandContext(ctx, binary)
			cmd.Env = append(os.Environ(), memberVariable+"=1")
			return cmd
		},
		Dir: t.TempDir(), Clients: 16, WarmUp: 20 * time.Millisecond, Window: 150 * time.Millisecond, Settle: 10 * time.Millisecond,
	}
}

// faultCases are all faults of one member.
func faultCases(victim int, faults ...Fault) (cases []Case) {
	for _, f := range faults {
		cases = append(cases, Case{f, victim})
	}
	return cases
}

// nobodyWaits runs cases and demands that half of the requests take much less than
// what a slow member takes, which is away by 50 ms, or syncs for 100 ms. What it
// costs exactly is measured by godwit sim slow --sockets: beside other tests a few
// per cent mean nothing. Those may take the processors away for as long as that, too, so what
// looks slow is looked at again: who waited for a slow member would do so every time.
func nobodyWaits(t *testing.T, p Protocol, window time.Duration, cases []Case) {
	t.Helper()
	const attempts = 3
	for range attempts {
		if cases = slowCases(t, p, window, cases); len(cases) == 0 {
			return
		}
	}
	t.Errorf("half of the requests take too long, each of %d times, with %v", attempts, cases)
}

// slowCases runs cases and returns those in which requests took long.
func slowCases(t *testing.T, p Protocol, window time.Duration, cases []Case) (slow []Case) {
	t.Helper()
	trial := short(t, p)
	trial.Window = window
	pairs, err := trial.Run(t.Context(), cases)
	if err != nil {
		t.Fatalf("%s: %v", p.Name, err)
	}
	for i, r := range pairs {
		name := fmt.Sprintf("%s, member %d, %s", p.Name, cases[i].Victim+1, cases[i].Fault.Name)
		t.Logf("%-30s %v, without it %v", name, r.Faulty, r.Healthy)
		if r.Healthy.PerSecond == 0 || r.Faulty.PerSecond == 0 || r.Faulty.P50 > max(40*time.Millisecond, 5*r.Healthy.P50) {
			slow = append(slow, cases[i])
		}
	}
	return slow
}

// On real sockets and files nobody waits for a slow member that does not lead. It
// has caught up when the next one is slow.
func TestSlowFollower(t *testing.T) {
	for _, p := range Protocols() {
		nobodyWaits(t, p, 150*time.Millisecond, faultCases(p.Leaders, append(Faults(), NoFault())...))
	}
}

// With Copilot nobody waits for a slow pilot either, whichever it is. A takeover
// soon after another one takes longer, so each fault has a cluster of its own; and
// beside other tests it takes longer than the few milliseconds that it should.
func TestSlowPilot(t *testing.T) {
	faults := Faults()
	if testing.Short() {
		faults = faults[:1]
	}
	for i, f := range faults {
		nobodyWaits(t, copilotProtocol(), time.Second, faultCases(i%2, f))
	}
}

// A follower that is stopped by a signal costs its leader no more memory than what
// is configured, and nobody waits for it. When it goes on it catches up, from a
// snapshot.
func TestPausedFollower(t *testing.T) {
	const outboxMax, entriesMax, atATime = 64 << 10, 2000, 16
	trial := short(t, raftProtocol())
	trial.Clients, trial.SnapshotEntries = atATime, entriesMax
	trial.Network = quorum.Options{OutboxBytesMax: outboxMax, OutboxMessagesMax: 100}
	p, err := trial.Pause(t.Context(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(p)
	if p.OutboxBytes == 0 || p.OutboxBytes > outboxMax {
		t.Errorf("%d bytes in an outbox", p.OutboxBytes)
	}
	if p.Entries == 0 || p.Entries > entriesMax+atATime+1 {
		t.Errorf("%d entries in memory", p.Entries)
	}
	if p.Failed > 0 || p.Faulty.PerSecond == 0 {
		t.Errorf("%d requests failed, %v", p.Failed, p.Faulty)
	}
}

// A leader that is killed is replaced, and follows when it is back.
func TestKilledLeader(t *testing.T) {
	trial := short(t, raftProtocol())
	trial.Window = 2500 * time.Millisecond
	faults := slices.DeleteFunc(Faults(), func(f Fault) bool { return f.Name != "stopped" })
	pairs, err := trial.Run(t.Context(), faultCases(0, faults...))
	if err != nil || len(pairs) != 1 || pairs[0].Faulty.PerSecond == 0 {
		t.Errorf("%v: %v", pairs, err)
	}
}
