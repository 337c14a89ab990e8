package streamsim

import (
	"path/filepath"
	"time"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/rot"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
)

// Damaged is a group of which one member at a time loses its power, and a part of what is on
// its disk.
func Damaged(w *sim.World) error {
	c := NewCluster(w, 3, 3, stream.Options{
		ElectionTimeout: time.Duration(w.Choose("election timeout in ms", 100, 500)) * time.Millisecond,
		PieceBytesMax:   64 << w.Choose("bytes in a piece", 0, 10),
		TailBytesMax:    1 << (10 + w.Choose("tail", 0, 10)),
	})
	c.Pause = time.Duration(w.Choose("pause in ms", 1, 10)) * time.Millisecond
	c.CheckpointRounds = wal.RoundNumber(64 << w.Choose("checkpoints are rare", 0, 5))
	c.damages = true
	return c.losing(nil)
}

// hurtBesideSlow damages n while the other follower's disk is slow, and has the leader pause
// when n has not got back what it had.
func (c *Cluster) hurtBesideSlow(l, n, other *sim.Node) {
	rng := c.world.Rand()
	some := func(d time.Duration) time.Duration { return time.Duration(rng.ExpFloat64() * float64(d)) }
	fast := other.Disk.SyncDelay
	other.Disk.SyncDelay = 2 * c.Stream.ElectionTimeout
	c.world.After(some(c.Stream.ElectionTimeout/2), func() {
		c.forgetting = false
		if c.spared || !c.whole() {
			other.Disk.SyncDelay = fast
			return // more than one would be away
		}
		n.Crash(true)
		c.hurt(n)
		n.Start()
		look := 0
		var watch func()
		watch = func() {
			m := c.members[n.ID()]
			if look++; look < 500 && (!m.works() || m.group.Status().Damaged != nil || m.group.Status().First == 1) {
				c.world.After(time.Millisecond, watch)
				return
			}
			other.Disk.SyncDelay = fast
			l.Pause(some(4 * c.Stream.ElectionTimeout))
		}
		watch()
	})
}

// hurt damages what a member that is down has in its log, in one place.
func (c *Cluster) hurt(n *sim.Node) {
	if rot.Log(n, filepath.Join(folder, segmentDir), segmentBytes) {
		c.hurts++
	}
}
