package bench_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/refengine"
)

// counting is a workload of two kinds: add one to a counter, or read it. Every
// tenth add rolls back.
type counting struct {
	table   bench.Table
	workers []*countingWorker
	// failAt makes the transaction of that number fail; 0 is never.
	failAt int
}

type countingWorker struct {
	w             *counting
	s             bench.Session
	n, added      int
	buffer        [8]byte
	add, addUndo  func(bench.Tx) error
	read          func(bench.Tx) error
	rolled, reads int
}

var errPlanted = errors.New("planted failure")

func (c *counting) Name() string           { return "counting" }
func (c *counting) Params() map[string]any { return map[string]any{"counters": 1} }
func (c *counting) Kinds() []string        { return []string{"add", "read"} }
func (c *counting) Open(bench.Engine) error {
	return errors.New("not used here")
}

func (c *counting) Load(ctx context.Context, e bench.Engine, sessions int) (err error) {
	if c.table, err = e.CreateTable("counter", bench.Ordered); err != nil {
		return err
	}
	return bench.LoadParallel(ctx, e, sessions, 1, func(l *bench.Loader, _ int) error {
		return l.Insert(c.table, []byte("n"), make([]byte, 8))
	})
}

func (c *counting) NewWorker(s bench.Session, _, _ int, _ uint64) (bench.Worker, error) {
	w := &countingWorker{w: c, s: s}
	w.add, w.addUndo, w.read = w.doAdd, w.doAddUndo, w.doRead
	c.workers = append(c.workers, w)
	return w, nil
}

func (w *countingWorker) doAdd(tx bench.Tx) error {
	v, err := tx.Get(w.w.table, []byte("n"))
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint64(w.buffer[:], binary.BigEndian.Uint64(v)+1)
	return tx.Put(w.w.table, []byte("n"), w.buffer[:])
}

func (w *countingWorker) doAddUndo(tx bench.Tx) error {
	if err := w.doAdd(tx); err != nil {
		return err
	}
	return bench.ErrRollback
}

func (w *countingWorker) doRead(tx bench.Tx) error {
	_, err := tx.Get(w.w.table, []byte("n"))
	return err
}

func (w *countingWorker) Run() (bench.Kind, bench.Timestamp, error) {
	w.n++
	if w.n == w.w.failAt {
		return 0, 0, errPlanted
	}
	switch {
	case w.n%2 == 0:
		w.reads++
		ts, err := w.s.View(w.read)
		return 1, ts, err
	case w.n%20 == 1:
		w.rolled++
		ts, err := w.s.Update(w.addUndo)
		return 0, ts, err
	}
	ts, err := w.s.Update(w.add)
	w.added++
	return 0, ts, err
}

func (c *counting) Check(_ context.Context, e bench.Engine, _ int) error {
	want := 0
	for _, w := range c.workers {
		want += w.added
	}
	return bench.CheckParallel(context.Background(), e, 1, 1, func(r *bench.Reader, _ int) error {
		values, err := r.GetMany(c.table, [][]byte{[]byte("n"), []byte("none")})
		if err != nil {
			return err
		}
		if got := int(binary.BigEndian.Uint64(values[0])); got != want || values[1] != nil {
			return fmt.Errorf("counter is %d after %d adds", got, want)
		}
		return nil
	})
}

