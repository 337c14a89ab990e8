package godwit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env/faultfs"
)

const (
	smallDiskRows     = 20
	smallDiskRowBytes = 100_000
)

// onSmallDisks is a group whose replicas have disks of their own.
func onSmallDisks(t *testing.T, edit func(*Options)) (*testCluster, map[NodeID]*faultfs.FS) {
	t.Helper()
	disks := map[NodeID]*faultfs.FS{1: faultfs.New(1), 2: faultfs.New(2), 3: faultfs.New(3)}
	c := newTestCluster(t, 3, func(o *Options) {
		o.fs = disks[o.Cluster.Node]
		edit(o)
	})
	c.createTable("t")
	return c, disks
}

func putRow(c *testCluster, n int) {
	c.t.Helper()
	c.put("t", fmt.Sprint(n%smallDiskRows), make([]byte, smallDiskRowBytes))
}

// Replicas whose log is larger than their disks make checkpoints before one is due, for which the log
// has left room, and go on.
func TestClusterOnDisksSmallerThanItsLog(t *testing.T) {
	t.Parallel()
	const capacity = 16 << 20
	for range 4 { // a checkpoint and what the one before makes room for are in a race
		t.Run("", func(t *testing.T) {
			t.Parallel()
			c, disks := onSmallDisks(t, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil)) })
			for _, f := range disks {
				f.SetCapacity(f.UsedBytes() + capacity)
			}
			for n := range 2 * capacity / smallDiskRowBytes {
				putRow(c, n)
			}
		})
	}
}

// A full disk is a replica's own affair while the others are a majority. When all are full, calls wait, and
// go on when there is room; and a replica that waits for room can be closed.
func TestClusterGoesOnWhenThereIsRoom(t *testing.T) {
	c, disks := onSmallDisks(t, func(o *Options) { o.CheckpointBytes = -1 })
	leader, _ := c.leader()
	follower, _ := c.follower()
	for _, id := range []NodeID{follower, leader} {
		disks[id].SetCapacity(1)
		for n, full := 0, false; !full; n++ {
			putRow(c, n)
			s, err := c.nodes[id].Status(c.ctx)
			must(t, err)
			full = s.DiskFull
		}
		for n := range smallDiskRows {
			putRow(c, n) // without it
		}
		disks[id].SetCapacity(0)
	}
	for _, f := range disks {
		f.SetCapacity(1)
	}
	var err error
	for n := 0; err == nil; n++ {
		if n == 200 {
			t.Fatal("rows are released though all disks are full")
		}
		_, db := c.leader()
		ctx, cancel := context.WithTimeout(c.ctx, time.Second)
		err = db.Update(ctx, func(tx *Tx) error {
			table, err := db.Table("t")
			if err != nil {
				return err
			}
			return tx.Put(table, fmt.Append(nil, n), make([]byte, smallDiskRowBytes))
		})
		cancel()
	}
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrNotLeader) {
		t.Errorf("with full disks: %v", err)
	}
	follower, _ = c.follower()
	c.stop(follower)
	for _, f := range disks {
		f.SetCapacity(0)
	}
	putRow(c, 0)
}

// A leader whose disk is full gives the lead to a replica that has room, and more is written after that than
// may wait for a disk. It votes, and does not lead while it waits.
func TestClusterLeaderWithAFullDisk(t *testing.T) {
	c, disks := onSmallDisks(t, func(o *Options) { o.CheckpointBytes = -1 })
	id, _ := c.leader()
	disks[id].SetCapacity(1)
	put := func(n int) error {
		ctx, cancel := context.WithTimeout(c.ctx, time.Second)
		defer cancel()
		_, db := c.leader()
		return db.Update(ctx, func(tx *Tx) error {
			table, err := db.Table("t")
			if err != nil {
				return err
			}
			return tx.Put(table, fmt.Append(nil, n%8), make([]byte, 1<<20))
		})
	}
	for n := range 80 {
		err := put(n)
		// What was under way when the lead went is known there when the disk has room: it is asked again.
		for errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrNotLeader) || errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			must(t, c.ctx.Err())
			err = put(n)
		}
		must(t, err)
	}
	if now, _ := c.leader(); now == id {
		t.Errorf("node %d leads with a full disk", id)
	}
}
