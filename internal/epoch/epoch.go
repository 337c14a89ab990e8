// Package epoch tells when memory that was unlinked can be used again: once
// every reader that could still hold a reference to it has gone (a grace
// period). It is the epoch-based reclamation of Silo (SOSP'13, section 4.8).
//
// A reader enters through its Pin before it follows a reference and exits when
// it holds none any more. A writer that has unlinked an object hands it to its
// Limbo, which frees it when all readers that were inside at that time have
// exited.
//
// (An epoch here is a grace period. The epochs of replication, a shard's leadership
// numbers, are another thing.)
package epoch

import (
	"sync"
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/fifo"
)

// Domain is a set of readers and the memory they may be looking at.
type Domain struct {
	// now is the current epoch, from 1 up. Advance adds to it, readers and
	// limbos read it.
	now atomic.Uint64
	// pins is replaced as a whole under mu and read without it.
	pins atomic.Pointer[[]*Pin]
	mu   sync.Mutex
}

// NewDomain returns a domain without readers.
func NewDomain() *Domain {
	d := &Domain{}
	d.now.Store(1)
	d.pins.Store(new([]*Pin))
	return d
}

// Pin is one reader's mark. It serves one goroutine at a time.
type Pin struct {
	_ [64]byte
	// at is the epoch in which the reader entered, 0 while it is outside. The
	// reader writes it; Safe reads it.
	at     atomic.Uint64
	domain *Domain
	_      [48]byte
}

// NewPin registers a reader, outside.
func (d *Domain) NewPin() *Pin {
	p := &Pin{domain: d}
	d.mu.Lock()
	defer d.mu.Unlock()
	old := *d.pins.Load()
	next := make([]*Pin, len(old), len(old)+1)
	copy(next, old)
	next = append(next, p)
	d.pins.Store(&next)
	return p
}

// Drop ends p's registration. p must be outside.
func (p *Pin) Drop() {
	d := p.domain
	d.mu.Lock()
	defer d.mu.Unlock()
	old := *d.pins.Load()
	next := make([]*Pin, 0, len(old))
	for _, q := range old {
		if q != p {
			next = append(next, q)
		}
	}
	d.pins.Store(&next)
}

// Enter marks the reader as inside: nothing that it can reach from now on is
// freed before Exit. Pins do not nest.
//
// The epoch may have moved on between the load and the store. The mark is then
// older than the current epoch, which only delays reclamation; and what was
// unlinked before the store cannot be reached after it.
func (p *Pin) Enter() { p.at.Store(p.domain.now.Load()) }

// Renew is Exit and Enter in one: the reader is never seen outside.
func (p *Pin) Renew() { p.Enter() }

// Exit marks the reader as outside.
func (p *Pin) Exit() { p.at.Store(0) }

// Inside tells whether the reader is between Enter and Exit.
func (p *Pin) Inside() bool { return p.at.Load() != 0 }

// Advance starts a new epoch.
func (d *Domain) Advance() { d.now.Add(1) }

// Now returns the current epoch.
func (d *Domain) Now() uint64 { return d.now.Load() }

// Safe returns the first epoch that a reader may still be in: what was unlinked
// in an earlier one can be freed.
func (d *Domain) Safe() uint64 {
	// The current epoch, not one above it: a reader that enters while we look
	// carries at least this epoch or is older and seen in the loop.
	safe := d.now.Load()
	for _, p := range *d.pins.Load() {
		if at := p.at.Load(); at != 0 && at < safe {
			safe = at
		}
	}
	return safe
}

// Empty tells whether no reader is inside.
func (d *Domain) Empty() bool {
	for _, p := range *d.pins.Load() {
		if p.Inside() {
			return false
		}
	}
	return true
}

// entry is an unlinked object.
type entry struct {
	ref   arena.Ref
	bytes int
	epoch uint64
}

// Limbo holds what one worker has unlinked until it can be freed. It serves one
// goroutine at a time.
type Limbo struct {
	domain *Domain
	queue  fifo.Queue[entry] // in order of epoch
	held   int64
}

// NewLimbo returns an empty limbo.
func (d *Domain) NewLimbo() *Limbo { return &Limbo{domain: d} }

// Retire hands over an object of n bytes that no new reader can reach. What made
// it so, its removal or a lock that readers respect, was an atomic operation of
// the caller: a plain store could still be on its way to memory when the epoch,
// or in Collect the pins, are read, and a reader in a later epoch would find the
// object.
func (l *Limbo) Retire(r arena.Ref, n int) {
	l.queue.Push(entry{r, n, l.domain.now.Load()})
	l.held += int64(n)
}

// Len returns how many objects wait, Bytes how large they are together.
func (l *Limbo) Len() int { return l.queue.Len() }

// Bytes returns the size of the objects that wait.
func (l *Limbo) Bytes() int64 { return l.held }

// Collect frees at most most objects whose grace period is over into c and
// returns how many it freed.
func (l *Limbo) Collect(c *arena.Cache, most int) int {
	if l.queue.Len() == 0 {
		return 0
	}
	safe := l.domain.Safe()
	freed := 0
	for freed < most && l.queue.Len() > 0 && l.queue.Front().epoch < safe {
		e := l.queue.Pop()
		l.held -= int64(e.bytes)
		c.Free(e.ref, e.bytes)
		freed++
	}
	return freed
}
