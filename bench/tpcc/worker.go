package tpcc

import "github.com/godwitdb/godwit/bench"

// worker is one session's terminal, whose transactions are executed where they are drawn.
// The transactions' parameters, buffers and results live in its executor, and the functions
// given to the session are bound once, so a transaction allocates nothing.
type worker struct {
	session  bench.Session
	terminal *terminal
	executor *executor
}

func newWorker(load *Workload, s bench.Session, n, workers int, seed uint64) (*worker, error) {
	w := &worker{session: s, terminal: newTerminal(load, n, workers, seed), executor: newExecutor(load.config, &load.t)}
	var err error
	w.terminal.payments, err = lastPayment(s, &load.t, w.terminal.source)
	return w, err
}

// Run implements bench.Worker.
func (w *worker) Run() (bench.Kind, bench.Timestamp, error) {
	k := w.terminal.kind()
	ts, err := w.run(k)
	return k, ts, err
}

// run draws and executes a transaction of a kind.
func (w *worker) run(k bench.Kind) (ts bench.Timestamp, err error) {
	x := w.executor
	w.terminal.draw(k, x.input)
	fn := x.prepare(k)
	if readOnly(k) {
		return w.session.View(fn)
	}
	if ts, err = w.session.Update(fn); err == nil {
		w.terminal.count(k, x.delivery.count)
	}
	return ts, err
}
