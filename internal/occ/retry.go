package occ

import (
	"math/rand/v2"
	"runtime"
	"time"
)

const (
	// backOffSpins is how many conflicts in a row are answered by giving the
	// processor away for a moment; after that come sleeps, doubling up to
	// backOffMax.
	backOffSpins = 8
	backOffFirst = 20 * time.Microsecond
	backOffMax   = 2 * time.Millisecond
)

// retries is what a transaction knows of its failed attempts.
type retries struct {
	conflicts int           // attempts that failed
	since     time.Time     // when the first one had failed
	began     time.Time     // when the running attempt began, if it is not the first
	window    time.Duration // of the last favour
	turn      uint64        // of the favour for the running attempt, 0 without one
}

// Retry answers a conflict: it waits, longer the more attempts have failed, and
// makes the transaction ready for another one. One that writes is favoured after
// favourAfter attempts and favourDelay, that is after 25 attempts at most. The
// errors are ErrClosed, ErrSealed and the context's.
func (tx *Tx) Retry() error {
	r := &tx.retries
	now := time.Now()
	if r.conflicts++; r.conflicts == 1 {
		r.since = now
	}
	var err error
	if tx.mode == modeUpdate && r.conflicts >= favourAfter && now.Sub(r.since) >= favourDelay {
		err = tx.ask(now)
	} else {
		err = tx.backOff()
	}
	if err != nil {
		return err
	}
	r.began = time.Now()
	tx.Restart()
	return tx.err
}

// ask makes the transaction the favoured one.
func (tx *Tx) ask(now time.Time) error {
	tx.unfavour()
	r := &tx.retries
	r.window = min(max(favourMin, 2*r.window, 2*now.Sub(r.began)), favourMax)
	// It can take long, and nothing of the failed attempt is needed any more.
	tx.pin.Exit()
	turn, err := tx.engine.takeFavour(tx.ctx, r.window)
	if err != nil {
		return err
	}
	r.turn = turn
	if !tx.enterPin() {
		return ErrClosed
	}
	return nil
}

// favoured tells whether nobody else can commit now.
func (tx *Tx) favoured() bool {
	return tx.retries.turn != 0 && tx.engine.favours.word.Load() == tx.retries.turn
}

// unfavour ends the transaction's favour, if it has one.
func (tx *Tx) unfavour() {
	if tx.retries.turn != 0 {
		tx.engine.favours.end(tx.retries.turn)
		tx.retries.turn = 0
	}
}

// Conflicts returns how many attempts of the transaction have failed.
func (tx *Tx) Conflicts() int { return tx.retries.conflicts }

// backOff waits, by chance, so that those who were in each other's way are not
// again.
func (tx *Tx) backOff() error {
	n := tx.retries.conflicts
	if n <= backOffSpins {
		runtime.Gosched()
	} else {
		pause := min(backOffFirst<<min(n-backOffSpins-1, 10), backOffMax)
		timer := time.NewTimer(pause/2 + rand.N(pause)/2)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-done(tx.ctx):
		}
	}
	if tx.ctx == nil {
		return nil
	}
	return tx.ctx.Err()
}
