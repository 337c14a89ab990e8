//go:build unix

package realslow

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
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
		Dir: t.TempDir(), Clients: 16, WarmUp: 20 * time.Millisecond, Window: 150 * time.Millisecond,
	}
}

// On real sockets and files nobody waits for a slow follower: with a node that is
// 50 ms away, or syncs for 100 ms, half of the requests still take much less. What
// it costs exactly is measured by godwit sim slow --sockets: beside other tests a
// few per cent mean nothing.
func TestSlowFollower(t *testing.T) {
	for _, p := range Protocols() {
		for _, f := range append(Faults(), NoFault()) {
			trial := short(t, p)
			trial.Victim = p.Leaders
			r, err := trial.Run(t.Context(), f)
			if err != nil {
				t.Errorf("%s, %s: %v", p.Name, f.Name, err)
				continue
			}
			t.Logf("%s, %-10s %v, before %v", p.Name, f.Name, r.Faulty, r.Healthy)
			if r.Healthy.PerSecond == 0 || r.Faulty.PerSecond == 0 || r.Faulty.P50 > max(40*time.Millisecond, 5*r.Healthy.P50) {
				t.Errorf("%s, %s: half of the requests take more than %v, %v without it", p.Name, f.Name, r.Faulty.P50, r.Healthy.P50)
			}
		}
	}
}

// A follower that is stopped by a signal costs its leader no more memory than what
// is configured, and nobody waits for it. When it goes on it catches up, from a
// snapshot.
func TestPausedFollower(t *testing.T) {
	const outboxMax, entriesMax, atATime = 64 << 10, 2000, 16
	trial := short(t, raftProtocol())
	trial.Victim, trial.Clients, trial.SnapshotEntries = 1, atATime, entriesMax
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

// A leader that is killed is replaced.
func TestKilledLeader(t *testing.T) {
	trial := short(t, raftProtocol())
	trial.Window = 2500 * time.Millisecond
	for _, f := range Faults() {
		if f.Name != "stopped" {
			continue
		}
		r, err := trial.Run(t.Context(), f)
		if err != nil || r.Faulty.PerSecond == 0 {
			t.Errorf("%v: %v", r.Faulty, err)
		}
		return
	}
	t.Error("nobody is killed")
}
