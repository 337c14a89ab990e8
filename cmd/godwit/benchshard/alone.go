package benchshard

import (
	"math"
	"sync"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/wal"
)

// Maintenance is done as often as a replica does it.
const (
	maintainBusy = 2 * time.Millisecond
	maintainIdle = 50 * time.Millisecond
)

// Alone is an engine without log and replicas, for comparison: what is executed counts
// as released.
type Alone struct {
	tables
	arena  *arena.Arena
	clock  *hlc.Clock
	closed chan struct{}
	tasks  sync.WaitGroup
}

// NewAlone returns an engine with so many workers.
func NewAlone(memoryBytesMax int64, workers int) (*Alone, error) {
	a, err := arena.New(memoryBytesMax)
	if err != nil {
		return nil, err
	}
	e := &Alone{arena: a, clock: &hlc.Clock{}, closed: make(chan struct{})}
	e.clock.Observe(hlc.FromTime(time.Now()))
	e.engine = occ.New(occ.Config{Arena: a, Clock: e.clock, Streams: wal.NewStreams(workers), Released: e.clock.Last})
	e.tasks.Go(e.maintain)
	return e, nil
}

func (e *Alone) maintain() {
	timer := time.NewTimer(maintainIdle)
	defer timer.Stop()
	for {
		select {
		case <-e.closed:
			return
		case now := <-timer.C:
			e.clock.Observe(hlc.FromTime(now))
			next := maintainIdle
			if e.engine.Maintain() {
				next = maintainBusy
			}
			timer.Reset(next)
		}
	}
}

// Name implements bench.Engine.
func (*Alone) Name() string { return "godwit, engine alone" }

// Engine returns the engine.
func (e *Alone) Engine() *occ.Engine { return e.engine }

// Close implements bench.Engine.
func (e *Alone) Close() error {
	close(e.closed)
	e.tasks.Wait()
	e.engine.Close()
	return e.arena.Close()
}

// NewSession implements bench.Engine.
func (e *Alone) NewSession(worker int) (bench.Session, error) {
	bound, err := e.engine.NewBound(worker)
	if err != nil {
		return nil, err
	}
	s := &loner{bound: bound}
	s.bind()
	return s, nil
}

// loner is a session of an engine alone.
type loner struct {
	call
	bound  occ.Bound
	aborts uint64
}

// Update implements bench.Session.
func (s *loner) Update(fn func(bench.Tx) error) (bench.Timestamp, error) {
	s.fn = fn
	x, err := s.bound.Begin()
	if err != nil {
		return 0, err
	}
	return s.execute(x)
}

// View implements bench.Session.
func (s *loner) View(fn func(bench.Tx) error) (bench.Timestamp, error) {
	s.fn = fn
	x, err := s.bound.BeginView()
	if err != nil {
		return 0, err
	}
	return s.execute(x)
}

func (s *loner) execute(x *occ.Tx) (bench.Timestamp, error) {
	defer x.Finish()
	for {
		ts, err := shard.Attempt(x, s.run)
		if err != occ.ErrConflict { //nolint:errorlint // the sentinel itself
			return bench.Timestamp(ts), err
		}
		s.aborts++
		if err := x.Retry(); err != nil {
			return 0, err
		}
	}
}

// Released implements bench.Session.
func (*loner) Released() bench.Timestamp { return math.MaxUint64 }

// Aborts implements bench.Session.
func (s *loner) Aborts() uint64 { return s.aborts }

// Close implements bench.Session.
func (s *loner) Close() error {
	s.bound.Drop()
	return nil
}
