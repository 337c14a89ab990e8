package wal

import (
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/cpu"
	"github.com/godwitdb/godwit/internal/env"
)

// What the flusher is doing.
const (
	flusherBusy    uint32 = iota // it will look at the streams again before it sleeps
	flusherIdle                  // it sleeps until something is appended
	flusherTimed                 // it sleeps until a time has come or a round is full
	flusherPaced                 // it takes a break, until that ends or somebody is in a hurry
	flusherSyncing               // it sleeps until the disk is done
	flusherLent                  // it sleeps, and somebody else does its work (Log.Release)
)

// Why Throttle does not let workers through at once.
const (
	gatePending uint32 = 1 << iota // too many bytes wait to be written
	gateDiskFull
	gateStalled // nothing has become durable for too long
	gateFailed
	gateClosed
)

// group is what the streams share with the flusher. The words that every commit
// reads lie apart from the one that appends write.
type group struct {
	_ [cpu.CacheLineBytes]byte
	// flusher is one of the constants above. The flusher sets it to anything,
	// whoever wakes it to flusherBusy.
	flusher atomic.Uint32
	// gate holds the reasons why workers have to wait before their commit phase,
	// 0 almost always. Written by the flusher, the preparer and the streams, read
	// by Throttle.
	gate atomic.Uint32
	// held is how many hold the flusher: appends do not wake it.
	held atomic.Int32
	// overdue tells who does the flusher's work that it is to be woken. Written by the flusher and by whoever wakes it.
	overdue atomic.Bool
	// hurried is set by Hurry and cleared when a round begins.
	hurried atomic.Bool
	// breakEnds is when the flusher in flusherPaced is to be woken, in
	// nanoseconds since 1970. Written by the flusher.
	breakEnds atomic.Int64
	// yielding tells workers to yield: all processors may be at work on transactions, so that
	// the flusher gets one only then, or somebody waits for the disk, and what it has done
	// is noticed only then if the system completes it where a worker runs. Written by the flusher.
	yielding atomic.Bool
	// wake tells the flusher that it is woken. It does not block.
	wake func()
	// syncDone tells, once, whether the disk is done while the flusher is in flusherSyncing.
	// It does not block.
	syncDone func() bool
	// clock tells workers when to yield; nil if they need not.
	clock      env.Clock
	roundBytes int64
	// pendingLimit is how many bytes may be pending before workers have to wait:
	// what there certainly is room for, and at most Options.PendingBytesMax.
	// Written by limitPending, read by appends.
	pendingLimit atomic.Int64
	_            [cpu.CacheLineBytes]byte
	pendingBytes atomic.Int64 // appended (as far as reported) and not yet written
	_            [cpu.CacheLineBytes]byte
}

// wakeFlusher ends the flusher's sleep, whichever it is in.
func (g *group) wakeFlusher() {
	for {
		switch state := g.flusher.Load(); {
		case state == flusherBusy:
			return
		case state == flusherLent:
			if g.overdue.Store(true); g.flusher.Load() == flusherLent {
				return // who does its work sees that
			}
		case g.flusher.CompareAndSwap(state, flusherBusy):
			g.wake()
			return
		}
	}
}

// diskDone is told, or may be, that the disk is done.
func (g *group) diskDone() {
	if g.flusher.Load() == flusherSyncing {
		g.wakeFlusher()
	}
}

// Hurry says that somebody waits for Durable to move. While nobody does, the log
// paces itself: see flusher.sleep.
func (g *group) Hurry() {
	if !g.hurried.Load() {
		g.hurried.Store(true)
	}
	if g.flusher.Load() == flusherPaced {
		g.wakeFlusher()
	}
}

// add counts bytes that were appended.
func (g *group) add(n int) {
	pending := g.pendingBytes.Add(int64(n))
	if pending > g.pendingLimit.Load() {
		g.gate.Or(gatePending)
	}
	if pending >= g.roundBytes {
		// It is idle if somebody holds it.
		if state := g.flusher.Load(); state == flusherTimed || state == flusherPaced || state == flusherIdle {
			g.wakeFlusher()
		}
	}
}
