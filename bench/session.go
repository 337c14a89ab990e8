package bench

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// stopInterval is the interval number that ends the sessions.
	stopInterval = ^uint64(0)
	// spinsBeforeSleep and releasePoll: a session at its bound first only
	// yields, as a release is usually near, then sleeps between looks.
	spinsBeforeSleep = 32
	releasePoll      = 20 * time.Microsecond
)

// shared is what the runner and its sessions both see.
type shared struct {
	// interval is the number of the current interval, written by the runner.
	// A session that sees a new number hands over its tally of the last one.
	interval atomic.Uint64
	_        [56]byte
	// abandoned is set before the stop when the run has failed.
	abandoned atomic.Bool
	origin    time.Time
	config    Config
}

// now returns the time since the run began, by the monotonic clock.
func (r *shared) now() time.Duration { return time.Since(r.origin) }

// driver runs one session: transaction after transaction, counting. Two tallies
// go round between it and the runner: it fills one while the runner reads the
// other.
type driver struct {
	run     *shared
	number  int
	session Outcomes
	worker  Worker
	window  window
	seen    uint64
	aborts  uint64
	yielded time.Duration
	pace    pace
	news    unpublished
	current *tally
	full    chan *tally
	spare   chan *tally
	// done is closed when the driver has ended; err is set before.
	done chan struct{}
	err  error
}

func newDriver(run *shared, number int, session Outcomes, worker Worker, kinds int) *driver {
	d := &driver{
		run: run, number: number, session: session, worker: worker,
		window:  newWindow(run.config.InFlightMax),
		pace:    newPace(run.config.RatePerSecond, run.config.Sessions),
		current: newTally(kinds),
		full:    make(chan *tally, 1),
		spare:   make(chan *tally, 1),
		done:    make(chan struct{}),
	}
	d.spare <- newTally(kinds)
	return d
}

// loop executes until the runner stops it or a transaction fails, then waits for
// the releases of what it executed.
func (d *driver) loop() {
	defer close(d.done)
	now := d.run.now()
	for d.goOn() {
		if d.window.full() {
			now = d.awaitRoom()
			continue
		}
		if wait := d.pace.wait(now); wait > 0 {
			now = d.rest(wait)
			continue
		}
		end, err := d.transaction(now)
		if err != nil {
			d.err = err
			return
		}
		now = d.breathe(end)
	}
	d.err = d.drain()
}

// transaction executes one transaction that starts now and returns its end.
func (d *driver) transaction(start time.Duration) (time.Duration, error) {
	kind, ts, err := d.worker.Run()
	end := d.run.now()
	k := &d.current.kinds[kind]
	switch {
	case err == nil:
		k.executed++
		d.news.executed++
	case errors.Is(err, ErrRollback):
		k.rollbacks++
	default:
		return end, err
	}
	k.executedLatency.record(end - start)
	if d.window.len() > 0 || ts > d.session.Released() {
		d.window.push(pending{ts: ts, start: start, kind: kind, rolledBack: err != nil})
		d.release(end)
		return end, nil
	}
	d.released(k, end-start, err != nil)
	d.publish(end)
	return end, nil
}

// release takes what is released out of the window and counts it as of now.
func (d *driver) release(now time.Duration) {
	released := d.session.Released()
	for p := d.window.oldest(); p != nil && p.ts <= released; p = d.window.oldest() {
		d.released(&d.current.kinds[p.kind], now-p.start, p.rolledBack)
		d.window.pop()
	}
	d.publish(now)
}

// released counts a transaction that is released.
func (d *driver) released(k *kindTally, latency time.Duration, rolledBack bool) {
	if !rolledBack {
		k.released++
		d.news.released++
	}
	k.releasedLatency.record(latency)
}

// publish tells those who watch the run, now and then.
func (d *driver) publish(now time.Duration) {
	if now-d.news.at >= livePeriod {
		d.news.publish(d.run.config.Live, now)
	}
}

// rest lets time pass, because the session is ahead of its rate.
func (d *driver) rest(wait time.Duration) time.Duration {
	d.run.config.Host.Sleep(d.number, wait)
	now := d.run.now()
	d.release(now)
	d.yielded = now
	return now
}

// breathe lets other goroutines run when this one has had its time.
func (d *driver) breathe(now time.Duration) time.Duration {
	if d.run.config.Yield < 0 || now-d.yielded < d.run.config.Yield {
		return now
	}
	runtime.Gosched()
	now = d.run.now()
	d.yielded = now
	return now
}

// awaitRoom waits until the window has room or the interval changes.
func (d *driver) awaitRoom() time.Duration {
	begin := d.run.now()
	var now time.Duration
	for spins := 0; ; spins++ {
		if spins < spinsBeforeSleep {
			runtime.Gosched()
		} else {
			d.run.config.Host.Sleep(d.number, releasePoll)
		}
		now = d.run.now()
		d.release(now)
		if !d.window.full() || d.run.interval.Load() != d.seen {
			break
		}
	}
	d.current.blocked += now - begin
	d.yielded = now
	return now
}

// goOn hands the tally over when the interval has changed, and reports whether
// the run goes on.
func (d *driver) goOn() bool {
	interval := d.run.interval.Load()
	if interval == d.seen {
		return true
	}
	if interval == stopInterval {
		return false
	}
	select {
	case next := <-d.spare:
		aborts := d.session.Aborts()
		d.current.aborts, d.aborts = aborts-d.aborts, aborts
		d.current.inFlight = d.window.len()
		d.current.number = interval
		d.full <- d.current // has room: there are two tallies, and one is next
		d.current, d.seen = next, interval
	default:
		// The runner still reads the last one; this interval joins the next.
	}
	return true
}

// drain waits until everything executed is released.
func (d *driver) drain() error {
	deadline := d.run.now() + d.run.config.DrainTimeout
	for {
		now := d.run.now()
		d.release(now)
		if d.window.len() == 0 || d.run.abandoned.Load() {
			d.news.publish(d.run.config.Live, now)
			return nil
		}
		if now > deadline {
			return fmt.Errorf("bench: %d executed transactions are not released after %v (timestamp %d, released %d)",
				d.window.len(), d.run.config.DrainTimeout, d.window.oldest().ts, d.session.Released())
		}
		d.run.config.Host.Sleep(d.number, releasePoll)
	}
}
