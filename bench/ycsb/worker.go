package ycsb

import "github.com/godwitdb/godwit/bench"

// worker executes one session's transactions where it draws them. Parameters and buffers
// live in it and the functions are bound once, so a transaction allocates nothing.
type worker struct {
	session  bench.Session
	terminal *terminal
	executor *executor
	// drawn has the transactions to come in a ring, of which turn is the current one.
	drawn []input
	turn  int
}

func newWorker(w *Workload, s bench.Session, n int, seed uint64) *worker {
	k := &worker{session: s, terminal: newTerminal(w, n, seed), executor: newExecutor(w, w.table), drawn: make([]input, w.config.Ahead+1)}
	for i := range k.drawn {
		k.drawn[i] = newInput(w.config.PerTxn)
		if i < w.config.Ahead {
			k.draw(&k.drawn[i])
		}
	}
	return k
}

func (k *worker) draw(in *input) {
	k.terminal.draw(in)
	in.locate(k.terminal.w.config.Keys)
}

// Run implements bench.Worker.
func (k *worker) Run() (kind bench.Kind, ts bench.Timestamp, err error) {
	x := k.executor
	x.input = &k.drawn[k.turn]
	before := k.turn - 1
	if before < 0 {
		before = len(k.drawn) - 1
	}
	newest := &k.drawn[before]
	k.draw(newest)
	if x.input != newest {
		x.later = newest
	}
	if k.turn++; k.turn == len(k.drawn) {
		k.turn = 0
	}
	kind, fn := x.kind, x.fns[x.op]
	if x.op.readOnly() {
		ts, err = k.session.View(fn)
		return kind, ts, err
	}
	ts, err = k.session.Update(fn)
	if err == nil {
		k.terminal.executed(x.input)
	}
	return kind, ts, err
}
