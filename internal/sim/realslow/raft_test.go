package realslow

import (
	"testing"
	"time"
)

// On real sockets and files nobody waits for a slow follower: with a node that is
// 50 ms away, or syncs for 100 ms, half of the requests still take much less. What
// it costs exactly is measured by godwit sim slow --sockets: beside other tests a
// few per cent mean nothing.
func TestSlowFollowerOnRealSockets(t *testing.T) {
	const warmUp, d = 20 * time.Millisecond, 150 * time.Millisecond
	healthy, err := Raft(t.Context(), t.TempDir(), Fault{}, false, warmUp, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%-10s %v", "healthy", healthy)
	for _, f := range Faults() {
		s, err := Raft(t.Context(), t.TempDir(), f, false, warmUp, d)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		t.Logf("%-10s %v", f.Name, s)
		if s.P50 > max(40*time.Millisecond, 5*healthy.P50) {
			t.Errorf("%s: half of the requests take more than %v, %v without it", f.Name, s.P50, healthy.P50)
		}
	}
}

// A leader that stops is replaced.
func TestStoppedLeaderOnRealSockets(t *testing.T) {
	stopped := Faults()[4]
	s, err := Raft(t.Context(), t.TempDir(), stopped, true, 0, 3*time.Second)
	if err != nil || stopped.Name != "stopped" {
		t.Error(stopped.Name, err)
	}
	t.Logf("%v", s)
}
