package occ

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Optimistic transactions can starve: a long one is overtaken by short ones, again
// and again. So a transaction that has failed often enough is favoured: while it
// runs its next attempt, everybody else's commit phase waits. Nothing changes
// under such an attempt, so it commits.
//
// What others wait for is the code of a user, which may take for ever, or wait for
// one of them. Hence a favour lapses: the attempt goes on without it, and if it is
// overtaken all the same, the next favour is for twice as long. And there is a rest
// behind each favour, as long as it was in force: others get at least half of
// the time, and whoever waits in his commit waits for one favour, not for the next.
//
// How many attempts it takes, for a transaction whose attempts take at most d ≤
// favourMax, without waiting for another transaction: those until it is favoured
// (see Retry), and then at most 2+log₂(d/favourMin). Most often it is one, because a
// favour is for twice the time that the attempt before it took.
//
// Nobody can wait for ever. A commit that waits for a favour holds no lock, and
// waits until the favour ends or lapses, at most favourMax. Those who want to be
// favoured come in turn and wait neither with a lock nor pinned. Who is favoured waits
// for locks of records without a bound, but those are held only by garbage
// collection, which waits for nobody.
//
// It costs the others the reading of word in each commit phase.
const (
	// favourAfter is how many attempts in a row fail, and favourDelay for how long a
	// transaction tries, before it is favoured. Short ones get through before.
	favourAfter = 4
	favourDelay = 10 * time.Millisecond
	// favourMin and favourMax bound for how long a favour is. favourMin is the
	// shortest rest, too: enough for those who have waited to get a processor.
	favourMin = time.Millisecond
	favourMax = 4 * time.Second
)

// favours is who is favoured.
type favours struct {
	_ [64]byte
	// word is the turn of the favoured transaction, 0 if there is none. Written
	// under mu. Commit phases read it when they begin: whoever is favoured passes
	// all of them before he begins his attempt, so that each either has ended by then
	// or sees the word.
	word atomic.Uint64
	_    [56]byte

	// line has one place, of the one who is favoured next. Those behind him are
	// served in the order in which they came.
	line   chan struct{}
	closed chan struct{} // closed when the engine is
	mu     struct {
		sync.Mutex
		turns uint64        // given so far
		ended chan struct{} // closed when the favour in force ends
		// begun and until are when the favour in force began and when it lapses.
		// rested is when the rest behind the last one is over.
		begun, until, rested time.Time
	}
}

func (f *favours) init() {
	f.line, f.closed = make(chan struct{}, 1), make(chan struct{})
}

// others tells whether another transaction than the one of this turn (0: none) is
// favoured.
func (f *favours) others(turn uint64) bool {
	word := f.word.Load()
	return word != 0 && word != turn
}

// takeFavour waits until it is the caller's turn, and returns it: the favour is in
// force for window. The errors are ErrClosed and that of ctx.
func (e *Engine) takeFavour(ctx context.Context, window time.Duration) (uint64, error) {
	f := &e.favours
	select {
	case f.line <- struct{}{}:
	case <-f.closed:
		return 0, ErrClosed
	case <-done(ctx):
		return 0, ctx.Err()
	}
	defer func() { <-f.line }()
	for {
		turn, ended, wait := f.try(window)
		if turn != 0 {
			e.passCommitPhases()
			f.renew(turn, window)
			return turn, nil
		}
		if err := sleep(ctx, f.closed, ended, wait); err != nil {
			return 0, err
		}
	}
}

// try begins a favour if none is in force and the rest behind the last one is over.
// Else it returns what, and how long at most, to wait for.
func (f *favours) try(window time.Duration) (turn uint64, ended <-chan struct{}, wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.lapse(now)
	switch {
	case f.word.Load() != 0:
		return 0, f.mu.ended, f.mu.until.Sub(now)
	case now.Before(f.mu.rested):
		return 0, nil, f.mu.rested.Sub(now)
	}
	f.mu.turns++
	f.mu.ended = make(chan struct{})
	f.mu.begun, f.mu.until = now, now.Add(window)
	f.word.Store(f.mu.turns)
	return f.mu.turns, nil, 0
}

// renew lets the favour be for window from now on, unless it has lapsed.
func (f *favours) renew(turn uint64, window time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.word.Load() == turn {
		f.mu.until = time.Now().Add(window)
	}
}

// end ends the favour of this turn, unless it has lapsed.
func (f *favours) end(turn uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.word.Load() == turn {
		f.stop(time.Now())
	}
}

// given returns how many turns there were.
func (f *favours) given() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.turns
}

// lapse ends the favour in force if its time is over. The lock is held.
func (f *favours) lapse(now time.Time) {
	if f.word.Load() != 0 && !now.Before(f.mu.until) {
		f.stop(now)
	}
}

// stop ends the favour in force. The lock is held.
func (f *favours) stop(now time.Time) {
	f.mu.rested = now.Add(max(favourMin, now.Sub(f.mu.begun)))
	close(f.mu.ended)
	f.word.Store(0)
}

// await waits until the favour in force has ended, if there is one. The only error
// is that of ctx.
func (f *favours) await(ctx context.Context) error {
	for spins := 0; spin(&spins); {
		if f.word.Load() == 0 {
			return nil
		}
	}
	f.mu.Lock()
	now := time.Now()
	f.lapse(now)
	inForce, ended, wait := f.word.Load() != 0, f.mu.ended, f.mu.until.Sub(now)
	f.mu.Unlock()
	if !inForce {
		return nil
	}
	return sleep(ctx, nil, ended, wait)
}

// sleep returns when ended is closed, or after wait. The errors are that of ctx, and
// ErrClosed when closed is.
func sleep(ctx context.Context, closed, ended <-chan struct{}, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	case <-closed:
		return ErrClosed
	case <-done(ctx):
		return ctx.Err()
	}
	return nil
}

// done is ctx.Done for a context that may be nil.
func done(ctx context.Context) <-chan struct{} {
	if ctx == nil {
		return nil
	}
	return ctx.Done()
}
