package shard

import (
	"context"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// TestWrongOptions: wrong options are refused before anything is made on the disk.
func TestWrongOptions(t *testing.T) {
	c := newCluster(t, 1)
	for what, change := range map[string]func(o *Options){
		"no workers":        func(o *Options) { o.Workers = 0 },
		"too many":          func(o *Options) { o.Workers = wal.StreamsMax + 1 },
		"negative wait":     func(o *Options) { o.RoundWait = -time.Second },
		"negative steps":    func(o *Options) { o.StepBytesMax = -1 },
		"negative pending":  func(o *Options) { o.PendingBytesMax = -1 },
		"negative parallel": func(o *Options) { o.ReplayParallel = -1 },
		"negative timeout":  func(o *Options) { o.Group.ElectionTimeout = -time.Second },
		"slow heartbeat":    func(o *Options) { o.Group.Heartbeat = o.Group.ElectionTimeout },
		"voter 0":           func(o *Options) { o.Group.Members.Voters = []quorum.NodeID{0, 1} },
		"voter twice":       func(o *Options) { o.Group.Members.Voters = []quorum.NodeID{1, 2, 1} },
	} {
		fs := faultfs.New(1)
		c.disks[1] = fs
		before := c.options
		change(&c.options)
		if n, err := c.open(1); err == nil {
			t.Errorf("%s: it opens", what)
			n.stop()
		}
		c.options = before
		if names := fs.Names(); len(names) > 0 {
			t.Errorf("%s: %v was made", what, names)
		}
	}
}

// TestDefaultLogf: what a replica has to say has no place to go by default.
func TestDefaultLogf(t *testing.T) {
	o, err := Options{Workers: 1, Arena: testArena(t)}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	o.Group.Logf("checkpoint failed: %v", context.Canceled)
}
