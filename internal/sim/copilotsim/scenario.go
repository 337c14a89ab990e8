package copilotsim

import (
	"time"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/copilot"
)

// Scenarios returns what can be run.
func Scenarios() []sim.Scenario {
	return []sim.Scenario{
		{Name: "copilot", Doc: "Copilot under a mix of faults that each seed draws; clients' reads and writes are linearizable", Run: Faults},
	}
}

// Faults is a cluster under a mix of faults.
func Faults(w *sim.World) error {
	rng := w.Rand()
	members := []int{3, 3, 3, 5, 5}[rng.IntN(5)]
	o := copilot.Options{
		ElectionTimeout: time.Duration(100+rng.IntN(400)) * time.Millisecond,
		TakeoverTimeout: time.Duration(2+rng.IntN(20)) * time.Millisecond,
		PingPong:        time.Duration(rng.IntN(4000)) * time.Microsecond,
		BatchBytesMax:   1 << (5 + rng.IntN(10)),
		EntriesMax:      1 + rng.IntN(16),
		SnapshotEntries: 8 << rng.IntN(6),
	}
	c := NewCluster(w, members, o)
	c.Network = quorum.Options{OutboxMessagesMax: 64 << rng.IntN(5), OutboxBytesMax: 1 << 20}
	c.Start()
	c.AddClients(2+rng.IntN(6), 1+rng.IntN(4), time.Duration(1+rng.IntN(60))*time.Millisecond)
	calm := w.Chaos(w.DrawFaults())
	if err := w.Run(time.Duration(5+rng.IntN(15)) * time.Second); err != nil {
		return err
	}
	calm()
	if err := w.Run(2 * time.Second); err != nil {
		return err
	}
	if err := c.Settle(time.Minute); err != nil {
		return err
	}
	if c.unread != nil {
		return c.unread // nothing has damaged a disk
	}
	return c.Check()
}
