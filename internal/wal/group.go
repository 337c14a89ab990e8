package wal

import (
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/cpu"
	"github.com/godwitdb/godwit/internal/env"
)

// What the flusher is doing.
const (
	flusherBusy  uint32 = iota // it will look at the streams again before it sleeps
	flusherIdle                // it sleeps until something is appended
	flusherTimed               // it sleeps until a time has come or a round is full
)

// Why Throttle does not let workers through at once.
const (
	gatePending uint32 = 1 << iota // too many bytes wait to be written
	gateDiskFull
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
	// wake carries at most one token to the flusher.
	wake         chan struct{}
	clock        env.Clock
	pendingMax   int64
	roundBytes   int64
	_            [cpu.CacheLineBytes]byte
	pendingBytes atomic.Int64 // appended (as far as reported) and not yet written
	_            [cpu.CacheLineBytes]byte
}

// wakeFlusher ends the flusher's sleep, whichever it is in.
func (g *group) wakeFlusher() {
	if g.flusher.Swap(flusherBusy) == flusherBusy {
		return
	}
	select {
	case g.wake <- struct{}{}:
	default: // a token is there already
	}
}

// add counts bytes that were appended.
func (g *group) add(n int) {
	pending := g.pendingBytes.Add(int64(n))
	if pending > g.pendingMax {
		g.gate.Or(gatePending)
	}
	if pending >= g.roundBytes && g.flusher.Load() == flusherTimed {
		g.wakeFlusher()
	}
}
