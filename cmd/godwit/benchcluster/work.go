package benchcluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/internal/shard"
)

// work is what a member is to do when it leads.
type work struct {
	changed chan struct{}
	// loaded is the workload that this process has loaded the data for, and whose work it
	// has counted. It belongs to who leads, and to who checks when nothing runs.
	loaded bench.Remote
	mu     struct {
		sync.Mutex
		load   bool
		run    *RunOrder
		cancel context.CancelFunc // of what runs
	}
	running sync.Mutex // held by what runs
}

// want notes an order.
func (w *work) want(o *Order) {
	w.mu.Lock()
	if o.Load {
		w.mu.load = true
	}
	if o.Run != nil {
		// Whoever leads next runs on the data that the first leader has loaded, or the
		// clients do.
		w.mu.load = false
		if !o.Run.Remote {
			w.mu.run = o.Run
		}
	}
	w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default: // it will be looked at
	}
}

// stop takes orders back and waits until nothing runs.
func (w *work) stop() {
	w.mu.Lock()
	w.mu.load, w.mu.run = false, nil
	if w.mu.cancel != nil {
		w.mu.cancel()
	}
	w.mu.Unlock()
	w.running.Lock()
	w.running.Unlock() //nolint:staticcheck // what ran has ended
}

// begin takes the next order. Its context ends when the order is taken back. end must
// be called if there was one.
func (w *work) begin(ctx context.Context) (_ context.Context, load bool, run *RunOrder) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.mu.load:
		load, w.mu.load = true, false
	case w.mu.run != nil:
		if run = w.mu.run; !run.Endless {
			w.mu.run = nil
		}
	default:
		return ctx, false, nil
	}
	w.running.Lock()
	ctx, w.mu.cancel = context.WithCancel(ctx)
	return ctx, load, run
}

func (w *work) end() {
	w.mu.Lock()
	w.mu.cancel()
	w.mu.cancel = nil
	w.mu.Unlock()
	w.running.Unlock()
}

// lead does what the member is told, whenever it leads.
func (m *member) lead(ctx context.Context) {
	for {
		e, over, err := m.host.awaitLead(ctx)
		if err != nil {
			return
		}
		for !m.turn(ctx, e, over) {
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// turn carries out one order, or waits for one. It tells whether the leadership is over.
func (m *member) turn(ctx context.Context, e bench.Engine, over <-chan struct{}) bool {
	inner, load, run := m.work.begin(ctx)
	if !load && run == nil {
		select {
		case <-ctx.Done():
			return true
		case <-over:
			return true
		case <-m.work.changed:
		}
		return false
	}
	defer m.work.end()
	inner, cancel := context.WithCancelCause(inner)
	defer cancel(nil)
	stopped := make(chan struct{})
	defer close(stopped)
	go func() { // ends with the order
		select {
		case <-over:
			cancel(shard.ErrNotLeader)
		case <-stopped:
		}
	}()
	var err error
	if load {
		err = m.load(inner, e)
	} else {
		err = m.run(inner, m.setup.Protocol.engine(e), run)
	}
	deposed := err != nil && (errors.Is(err, shard.ErrNotLeader) || errors.Is(context.Cause(inner), shard.ErrNotLeader))
	switch {
	case err == nil || run != nil && run.Endless && (deposed || errors.Is(err, context.Canceled)):
	case deposed:
		m.report(Report{Err: m.deposed().Error()})
	default:
		m.report(Report{Err: err.Error()})
	}
	return deposed
}

// deposed is what has gone wrong if nobody has done anything to the leader.
func (m *member) deposed() error {
	return fmt.Errorf("it has lost the lead, and there is no result: it, or the others, were silent for too long, as on a machine whose processors or disk are busy; "+
		"run it again with a longer --election-timeout, which was %v", m.setup.ElectionTimeout)
}

func (m *member) load(ctx context.Context, e bench.Engine) error {
	w, err := m.setup.Workload.New()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := w.Load(ctx, e, m.setup.Threads); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	took := time.Since(began)
	m.work.loaded = w
	var s Sample
	if err := m.host.look(ctx, &s); err != nil {
		return err
	}
	m.report(Report{Loaded: &LoadReport{Seconds: took.Seconds(), Applied: s.Applied}})
	return nil
}

// run runs the workload and reports the result, if it is to have one.
func (m *member) run(ctx context.Context, e bench.Engine, o *RunOrder) error {
	w := m.work.loaded
	if w == nil || o.Endless {
		var err error
		if w, err = m.setup.Workload.New(); err != nil {
			return err
		}
		if err := w.Open(e); err != nil {
			return fmt.Errorf("open: %w", err)
		}
	}
	c := o.config(m.setup, &m.live)
	if o.Endless {
		c.Seed ^= uint64(time.Now().UnixNano()) // each leader's transactions are others
		go m.tellFirst(ctx)
	}
	r, err := bench.Run(ctx, e, w, c)
	if err != nil {
		return err
	}
	describe(r, e.Name(), w)
	m.report(Report{Result: r})
	return nil
}

// config is how the runner is to drive the workload.
func (o *RunOrder) config(s *Setup, live *bench.Live) bench.Config {
	c := bench.Config{
		Sessions: cmp.Or(o.Sessions, s.Threads), Warmup: o.Warmup, Duration: o.Duration, InFlightMax: o.InFlightMax, Seed: o.Seed,
		RatePerSecond: o.RatePerSecond, Live: live,
	}
	if o.Endless {
		c.Duration, c.Interval = endless, endless
	}
	return c
}

// describe says what a result is of.
func describe(r *bench.Result, engine string, w bench.Workload) {
	r.Engine, r.Workload, r.Params, r.Machine = engine, w.Name(), w.Params(), bench.ThisMachine()
	if s, ok := w.(bench.StatsReporter); ok {
		r.WorkloadStats = s.Stats()
	}
}

// tellFirst says at once when something is released, for the first time since now. It
// ends with ctx.
func (m *member) tellFirst(ctx context.Context) {
	before := m.live.Released()
	for m.live.Released() == before {
		if ctx.Err() != nil {
			return
		}
		time.Sleep(firstLook)
	}
	m.tell(ctx)
}

// firstLook is how often it is looked whether something is released.
const firstLook = 200 * time.Microsecond

// endless is longer than any run.
const endless = 1000 * time.Hour
