package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// handoverTimeout is how long the runner waits for a session to end an interval.
// A session whose transaction takes longer reports with the next interval.
const handoverTimeout = time.Second

// errSessionEnded tells that a session ended before it was told to; its driver
// has the reason.
var errSessionEnded = errors.New("bench: a session ended before the run")

// runner drives the sessions and adds up what they did.
type runner struct {
	shared
	drivers []*driver
	kinds   []string
	// window is the sum of the interval that just ended, total of the measured
	// ones.
	window, total *tally
	intervals     []Interval
}

// Run drives w on e as c says and returns what was measured. The workload's
// tables are there already. The result has no machine, engine or check in it
// yet: see Measure.
func Run(ctx context.Context, e Engine, w Workload, c Config) (*Result, error) {
	return Drive(ctx, w.Kinds(), c, func(n int) (Worker, Outcomes, error) {
		s, err := e.NewSession(n)
		if err != nil {
			return nil, nil, err
		}
		worker, err := w.NewWorker(s, n, c.Sessions, c.Seed)
		if err != nil {
			return nil, nil, errors.Join(err, s.Close())
		}
		return worker, s, nil
	})
}

// Drive is Run for workers that may execute their transactions anywhere. open
// returns the one of a session, counted from 0, whose Outcomes Drive closes. kinds
// names what the workers execute.
func Drive(ctx context.Context, kinds []string, c Config, open func(session int) (Worker, Outcomes, error)) (*Result, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	r := &runner{kinds: kinds}
	r.config = c.withDefaults()
	r.window, r.total = newTally(len(r.kinds)), newTally(len(r.kinds))
	err := r.open(open)
	var result *Result
	if err == nil {
		result, err = r.measure(ctx)
	}
	for _, d := range r.drivers {
		err = errors.Join(err, d.session.Close())
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

func (r *runner) open(open func(session int) (Worker, Outcomes, error)) error {
	for i := range r.config.Sessions {
		worker, s, err := open(i)
		if err != nil {
			return err
		}
		r.drivers = append(r.drivers, newDriver(&r.shared, i, s, worker, len(r.kinds)))
	}
	return nil
}

// measure starts the sessions, follows them through warm-up and measured time,
// stops them and joins them.
func (r *runner) measure(ctx context.Context) (*Result, error) {
	started := time.Now()
	r.origin = started
	beside := r.startBeside(ctx)
	for _, d := range r.drivers {
		r.config.Host.Go(d.number, d.loop)
	}
	// The statistics of the collector are as of its last cycle.
	runtime.GC()
	err := r.follow(ctx, r.config.Warmup, false)
	before := readUsage()
	if err == nil {
		// What the sessions did between the two phases belongs to neither.
		err = r.gather(ctx)
	}
	begin := r.now()
	if err == nil {
		err = r.follow(ctx, r.config.Duration, true)
	}
	end, after := r.now(), readUsage()
	failed := beside()
	if err = errors.Join(r.join(err), failed); err != nil {
		return nil, err
	}
	result := &Result{
		Schema: ResultSchema, Started: started, Sessions: r.config.Sessions, Seed: r.config.Seed,
		InFlightMax: r.config.InFlightMax, WarmupSeconds: r.config.Warmup.Seconds(), Intervals: r.intervals,
	}
	result.fill(r.kinds, r.total, end-begin)
	result.Resources = after.since(before, result.Executed+result.Rollbacks)
	return result, nil
}

// startBeside starts the run's companion and returns what ends and joins it.
func (r *runner) startBeside(ctx context.Context) (stop func() error) {
	if r.config.Beside == nil {
		return func() error { return nil }
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- r.config.Beside(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

// follow reports interval by interval for a time. Measured intervals go into the
// total; what came before is forgotten.
func (r *runner) follow(ctx context.Context, length time.Duration, measured bool) error {
	begin := r.now()
	until := begin + length
	timer := time.NewTimer(0)
	defer timer.Stop()
	for begin < until {
		timer.Reset(min(begin+r.config.Interval, until) - r.now())
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
		}
		if err := r.gather(ctx); err != nil {
			return err
		}
		end := r.now()
		r.record(end, end-begin, measured)
		begin = end
	}
	return nil
}

// gather ends an interval: it collects the sessions' tallies into r.window.
func (r *runner) gather(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, handoverTimeout)
	defer cancel()
	r.window.reset()
	number := r.interval.Add(1)
	for _, d := range r.drivers {
		if err := r.collect(ctx, d, number); err != nil {
			return err
		}
	}
	return nil
}

// collect receives the tallies of one session up to the interval's number.
func (r *runner) collect(ctx context.Context, d *driver, number uint64) error {
	for {
		select {
		case t := <-d.full:
			r.window.add(t)
			last := t.number
			t.reset()
			d.spare <- t
			if last == number {
				return nil
			}
		case <-d.done:
			return errSessionEnded
		case <-ctx.Done():
			return nil
		}
	}
}

// join stops the sessions and waits for them. It adds their errors to the one
// that ended the run; with an error nobody waits for releases.
func (r *runner) join(err error) error {
	r.abandoned.Store(err != nil)
	r.interval.Store(stopInterval)
	if errors.Is(err, errSessionEnded) {
		err = nil // the session's own error says why
	}
	for i, d := range r.drivers {
		<-d.done
		if d.err != nil {
			err = errors.Join(err, fmt.Errorf("session %d: %w", i, d.err))
		}
	}
	return err
}

func (r *runner) record(end, length time.Duration, measured bool) {
	i := newInterval(r.window, end, length, measured)
	if measured {
		r.total.add(r.window)
	}
	r.intervals = append(r.intervals, i)
	if r.config.Progress != nil {
		r.config.Progress(i)
	}
}
