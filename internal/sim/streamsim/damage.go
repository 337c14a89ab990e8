package streamsim

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/godwitdb/godwit/internal/sim"
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
	c.Start()
	mix := w.DrawFaults()
	mix = sim.Faults{Every: time.Hour, Link: mix.Link, Disk: mix.Disk}
	mix.Disk.CrashChance, mix.Disk.StallChance = 0, 0
	calm := w.Chaos(mix)
	c.forget()
	if err := w.Run(time.Duration(w.Choose("seconds", 1, 20)) * time.Second); err != nil {
		return err
	}
	c.spared = true
	calm()
	if err := w.Run(2 * time.Second); err != nil {
		return err
	}
	return c.Settle(time.Minute)
}

// hurtBesideSlow damages n while the other follower's disk is slow, and has the leader pause
// when n has not got back what it had.
func (c *Cluster) hurtBesideSlow(l, n, other *sim.Node) {
	rng := c.world.Rand()
	some := func(d time.Duration) time.Duration { return time.Duration(rng.ExpFloat64() * float64(d)) }
	fast := other.Disk.SyncDelay
	other.Disk.SyncDelay = 2 * c.Stream.ElectionTimeout
	c.world.After(some(c.Stream.ElectionTimeout/2), func() {
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

// hurt damages what a member that is down has in its log, in one place. Not in the newest
// segment's rounds: the last of them may have no witness, and would be taken for torn.
func (c *Cluster) hurt(n *sim.Node) {
	rng, files, dir := c.world.Rand(), n.Files(), filepath.Join(folder, segmentDir)
	names, err := files.List(dir)
	var segments []string
	for _, base := range names {
		name := filepath.Join(dir, base)
		if b, err := files.ReadFile(name); err == nil && strings.HasSuffix(base, ".seg") && len(b) >= sector && b[0] != 0 {
			segments = append(segments, name)
		}
	}
	if err != nil || len(segments) == 0 {
		return
	}
	newest := len(segments) - 1
	i := max(0, newest-rng.IntN(5))
	name, what := segments[i], rng.IntN(6)
	at := int64(rng.IntN(sector / 16)) // in the segment's header
	if i < newest && what < 5 {
		at = rng.Int64N(segmentBytes)
	}
	c.hurts++
	switch {
	case what == 0:
		err = files.Remove(name)
	case what == 1 && i < newest: // a write went astray
		err = files.Misplace(name, at-at%sector, make([]byte, sector))
	case what == 2 && i < newest:
		err = files.Misplace(name, at-at%sector, must(files.ReadFile(segments[newest]))[:sector])
	default:
		err = files.FlipBit(name, at, uint(rng.IntN(8)))
	}
	c.world.Logf("n%d: %s is damaged at %d, kind %d: %v", n.ID(), name, at, what, err)
}

// sector is how much a write that goes astray destroys.
const sector = 4096

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
