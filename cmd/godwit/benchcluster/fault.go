package benchcluster

import (
	"context"
	"fmt"
	"time"

	"github.com/godwitdb/godwit/cmd/godwit/benchnode"
	"github.com/godwitdb/godwit/internal/env"
)

// Fault is what is wrong with one follower while the workload runs. The data are loaded
// before, and checked when it has gone.
type Fault struct {
	Kind FaultKind `json:"kind"`
	// Delay is how much longer a sync takes, or a message each way.
	Delay time.Duration `json:"delay_ns,omitempty"`
}

// FaultKind says what is wrong.
type FaultKind string

// The kinds of faults.
const (
	Stopped  FaultKind = "stopped"   // the process, by SIGSTOP
	SlowDisk FaultKind = "slow-disk" // each sync takes longer
	SlowLink FaultKind = "slow-link" // each message takes longer; needs Links
)

// Validate tells whether there is such a fault.
func (k FaultKind) Validate() error {
	switch k {
	case Stopped, SlowDisk, SlowLink:
		return nil
	}
	return fmt.Errorf("%q is none of %s, %s and %s", string(k), Stopped, SlowDisk, SlowLink)
}

// hurt makes something wrong with the first follower, and returns what ends it.
func (c *cluster) hurt(f *Fault) (heal func() error, err error) {
	var m *one
	for _, id := range c.ids() {
		if l := c.leader(); l == nil || l.setup.ID != id {
			m = c.members[id]
			break
		}
	}
	c.say("member %d has a fault: %s %v", m.setup.ID, f.Kind, f.Delay)
	switch f.Kind {
	case Stopped:
		return m.process.Resume, m.process.Pause()
	case SlowDisk:
		slow := func(d time.Duration) error { return m.process.order(Order{Disk: &benchnode.DiskOrder{SyncDelay: d}}) }
		return func() error { return slow(0) }, slow(f.Delay)
	case SlowLink:
		c.delay(m.setup.ID, f.Delay)
		return func() error { c.delay(m.setup.ID, 0); return nil }, nil
	}
	return nil, f.Kind.Validate()
}

// recover ends a fault and waits until all members have what is certain.
func (c *cluster) recover(ctx context.Context, leader env.NodeID, heal func() error) error {
	if err := heal(); err != nil {
		return err
	}
	return c.awaitApplied(ctx, c.members[leader].last().Applied)
}
