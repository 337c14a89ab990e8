package godwit

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/speculate"
)

// Pending is a transaction that is executed: others see it, but it may still
// be lost in a crash, until it is released.
type Pending struct {
	db    *DB
	ts    hlc.Timestamp
	start time.Time
	once  sync.Once
	done  chan struct{}
	err   atomic.Pointer[error] // set before done is closed
}

func newPending(db *DB, ts hlc.Timestamp, start time.Time) *Pending {
	p := &Pending{db: db, ts: ts, start: start}
	if db.opts.Metrics != nil && db.opts.Durability == DurabilityDisk {
		p.Done() // the latency is to be measured also if nobody waits
	} else {
		db.measureReleased(start)
	}
	return p
}

// Timestamp returns the transaction's place in the serial order.
func (p *Pending) Timestamp() Timestamp { return Timestamp(p.ts) }

// Released tells whether the transaction is released.
func (p *Pending) Released() bool {
	return p.ts <= p.db.released()
}

// Done returns a channel that is closed when the transaction is released or
// never will be; Wait then returns at once.
func (p *Pending) Done() <-chan struct{} {
	p.once.Do(func() {
		p.done = make(chan struct{})
		if p.db.opts.Durability != DurabilityDisk {
			close(p.done)
			return
		}
		p.db.gate.Notify(speculate.Point(p.ts), func(err error) {
			if err != nil {
				p.err.Store(&err)
			} else if p.db.opts.Metrics != nil {
				p.db.measureReleased(p.start)
			}
			close(p.done)
		})
	})
	return p.done
}

// Wait returns nil when the transaction is released, or ErrOutcomeUnknown
// when ctx ends or the log fails first.
func (p *Pending) Wait(ctx context.Context) error {
	if p.Released() {
		return nil
	}
	select {
	case <-p.Done():
		if err := p.err.Load(); err != nil {
			return fmt.Errorf("%w: %w", ErrOutcomeUnknown, *err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, ctx.Err())
	}
}
