package benchcluster

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

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
		return func() error { return resumeProcess(m.process.cmd.Process) }, pauseProcess(m.process.cmd.Process)
	case SlowDisk:
		slow := func(d time.Duration) error { return m.process.order(Order{Disk: &DiskOrder{SyncDelay: d}}) }
		return func() error { return slow(0) }, slow(f.Delay)
	case SlowLink:
		c.delay(m.setup.ID, f.Delay)
		return func() error { c.delay(m.setup.ID, 0); return nil }, nil
	}
	return nil, f.Kind.Validate()
}

// recover ends a fault and waits until all members have what is certain.
func (c *cluster) recover(ctx context.Context, heal func() error) error {
	if err := heal(); err != nil {
		return err
	}
	return c.awaitApplied(ctx, c.members[c.result.from.id].last().Applied)
}

// slowDisk is a file system whose syncs take longer, if it is told so.
type slowDisk struct {
	env.FS
	delay atomic.Int64 // nanoseconds
}

// wait is what a sync takes longer.
func (s *slowDisk) wait() {
	if d := time.Duration(s.delay.Load()); d > 0 {
		time.Sleep(d)
	}
}

func (s *slowDisk) file(f env.File, err error) (env.File, error) {
	if err != nil {
		return nil, err
	}
	return &slowFile{f, s}, nil
}

// Create implements env.FS.
func (s *slowDisk) Create(name string) (env.File, error) { return s.file(s.FS.Create(name)) }

// Open implements env.FS.
func (s *slowDisk) Open(name string) (env.File, error) { return s.file(s.FS.Open(name)) }

// SyncDir implements env.FS.
func (s *slowDisk) SyncDir(dir string) error {
	s.wait()
	return s.FS.SyncDir(dir)
}

// slowFile is a file that was opened for writing.
type slowFile struct {
	env.File
	disk *slowDisk
}

// Sync implements env.File.
func (f *slowFile) Sync() error {
	f.disk.wait()
	return f.File.Sync()
}
