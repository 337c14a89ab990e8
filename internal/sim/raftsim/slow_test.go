package raftsim

import (
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/raft"
)

// One slow follower of three costs next to nothing, however it is slow.
func TestSlowFollower(t *testing.T) {
	if testing.Short() {
		t.Skip("simulated times are the same in the long form")
	}
	const (
		lossMax = 0.03 // of throughput
		riseMax = 0.08 // of p99
	)
	d, faults := time.Second, sim.SlowFaults()
	if slowdown > 1 {
		d, faults = 300*time.Millisecond, faults[3:4]
	}
	healthy, err := MeasureSlow(1, sim.SlowFault{}, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%-10s %v", "healthy", healthy)
	var worstLoss, worstRise float64
	for _, f := range faults {
		slow, err := MeasureSlow(1, f, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		loss := 1 - slow.PerSecond/healthy.PerSecond
		rise := float64(slow.P99)/float64(healthy.P99) - 1
		t.Logf("%-10s %v: throughput %+.1f %%, p99 %+.1f %%", f.Name, slow, -100*loss, 100*rise)
		if loss > lossMax || rise > riseMax {
			t.Errorf("%s: too much", f.Name)
		}
		worstLoss, worstRise = max(worstLoss, loss), max(worstRise, rise)
	}
	t.Logf("bar: one slow follower of 3, simulated: loss of throughput, rise of p99 | %.1f %%, %.1f %% | at most 3 %%, 8 %%", 100*worstLoss, 100*worstRise)
}

// The waits of a run with faults show no slowness that propagates.
func TestNoFalseAlarm(t *testing.T) {
	for _, f := range sim.SlowFaults() {
		rec := quorum.NewRecorder()
		if _, err := MeasureSlow(2, f, 100*time.Millisecond/slowdown, rec); err != nil {
			t.Fatal(err)
		}
		if len(rec.Waits()) < 20 {
			t.Errorf("%s: only %d kinds of waits were seen", f.Name, len(rec.Waits()))
		}
		for _, s := range quorum.FailSlow(rec.Waits(), Excuses()...) {
			t.Errorf("%s: %v", f.Name, s)
		}
	}
}

// A follower that is stopped for ten minutes costs its leader a bound of memory,
// and gets a snapshot when it is back.
func TestMemoryBehindAStoppedFollower(t *testing.T) {
	w := sim.New(3, nil)
	defer w.Close()
	const snapshotEntries = 200
	c := NewCluster(w, 3, 3, raft.Options{SnapshotEntries: snapshotEntries})
	c.Network = quorum.Options{OutboxMessagesMax: 100, OutboxBytesMax: 64 << 10}
	c.Start()
	if !w.RunUntil(10*time.Second, func() bool { return c.Leader() != nil }) {
		t.Fatal("no leader")
	}
	c.AddClients(1, 10, 50*time.Millisecond)
	leader := c.Leader()
	id := leader.Status().Leader
	stopped := env.NodeID(1)
	if id == stopped {
		stopped = 2
	}
	w.Node(stopped).Pause(10 * time.Minute)
	entries := 0
	for range 60 {
		if err := w.Run(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		if entries = max(entries, leader.Status().Entries); entries > snapshotEntries {
			t.Fatalf("%d entries in memory", entries)
		}
	}
	s := c.members[id].endpoint.Stats()
	if s.OutboxBytesPeak == 0 || s.OutboxBytesPeak > 64<<10 {
		t.Errorf("%d bytes in an outbox", s.OutboxBytesPeak)
	}
	t.Logf("bar: leader's memory, a follower stopped for 10 minutes | outbox %d bytes, %d entries | at most %d bytes, %d entries", s.OutboxBytesPeak, entries, 64<<10, snapshotEntries)
	if leader.Status().Leader != id || c.Succeeded() < 8_000 {
		t.Errorf("leader n%d, %d requests", leader.Status().Leader, c.Succeeded())
	}
	if err := c.Settle(10 * time.Second); err != nil {
		t.Error(err)
	}
}
