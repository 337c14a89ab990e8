package occ

import (
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
	mem     index.Mem
	kept    keptVersions
	tombs   fifo.Queue[tombstone] // deleted records still in an index
	blocked fifo.Queue[tombstone] // those of which a snapshot may need what they were
	looked  uint64                // engine.closedSnaps when these were last gone through
	commits uint64
	records int64 // keys added less keys removed by this worker

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
// path without any pool, for programs that run transactions in loops.
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
