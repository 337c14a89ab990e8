package streamsim

import (
	"time"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/quorum"
)

// Scenarios returns what can be run.
func Scenarios() []sim.Scenario {
	return []sim.Scenario{
		{Name: "streams", Doc: "a replica group's log of rounds under a mix of faults that each seed draws; what was released survives, final watermarks are unique", Run: Faults},
		{Name: "streams-hunt", Doc: "the same with frequent faults, most of them for its leader", Run: Hunt},
	}
}

// Faults is a group under a mix of faults.
func Faults(w *sim.World) error {
	_, err := faults(w, w.DrawFaults(), nil)
	return err
}

// faults runs a group under a mix of faults and judges it. prepare, if not nil, is
// called before the group starts.
func faults(w *sim.World, mix sim.Faults, prepare func(*Cluster)) (*Cluster, error) {
	c := NewCluster(w, 3+2*w.Choose("five members", 0, 1), stream.Options{
		ElectionTimeout:   time.Duration(w.Choose("election timeout in ms", 100, 500)) * time.Millisecond,
		PieceBytesMax:     64 << w.Choose("bytes in a piece", 0, 10),
		WindowRequestsMax: w.Choose("requests in a window", 1, 16),
		BacklogBytesMax:   4 << (10 + w.Choose("backlog", 0, 6)),
		TailBytesMax:      1 << (10 + w.Choose("tail", 0, 10)),
	})
	c.Network = quorum.Options{OutboxMessagesMax: 64 << w.Choose("outbox", 0, 4), OutboxBytesMax: 1 << 20}
	c.Streams, c.Keys = w.Choose("streams", 1, 4), w.Choose("keys", 1, 4)
	c.Pause = time.Duration(w.Choose("pause in ms", 1, 30)) * time.Millisecond
	if prepare != nil {
		prepare(c)
	}
	c.Start()
	w.Prey = func() *sim.Node {
		if l := c.Leader(); l != nil {
			return l.node
		}
		return nil
	}
	calm := w.Chaos(mix)
	if err := w.Run(time.Duration(w.Choose("seconds", 1, 20)) * time.Second); err != nil {
		return c, err
	}
	calm()
	if err := w.Run(2 * time.Second); err != nil {
		return c, err
	}
	return c, c.Settle(time.Minute)
}