func TestRateAndLive(t *testing.T) {
	var live bench.Live
	const rate = 2000
	r, err := bench.Measure(t.Context(), refengine.New(refengine.Options{}), &counting{}, bench.Config{
		Sessions: 2, Duration: 200 * time.Millisecond, RatePerSecond: rate, Live: &live,
	}, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if r.Executed == 0 || float64(r.Executed+r.Rollbacks) > rate*(r.Seconds+0.01) {
		t.Errorf("%d executed in %v s", r.Executed+r.Rollbacks, r.Seconds)
	}
	if live.Executed() < r.Executed || live.Executed() != live.Released() {
		t.Errorf("%d executed, %d released, and of those measured %d", live.Executed(), live.Released(), r.Executed)
	}
	if err := (bench.Config{Sessions: 1, Duration: 1, RatePerSecond: -1}).Validate(); err == nil {
		t.Error("a negative rate is accepted")
	}
}

func TestMeasure(t *testing.T) {
	var lines []bench.Interval
	w := &counting{}
	r, err := bench.Measure(t.Context(), refengine.New(refengine.Options{AbortEvery: 7}), w, bench.Config{
		Sessions: 3, Warmup: 50 * time.Millisecond, Duration: 220 * time.Millisecond, Interval: 50 * time.Millisecond,
		Progress: func(i bench.Interval) { lines = append(lines, i) },
	}, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	// 1 of warm-up, 5 measured of which the last is shorter; fewer if the machine
	// is late.
	if len(lines) < 2 || len(lines) > 6 || lines[0].Measured || !lines[1].Measured || !reflect.DeepEqual(lines, r.Intervals) {
		t.Errorf("intervals: %v", lines)
	}
	var sum bench.Interval
	for _, i := range lines[1:] {
		sum.Executed += i.Executed
		sum.Released += i.Released
		sum.Rollbacks += i.Rollbacks
		sum.Aborts += i.Aborts
	}
	if r.Executed == 0 || sum.Executed != r.Executed || sum.Released != r.Released || sum.Rollbacks != r.Rollbacks || sum.Aborts != r.Aborts {
		t.Errorf("totals %d %d %d %d, intervals sum up to %+v", r.Executed, r.Released, r.Rollbacks, r.Aborts, sum)
	}
	add, read := r.Kinds[0], r.Kinds[1]
	if add.Executed+read.Executed != r.Executed || add.Rollbacks != r.Rollbacks || read.Rollbacks != 0 {
		t.Errorf("kinds %+v do not add up to %d executed, %d rolled back", r.Kinds, r.Executed, r.Rollbacks)
	}
	all, rolled := 0, 0
	for _, w := range w.workers {
		all, rolled = all+w.added+w.reads, rolled+w.rolled
	}
	if warm := lines[0].Executed; int(r.Executed+warm) > all || int(r.Rollbacks) > rolled {
		t.Errorf("%d + %d executed and %d rolled back of %d and %d", warm, r.Executed, r.Rollbacks, all, rolled)
	}
	// An attempt in seven fails; attempts are one seventh more than transactions.
	if ratio := float64(r.Aborts) / float64(r.Executed+r.Rollbacks); ratio < 0.1 || ratio > 0.25 {
		t.Errorf("%d aborts for %d transactions", r.Aborts, r.Executed+r.Rollbacks)
	}
	if l := r.ReleasedLatency; l.P50 == 0 || l.P50 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max || r.ExecutedLatency.P50 > l.Max {
		t.Errorf("latencies %v executed, %v released", r.ExecutedLatency, l)
	}
	if r.Resources.CPUPerTransaction == 0 || r.Machine.Cores == 0 || r.Machine.CPU == "" {
		t.Errorf("resources %+v, machine %+v", r.Resources, r.Machine)
	}

	name := filepath.Join(t.TempDir(), "r.json")
	if err := r.WriteFile(name); err != nil {
		t.Fatal(err)
	}
	again, err := bench.ReadResult(name)
	if err != nil {
		t.Fatal(err)
	}
	if again.Executed != r.Executed || !reflect.DeepEqual(again.Intervals, r.Intervals) || !reflect.DeepEqual(again.Machine, r.Machine) {
		t.Errorf("read back %+v, wrote %+v", again, r)
	}
}

// boundProbe notes how many transactions of a session are executed and not
// released.
type boundProbe struct {
	*refengine.Engine
	mostMax *atomic.Int64
}

func (p boundProbe) NewSession(i int) (bench.Session, error) {
	s, err := p.Engine.NewSession(i)
	return &probeSession{Session: s, probe: p}, err
}

type probeSession struct {
	bench.Session
	probe boundProbe
	own   []bench.Timestamp
}

func (s *probeSession) Update(fn func(bench.Tx) error) (bench.Timestamp, error) {
	ts, err := s.Session.Update(fn)
	released := s.Released()
	for len(s.own) > 0 && s.own[0] <= released {
		s.own = s.own[1:]
	}
	if ts > released {
		s.own = append(s.own, ts)
	}
	s.probe.mostMax.Store(max(s.probe.mostMax.Load(), int64(len(s.own))))
	return ts, err
}

// standsStill waits until nothing has executed for many turns of the scheduler,
// as all sessions are at their bound or drain. It returns false after stop.
func (p boundProbe) standsStill(stop <-chan struct{}) bool {
	for still, last := 0, p.Executed(); still < 200; still++ {
		select {
		case <-stop:
			return false
		default:
			runtime.Gosched()
		}
		if now := p.Executed(); now != last {
			still, last = 0, now
		}
	}
	return true
}

// TestInFlightIsBounded holds all releases back. The sessions must stop at the
// bound, go on when everything is released, and wait for the releases at the end.
func TestInFlightIsBounded(t *testing.T) {
	const bound = 37
	e := boundProbe{refengine.New(refengine.Options{ManualRelease: true}), new(atomic.Int64)}
	w := &counting{}
	loaded := make(chan error, 1)
	go func() { loaded <- w.Load(t.Context(), e, 1) }()
	for len(loaded) == 0 {
		e.ReleaseAll()
	}
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	releases := 0
	go func() {
		defer close(stopped)
		for e.standsStill(stop) {
			e.ReleaseAll()
			releases++
		}
	}()
	r, err := bench.Run(t.Context(), e, w, bench.Config{Sessions: 2, Duration: 100 * time.Millisecond, InFlightMax: bound})
	close(stop)
	<-stopped
	if err != nil {
		t.Fatal(err)
	}
	if most := e.mostMax.Load(); most == 0 || most > bound {
		t.Errorf("%d in flight, the bound is %d", most, bound)
	}
	if r.BlockedFraction <= 0 || r.BlockedFraction > 1 || r.ReleasedLatency.P50 <= r.ExecutedLatency.P50 {
		t.Errorf("blocked %v, released %v, executed %v, %d releases", r.BlockedFraction, r.ReleasedLatency, r.ExecutedLatency, releases)
	}
	if err := w.Check(t.Context(), e, 1); err != nil {
		t.Error(err)
	}
}

func TestRunThatIsNeverReleasedFails(t *testing.T) {
	e, w := refengine.New(refengine.Options{}), &counting{}
	if err := w.Load(t.Context(), e, 1); err != nil {
		t.Fatal(err)
	}
	stuck := &stuckEngine{Engine: e}
	_, err := bench.Run(t.Context(), stuck, w, bench.Config{Sessions: 1, Duration: 10 * time.Millisecond, InFlightMax: 8, DrainTimeout: time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "8 executed transactions are not released") {
		t.Errorf("error %v", err)
	}
}

// stuckEngine never releases.
type stuckEngine struct{ bench.Engine }

type stuckSession struct{ bench.Session }

func (e *stuckEngine) NewSession(i int) (bench.Session, error) {
	s, err := e.Engine.NewSession(i)
	return stuckSession{s}, err
}

func (stuckSession) Released() bench.Timestamp { return 0 }

// idle is a workload without work, for what the runner itself costs.
type idle struct{ counting }

type idleWorker struct{ ts *atomic.Uint64 }

func (w idleWorker) Run() (bench.Kind, bench.Timestamp, error) {
	return 0, bench.Timestamp(w.ts.Add(1)), nil
}

type idleEngine struct {
	bench.Engine
	ts atomic.Uint64
}

// idleSession releases 64 transactions late, and all when no more come.
type idleSession struct {
	e    *idleEngine
	last uint64
}

func (s *idleSession) Released() bench.Timestamp {
	ts := s.e.ts.Load()
	if ts != s.last {
		s.last = ts
		ts -= min(ts, 64)
	}
	return bench.Timestamp(ts)
}

func (e *idleEngine) NewSession(int) (bench.Session, error)               { return &idleSession{e: e}, nil }
func (*idleSession) Update(func(bench.Tx) error) (bench.Timestamp, error) { return 0, nil }
func (*idleSession) View(func(bench.Tx) error) (bench.Timestamp, error)   { return 0, nil }
func (*idleSession) Aborts() uint64                                       { return 0 }
func (*idleSession) Close() error                                         { return nil }

func (w *idle) NewWorker(s bench.Session, _, _ int, _ uint64) (bench.Worker, error) {
	return idleWorker{&s.(*idleSession).e.ts}, nil
}

func TestRunnerDoesNotAllocatePerTransaction(t *testing.T) {
	e := &idleEngine{}
	r, err := bench.Run(t.Context(), e, &idle{}, bench.Config{
		Sessions: 1, Duration: 200 * time.Millisecond, InFlightMax: 1 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.0f transactions per second", r.ExecutedPerSecond)
	if r.Resources.AllocsPerTransaction > 0.01 {
		t.Errorf("%v allocations per transaction in %d", r.Resources.AllocsPerTransaction, r.Executed)
	}
}

func TestFailingTransactionEndsTheRun(t *testing.T) {
	w := &counting{failAt: 1000}
	begin := time.Now()
	_, err := bench.Measure(t.Context(), refengine.New(refengine.Options{}), w, bench.Config{Sessions: 2, Duration: time.Hour}, nil)
	if !errors.Is(err, errPlanted) || time.Since(begin) > time.Minute {
		t.Errorf("error %v after %v", err, time.Since(begin))
	}
}

// oneAtATime is a Host whose sessions take turns.
type oneAtATime struct {
	turn  chan struct{}
	slept atomic.Int64
}

func (h *oneAtATime) Go(_ int, run func()) {
	go func() {
		h.turn <- struct{}{}
		run()
		<-h.turn
	}()
}

func (h *oneAtATime) Sleep(int, time.Duration) {
	h.slept.Add(1)
	<-h.turn
	runtime.Gosched()
	h.turn <- struct{}{}
}

// TestHostRunsTheSessions has sessions that may only run in turns, and therefore race with
// each other unless the Host is asked whenever one rests.
func TestHostRunsTheSessions(t *testing.T) {
	h := &oneAtATime{turn: make(chan struct{}, 1)}
	ran, total := make([]int, 3), 0
	c := bench.Config{Sessions: len(ran), Duration: 50 * time.Millisecond, RatePerSecond: 2000, Host: h}
	r, err := bench.Drive(t.Context(), []string{"count"}, c, func(n int) (bench.Worker, bench.Outcomes, error) {
		w := &counter{all: ran, own: n, total: &total}
		return w, w, nil
	})
	if err != nil || r.Executed == 0 || r.Released != r.Executed || h.slept.Load() == 0 {
		t.Fatalf("%v, %d rests\n%+v", err, h.slept.Load(), r)
	}
	for n := range ran {
		if total -= ran[n]; ran[n] == 0 {
			t.Errorf("session %d has not run: %v", n, ran)
		}
	}
	if total != 0 {
		t.Errorf("%v have not run in turns: %d more in all", ran, total)
	}
}

// counter is a session that counts what all of them do.
type counter struct {
	all   []int
	own   int
	total *int // of all sessions, which take turns
}

func (w *counter) Run() (bench.Kind, bench.Timestamp, error) {
	w.all[w.own]++
	*w.total++
	return 0, 0, nil
}
func (*counter) Released() bench.Timestamp { return 0 }
func (*counter) Aborts() uint64            { return 0 }
func (*counter) Close() error              { return nil }

func TestBesideRunsWithTheSessions(t *testing.T) {
	w, e := &counting{}, refengine.New(refengine.Options{})
	if err := w.Load(t.Context(), e, 1); err != nil {
		t.Fatal(err)
	}
	ended := false
	c := bench.Config{Sessions: 1, Duration: 20 * time.Millisecond, Beside: func(ctx context.Context) error {
		<-ctx.Done()
		ended = true
		return nil
	}}
	if _, err := bench.Run(t.Context(), e, w, c); err != nil || !ended {
		t.Errorf("companion ended %v, error %v", ended, err)
	}
	c.Beside = func(context.Context) error { return errPlanted }
	if _, err := bench.Run(t.Context(), e, w, c); !errors.Is(err, errPlanted) {
		t.Errorf("error %v", err)
	}
}

func TestCancelledRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	w := &counting{}
	progress := func(bench.Interval) { cancel(errPlanted) }
	_, err := bench.Measure(ctx, refengine.New(refengine.Options{}), w,
		bench.Config{Sessions: 1, Duration: time.Hour, Interval: time.Millisecond, Progress: progress}, nil)
	if !errors.Is(err, errPlanted) {
		t.Errorf("error %v", err)
	}
}

func TestConfigValidate(t *testing.T) {
	good := bench.Config{Sessions: 1, Duration: 1}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []bench.Config{
		{Sessions: 0, Duration: 1},
		{Sessions: 1},
		{Sessions: 1, Duration: 1, Warmup: -1},
		{Sessions: 1, Duration: 1, InFlightMax: 1<<20 + 1},
	} {
		if c.Validate() == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ns", 999: "999ns", 1000: "1.00µs", 9999: "10.0µs", 123456: "123µs", 999600: "1.00ms", 1234 * time.Millisecond: "1.23s", 2 * time.Hour: "7200s",
	} {
		if got := bench.FormatDuration(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}
