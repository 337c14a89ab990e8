package godwit

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit/speculate"
)

// Pending is a transaction that is executed: others see it, but it may still
// be lost in a crash, until it is released.
type Pending struct {
	db    *DB
	o     executed
	start time.Time
	once  sync.Once
	done  chan struct{}
	err   atomic.Pointer[error] // set before done is closed
	life  *followed
}

func newPending(db *DB, o executed, start time.Time, f *followed) *Pending {
	p := &Pending{db: db, o: o, start: start, life: f}
	if (db.opts.Metrics != nil || f != nil) && p.waits() {
		p.Done() // the latency is to be measured also if nobody waits
	} else {
		db.measureReleased(start)
		f.released(nil)
	}
	return p
}

// waits tells whether the release comes behind the execution.
func (p *Pending) waits() bool { return p.o.on != nil || p.db.opts.Durability == DurabilityDisk }

// Timestamp returns the transaction's place in the serial order.
func (p *Pending) Timestamp() Timestamp { return Timestamp(p.o.ts) }

// Released tells whether the transaction is released.
func (p *Pending) Released() bool {
	if p.o.on != nil {
		return p.o.x.Released()
	}
	return p.o.ts <= p.db.released()
}

// Wrote tells whether the transaction has written anything.
func (p *Pending) Wrote() bool { return p.o.wrote }

// Asks tells whether the transaction, of a replica, has only read what is released, so that all that its own release waits for is
// that others say that this replica leads still.
func (p *Pending) Asks() bool { return p.o.on != nil && p.o.x.Asks() }

// Done returns a channel that is closed when the transaction is released or
// never will be; Wait then returns at once.
func (p *Pending) Done() <-chan struct{} {
	p.once.Do(func() {
		p.done = make(chan struct{})
		if !p.waits() {
			close(p.done)
			return
		}
		p.notify(func(err error) {
			if err != nil {
				p.err.Store(&err)
			} else if p.db.opts.Metrics != nil {
				p.db.measureReleased(p.start)
			}
			p.life.released(err)
			close(p.done)
		})
	})
	return p.done
}

func (p *Pending) notify(tell func(error)) {
	if p.o.on != nil {
		p.o.x.Notify(tell)
		return
	}
	p.db.gate.Notify(speculate.Point(p.o.ts), tell)
}

// Wait returns nil when the transaction is released, or ErrOutcomeUnknown
// when ctx ends or the log fails first; ErrUnavailable then, if it has only read, on a replica.
// ErrNotLeader: this replica was deposed before it was, and nothing of it has happened; ErrClosed: it was closed, if that has
// only read.
func (p *Pending) Wait(ctx context.Context) error {
	if p.Released() {
		return nil
	}
	done := p.Done()
	if p.o.on != nil {
		p.o.x.Hurry()
	}
	select {
	case <-done:
		if err := p.err.Load(); err != nil {
			return p.unknown(*err)
		}
		return nil
	case <-ctx.Done():
		return p.unknown(ctx.Err())
	}
}

// unknown says what it means that it was not seen to be released.
func (p *Pending) unknown(err error) error {
	if p.o.on != nil {
		return p.db.replica.undone(&p.o, err)
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
}
