package godwit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// counted counts measurements.
type counted struct{ released, synced, checkpointed atomic.Int64 }

func (c *counted) Released(time.Duration) { c.released.Add(1) }

func (c *counted) LogSynced(_ time.Duration, bytes int64) { c.synced.Add(bytes) }

func (c *counted) Checkpointed(_ time.Duration, bytes int64) { c.checkpointed.Add(bytes) }

// TestClusterStats: a replica's figures and measurements are those of its own log and checkpoint.
func TestClusterStats(t *testing.T) {
	var m counted
	c := newTestCluster(t, 1, func(o *Options) { o.Metrics = &m })
	c.createTable("t")
	c.put("t", "key", make([]byte, 100<<10))
	_, db := c.leader()
	s := db.Stats()
	if l := s.Log; l.Rounds == 0 || l.Syncs == 0 || l.WrittenBytes < 100<<10 || l.Segments != 1 || l.DiskBytes < 1<<20 || l.Failed != nil || l.SyncP99 < l.SyncP50 {
		t.Errorf("%+v", l)
	}
	if s.Checkpoint != (CheckpointStats{}) {
		t.Errorf("%+v", s.Checkpoint)
	}
	must(t, db.Checkpoint(c.ctx))
	made := db.Stats().Checkpoint
	if made.Records < 1 || made.Bytes < 1 || made.Running || made.Timestamp < s.Released {
		t.Errorf("%+v", made)
	}
	if m.released.Load() < 1 || m.synced.Load() < 100<<10 || m.checkpointed.Load() != made.Bytes {
		t.Errorf("%d released, %d bytes synced, %d in a checkpoint of %d", m.released.Load(), m.synced.Load(), m.checkpointed.Load(), made.Bytes)
	}
	c.stop(1)
	if again := c.start(1, false).Stats().Checkpoint; again != made {
		t.Errorf("%+v, after a restart %+v", made, again)
	}
}

// rot changes a byte in the middle of each file below a folder.
func rot(t *testing.T, dir, pattern string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	must(t, err)
	if len(names) == 0 {
		t.Fatalf("there is no %s in %s", pattern, dir)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		must(t, err)
		at := bytes.LastIndex(data, []byte("value"))
		if at < 0 {
			t.Fatalf("%s has no value", name)
		}
		data[at] ^= 1
		must(t, os.WriteFile(name, data, 0o600))
	}
}

// TestClusterRefill: a replica whose checkpoint is damaged says what to do, and gets another's then.
func TestClusterRefill(t *testing.T) {
	refill := false
	c := newTestCluster(t, 3, func(o *Options) { o.Cluster.Refill = refill })
	c.createTable("t")
	at := c.put("t", "key", []byte("value"))
	for _, db := range c.nodes {
		c.wantAt(db, at, "t", "key", "value")
		must(t, db.Checkpoint(c.ctx))
	}
	id, _ := c.follower()
	c.stop(id)
	rot(t, c.dirs[id], "checkpoint/*/*")
	if db, err := Open(c.dirs[id], c.options(id, false)); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "Cluster.Refill") {
		t.Fatalf("%v, %v", db, err)
	}
	refill = true
	at = c.put("t", "other", []byte("value"))
	db := c.start(id, false)
	c.wantAt(db, at, "t", "key", "value")
	c.wantAt(db, at, "t", "other", "value")
}

// TestClusterDamaged: a replica says what of its log is damaged. One that is alone leads no more: nobody else
// has it.
func TestClusterDamaged(t *testing.T) {
	c := newTestCluster(t, 1, nil)
	c.createTable("t")
	c.put("t", "key", []byte("value"))
	c.put("t", "key", []byte("last"))
	c.stop(1)
	rot(t, c.dirs[1], "log/*")
	db := c.start(1, false)
	eventually(t, func() error {
		s, err := db.Status(c.ctx)
		if err != nil || !errors.Is(s.Damaged, ErrCorrupt) || !strings.Contains(s.Damaged.Error(), c.dirs[1]) || s.Leading {
			return fmt.Errorf("%+v, %w", s, err)
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(c.ctx, 20*time.Millisecond)
	defer cancel()
	if err := db.View(ctx, func(*Tx) error { return nil }); !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v", err)
	}
}
