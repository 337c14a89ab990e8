package syncrepl_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/godwitdb/godwit/baseline/syncrepl"
	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/refengine"
	"github.com/godwitdb/godwit/bench/tpcc"
)

// replicated is an engine whose sessions can be waited for: each wait takes a turn of
// gate, and fails with what it gets there.
type replicated struct {
	*refengine.Engine
	gate chan error
}

type waiter struct {
	bench.Session
	engine *replicated
}

func (e *replicated) NewSession(worker int) (bench.Session, error) {
	s, err := e.Engine.NewSession(worker)
	return &waiter{s, e}, err
}

func (w *waiter) Wait(context.Context, bench.Timestamp) error {
	err := <-w.engine.gate
	w.engine.ReleaseAll()
	return err
}

func put(t bench.Table, key, value string) func(bench.Tx) error {
	return func(tx bench.Tx) error { return tx.Put(t, []byte(key), []byte(value)) }
}

type fixture struct {
	below *replicated
	table bench.Table
	a, b  bench.Session
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	f := fixture{below: &replicated{refengine.New(refengine.Options{ManualRelease: true}), make(chan error)}}
	e := syncrepl.New(f.below)
	var errs [3]error
	f.table, errs[0] = e.CreateTable("t", bench.Ordered)
	f.a, errs[1] = e.NewSession(0)
	f.b, errs[2] = e.NewSession(1)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return f
}

// executes runs a transaction in a goroutine and returns what tells its end.
func executes(run func(func(bench.Tx) error) (bench.Timestamp, error), fn func(bench.Tx) error) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := run(fn)
		done <- err
	}()
	return done
}

// TestNobodySeesWhatIsNotReleased holds that whoever gets or scans a key waits until who
// has written it is released.
func TestNobodySeesWhatIsNotReleased(t *testing.T) {
	for name, read := range map[string]func(bench.Table, *string) func(bench.Tx) error{
		"get": func(table bench.Table, got *string) func(bench.Tx) error {
			return func(tx bench.Tx) error {
				v, err := tx.Get(table, []byte("k"))
				*got = string(v)
				return err
			}
		},
		"get many": func(table bench.Table, got *string) func(bench.Tx) error {
			return func(tx bench.Tx) error {
				values := make([][]byte, 1)
				err := tx.GetMany(table, [][]byte{[]byte("k")}, values)
				*got = string(values[0])
				return err
			}
		},
		"scan": func(table bench.Table, got *string) func(bench.Tx) error {
			return func(tx bench.Tx) error {
				return tx.Scan(table, nil, nil, false, 0, func(_, v []byte) bool { *got = string(v); return true })
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			writes := executes(f.a.Update, put(f.table, "k", "v"))
			for f.below.Executed() == 0 {
				runtime.Gosched()
			}
			var got string
			reads := executes(f.b.View, read(f.table, &got))
			select {
			case err := <-reads:
				t.Fatal("it was read before it is released", err)
			case <-time.After(20 * time.Millisecond):
			}
			f.below.gate <- nil
			if err := errors.Join(<-writes, <-reads); err != nil || got != "v" {
				t.Errorf("read %q, %v", got, err)
			}
		})
	}
}

// TestALostReleaseIsToldAndGivesLocksBack: the leader was deposed.
func TestALostReleaseIsToldAndGivesLocksBack(t *testing.T) {
	f := newFixture(t)
	lost := errors.New("deposed")
	writes := executes(f.a.Update, put(f.table, "k", "v"))
	f.below.gate <- lost
	if err := <-writes; !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
	again := executes(f.b.Update, put(f.table, "k", "w"))
	f.below.gate <- nil
	if err := <-again; err != nil {
		t.Error(err)
	}
}

// TestRolledBackTransactionsAreNotWaitedFor, and give their locks back.
func TestRolledBackTransactionsAreNotWaitedFor(t *testing.T) {
	f := newFixture(t)
	_, err := f.a.Update(func(tx bench.Tx) error { return errors.Join(tx.Put(f.table, []byte("k"), nil), bench.ErrRollback) })
	if !errors.Is(err, bench.ErrRollback) {
		t.Error(err)
	}
	if _, err := f.b.View(func(tx bench.Tx) error {
		return tx.Scan(f.table, nil, nil, false, 0, func(_, _ []byte) bool { return true })
	}); err != nil {
		t.Error(err)
	}
}

// TestTPCC runs a workload with conflicts of both kinds and checks it.
func TestTPCC(t *testing.T) {
	below := &replicated{refengine.New(refengine.Options{ManualRelease: true, AbortEvery: 7}), make(chan error)}
	ctx, cancel := context.WithCancel(t.Context())
	var releases sync.WaitGroup
	releases.Go(func() {
		for {
			select {
			case below.gate <- nil:
			case <-ctx.Done():
				return
			}
		}
	})
	w, err := tpcc.New(tpcc.Config{Warehouses: 1, Items: 100, Customers: 30})
	if err != nil {
		t.Fatal(err)
	}
	r, err := bench.Measure(t.Context(), syncrepl.New(below), w, bench.Config{Sessions: 4, Duration: 200 * time.Millisecond}, nil)
	cancel()
	releases.Wait()
	if err != nil || r.Executed == 0 {
		t.Errorf("%v %+v", err, r)
	}
}
