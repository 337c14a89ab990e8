package bench

import (
	"context"
	"errors"
	"runtime"
	"time"
)

const (
	// DefaultInFlightMax is how many executed transactions a session keeps
	// unreleased before it waits: enough for 100 ms of the fastest workload.
	DefaultInFlightMax = 1 << 16
	// inFlightLimit bounds the memory of a session's window to 24 MiB.
	inFlightLimit = 1 << 20
	// sessionsLimit bounds the histograms' memory.
	sessionsLimit = 1 << 14
)

// Config is how to drive a workload.
type Config struct {
	// Sessions is the number of sessions, each with its goroutine; at least 1.
	Sessions int
	// Warmup runs the workload without counting it; 0 is none.
	Warmup time.Duration
	// Duration is the measured time; above 0.
	Duration time.Duration
	// Interval is the time between two progress reports and the resolution of
	// the result over time; 0 is one second.
	Interval time.Duration
	// InFlightMax bounds the transactions per session that are executed and
	// not released; 0 is DefaultInFlightMax.
	InFlightMax int
	// Yield is how long a session may run before it lets other goroutines have
	// the processor, which matters when there are as many sessions as
	// processors: the engine's log writer then waits for the scheduler's
	// preemption, 10 ms, at every step. 0 is 100 µs in that case and never in
	// any other; below 0 is never.
	Yield time.Duration
	// Host, if set, runs the sessions, instead of goroutines of their own.
	Host Host
	// DrainTimeout is how long the releases may take after the run; 0 is one
	// minute.
	DrainTimeout time.Duration
	// RatePerSecond bounds what all sessions execute together; 0 is no bound. Latencies
	// are counted from the real start of a transaction.
	RatePerSecond float64
	// Live, if set, is told how far the run is.
	Live *Live
	// Seed starts the random numbers.
	Seed uint64
	// Beside, if set, runs in a goroutine of its own while the sessions do, to
	// disturb them: a checkpoint, an open snapshot. Its context ends with the
	// measured time, and it returns then; an error fails the run.
	Beside func(context.Context) error
	// Progress, if set, is called after each interval, from one goroutine.
	Progress func(Interval)
}

// Host runs sessions. It is for those whose transactions wait for something that one loop
// takes care of, as an answer over a network is.
type Host interface {
	// Go starts to run a session, counted from 0, and returns.
	Go(session int, run func())
	// Sleep lets a time pass. It is called by what Go runs.
	Sleep(session int, d time.Duration)
}

// goroutines is the Host of sessions that execute by themselves.
type goroutines struct{}

// Go implements Host.
func (goroutines) Go(_ int, run func()) { go run() }

// Sleep implements Host.
func (goroutines) Sleep(_ int, d time.Duration) { time.Sleep(d) }

// withDefaults returns c with its zero fields filled in.
func (c Config) withDefaults() Config {
	if c.Interval == 0 {
		c.Interval = time.Second
	}
	if c.InFlightMax == 0 {
		c.InFlightMax = DefaultInFlightMax
	}
	if c.Yield == 0 {
		c.Yield = -1
		if c.Sessions >= runtime.GOMAXPROCS(0) {
			c.Yield = 100 * time.Microsecond
		}
	}
	if c.Host == nil {
		c.Host = goroutines{}
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = time.Minute
	}
	return c
}

// Validate reports everything that is wrong with c.
func (c Config) Validate() error {
	var errs []error
	if c.Sessions < 1 || c.Sessions > sessionsLimit {
		errs = append(errs, errors.New("bench: Sessions is not in 1..16384"))
	}
	if c.Duration <= 0 {
		errs = append(errs, errors.New("bench: Duration is not above 0"))
	}
	if c.Warmup < 0 || c.Interval < 0 || c.DrainTimeout < 0 {
		errs = append(errs, errors.New("bench: a time is below 0"))
	}
	if c.RatePerSecond < 0 {
		errs = append(errs, errors.New("bench: RatePerSecond is below 0"))
	}
	if c.InFlightMax < 0 || c.InFlightMax > inFlightLimit {
		errs = append(errs, errors.New("bench: InFlightMax is not in 1..1048576"))
	}
	return errors.Join(errs...)
}
