package bench

import (
	"sync/atomic"
	"time"
)

// livePeriod is how often a session says how far it is.
const livePeriod = 100 * time.Microsecond

// Live is how far a run is, for whoever watches it: any goroutine may read it. The
// warm-up counts too.
type Live struct {
	executed, released atomic.Uint64
}

// Executed returns how many transactions are executed.
func (l *Live) Executed() uint64 { return l.executed.Load() }

// Released returns how many transactions are released.
func (l *Live) Released() uint64 { return l.released.Load() }

// unpublished is what a session has not told its run's Live.
type unpublished struct {
	executed, released uint64
	at                 time.Duration // when it has last told
}

// publish tells it now.
func (u *unpublished) publish(l *Live, now time.Duration) {
	if l == nil {
		return
	}
	if u.executed > 0 {
		l.executed.Add(u.executed)
	}
	if u.released > 0 {
		l.released.Add(u.released)
	}
	*u = unpublished{at: now}
}
