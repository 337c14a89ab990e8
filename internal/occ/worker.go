package occ

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/fifo"
	"github.com/godwitdb/godwit/internal/index"
	"github.com/godwitdb/godwit/internal/wal"
)

// Worker is an execution slot: a stream, a memory cache, and the garbage that
// its commits leave. Its commit phase is entered by one goroutine at a time,
// with the stream locked.
type Worker struct {
	engine *Engine
	id     int
	stream *wal.Stream

	// Under the stream's lock:
	mem  index.Mem
	kept keptVersions
	// undoable are the changes that RollBack can take back, in the order in which they
	// were made.
	undoable fifo.Queue[change]
	versions undoSpace             // of those that are not linked
	tombs    fifo.Queue[tombstone] // deleted records still in an index
	blocked  fifo.Queue[tombstone] // those of which a snapshot may need what they were
	looked   uint64                // engine.closedSnaps when these were last gone through
	commits  uint64
	records  int64 // keys added less keys removed by this worker

	conflicts atomic.Uint64

	// pool holds transactions that are not in use.
	pool struct {
		sync.Mutex
		idle []*Tx
	}
	_ [64]byte
}

func newWorker(e *Engine, id int, s *wal.Stream) *Worker {
	return &Worker{
		engine: e,
		id:     id,
		stream: s,
		kept:   keptVersions{arena: e.arena},
		mem:    index.Mem{Cache: e.arena.NewCache(), Limbo: e.domain.NewLimbo()},
	}
}

func (w *Worker) takeTx() *Tx {
	w.pool.Lock()
	defer w.pool.Unlock()
	if n := len(w.pool.idle); n > 0 {
		tx := w.pool.idle[n-1]
		w.pool.idle = w.pool.idle[:n-1]
		return tx
	}
	return newTx(w.engine, w)
}

func (w *Worker) putTx(tx *Tx) {
	w.pool.Lock()
	defer w.pool.Unlock()
	w.pool.idle = append(w.pool.idle, tx)
}

// Bound is a transaction that one goroutine keeps, tied to one worker: the
// path without any pool, for programs that run transactions in loops. Its transactions
// begin on a sealed engine too, and fail at the first operation.
type Bound struct{ tx *Tx }

// NewBound returns a transaction tied to worker i. Drop must follow. The only
// error is ErrClosed.
func (e *Engine) NewBound(i int) (Bound, error) {
	if e.closed.Load() {
		return Bound{}, ErrClosed
	}
	return Bound{newTx(e, e.workers[i%len(e.workers)])}, nil
}

// Begin starts a transaction; Finish must follow. The only error is ErrClosed.
func (b Bound) Begin() (*Tx, error) { return b.begin(modeUpdate) }

// BeginView starts a read-only transaction; Finish must follow. The only error
// is ErrClosed.
func (b Bound) BeginView() (*Tx, error) { return b.begin(modeView) }

func (b Bound) begin(m mode) (*Tx, error) {
	if !b.tx.start(nil, m) { //nolint:staticcheck // no context is looked at
		return nil, ErrClosed
	}
	return b.tx, nil
}

// Drop gives up the transaction for good.
func (b Bound) Drop() { b.tx.pin.Drop() }

// enterCommit enters the commit phase when no other transaction is favoured and the
// log has room: what executes cannot be undone, so it must not find out later that it
// cannot be logged. kept is how much room was kept for it, to be given back (Done).
// The errors are those of the log and of the context.
func (tx *Tx) enterCommit() (w *Worker, kept int, err error) {
	log := tx.engine.log
	if bytes := wal.TxHeaderBytes + tx.writes.bytes; log != nil && bytes >= wal.AdmitBytes {
		kept = bytes
	}
	for {
		if kept > 0 {
			if err := log.Admit(tx.context(), kept); err != nil {
				return nil, 0, err
			}
		}
		w := tx.lockWorker()
		if err := tx.sameTerm(); err != nil {
			w.stream.Unlock()
			if kept > 0 {
				log.Done(kept)
			}
			return nil, 0, err
		}
		// Inside the commit phase: whoever becomes favoured now waits for its end.
		others := tx.engine.favours.others(tx.retries.turn)
		if !others && (log == nil || kept > 0 || w.stream.HasRoom()) {
			return w, kept, nil
		}
		w.stream.Unlock()
		if kept > 0 {
			log.Done(kept) // who is favoured may need it
		}
		if others {
			err = tx.engine.favours.await(tx.ctx)
		} else {
			err = log.Throttle(tx.context())
		}
		if err != nil {
			return nil, 0, err
		}
	}
}

// context returns the transaction's context; that of a session has none.
func (tx *Tx) context() context.Context {
	if tx.ctx == nil {
		return context.Background()
	}
	return tx.ctx
}

// lockWorker locks the stream of a worker: the transaction's own if it is free,
// else another.
func (tx *Tx) lockWorker() *Worker {
	w := tx.worker
	if w.stream.TryLock() {
		return w
	}
	all := tx.engine.workers
	for i := 1; i < len(all); i++ {
		other := all[(w.id+i)%len(all)]
		if other.stream.TryLock() {
			return other
		}
	}
	w.stream.Lock()
	return w
}
