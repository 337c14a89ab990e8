package checkpoint

import (
	"context"
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

const (
	// paceShareDen: while transactions run, what is paced takes this part of one
	// processor, so that they keep their pace.
	paceShareDen = 10
	// busyPerSecond is how many transactions count as some that run.
	busyPerSecond = 2000
)

// Pacer slows down who goes through all data while transactions run.
type Pacer struct {
	clock        env.Clock
	transactions func() uint64
	seen         uint64
	last         time.Time
}

// NewPacer returns a pacer whose work begins now. transactions tells how many there have
// been.
func NewPacer(c env.Clock, transactions func() uint64) *Pacer {
	return &Pacer{clock: c, transactions: transactions, seen: transactions(), last: c.Now()}
}

// Pause is called after every block: if transactions were executed meanwhile, it waits for
// a multiple of the time since the last call, until stop is closed, or until ctx ends,
// whose error it returns.
func (p *Pacer) Pause(ctx context.Context, stop <-chan struct{}) error {
	worked := p.clock.Now().Sub(p.last)
	rate := float64(p.transactions()-p.seen) / max(worked.Seconds(), 1e-6)
	if rate > busyPerSecond {
		timer := p.clock.NewTimer(worked * (paceShareDen - 1))
		defer timer.Stop()
		select {
		case <-timer.C():
		case <-stop:
		case <-ctx.Done():
		}
	}
	p.seen, p.last = p.transactions(), p.clock.Now()
	return ctx.Err()
}
