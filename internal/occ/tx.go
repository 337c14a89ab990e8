package occ

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math/bits"
	"runtime"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/cpu"
	"github.com/godwitdb/godwit/internal/epoch"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/index"
	"github.com/godwitdb/godwit/internal/record"
	"github.com/godwitdb/godwit/internal/wal"
)

const (
	// KeyBytesMax is the longest key, ValueBytesMax the longest value.
	KeyBytesMax   = record.KeyBytesMax
	ValueBytesMax = 64 << 20
	// TxBytesMax bounds what one transaction writes: the size of its log record.
	TxBytesMax = wal.TxBytesMax

	// lockSpinsMax is how often a locked record is looked at before the
	// transaction gives up; lockSpinsHot of them without leaving the
	// processor.
	lockSpinsMax = 400
	lockSpinsHot = 200

	// ctxCheckOps is how many operations pass between looks at the context.
	ctxCheckOps = 64

	// readsKeepMax is how long a read set a finished transaction keeps for the
	// next one.
	readsKeepMax = 1 << 16

	// recentReads is how many reads a transaction remembers by key, so that
	// a write to a key just read needs no second lookup. A power of two.
	recentReads = 64
)

type mode uint8

const (
	modeDone mode = iota
	modeUpdate
	modeView
	modeSnapshot
)

// Tx executes transactions, one after the other. It serves one goroutine at a
// time.
type Tx struct {
	engine   *Engine
	worker   *Worker // the one whose pool it came from, tried first at commit
	arena    *arena.Arena
	pin      *epoch.Pin
	ctx      context.Context
	mode     mode
	at       hlc.Timestamp // of the snapshot, in modeSnapshot
	snapshot *Snapshot
	wrote    bool // the last attempt has committed writes
	drop     *Table
	ops      uint
	err      error // why the attempt cannot commit; sticky

	reads   []readEntry
	nodes   nodeSet
	writes  writeSet
	tables  []*Table
	term    uint64        // of the engine, when the attempt began
	undo    bool          // what its commits replace is kept until they are released
	maxRead hlc.Timestamp // largest timestamp of a version read
	scratch scratch

	recent    [recentReads]recentRead
	recentGen uint32 // grows with each attempt

	found   []index.Found  // of GetMany
	coming  coming         // of Prefetch
	changes []index.Change // of inserts at commit
	order   []int32        // writes in the order of locking, or of their records
	sorted  bool           // order has all writes in the order of their records
	scans   []*scan        // of nested scans
	depth   int
	onlyDel bool // all writes so far delete
	retries retries
}

// readEntry is a record that was read. lockedHere is set in rec once this
// transaction's commit has locked it.
type readEntry struct {
	rec  arena.Ref
	word record.Word
}

const lockedHere arena.Ref = 1 << 63

// recentRead is the last read whose hash falls on its place. rec is 0 if the key
// was missing, read is the place of its readEntry otherwise.
type recentRead struct {
	hash uint64
	rec  arena.Ref
	word record.Word
	gen  uint32
	read int32
}

// Begin returns a transaction that may write. End must follow. The errors are
// ErrClosed and ErrSealed.
func (e *Engine) Begin(ctx context.Context) (*Tx, error) { return e.begin(ctx, modeUpdate) }

// BeginView returns a transaction that only reads, from the newest versions; it
// has to be validated. End must follow. The errors are ErrClosed and ErrSealed.
func (e *Engine) BeginView(ctx context.Context) (*Tx, error) { return e.begin(ctx, modeView) }

func (e *Engine) begin(ctx context.Context, m mode) (*Tx, error) {
	w := e.workers[e.next.Add(1)%uint32(len(e.workers))]
	tx := w.takeTx()
	if !tx.start(ctx, m) {
		w.putTx(tx)
		return nil, ErrClosed
	}
	if err := tx.err; err != nil {
		tx.End()
		return nil, err
	}
	return tx, nil
}

func newTx(e *Engine, w *Worker) *Tx {
	return &Tx{engine: e, worker: w, arena: e.arena, undo: e.undo, pin: e.domain.NewPin()}
}

// start begins a transaction, unless the engine is closed.
func (tx *Tx) start(ctx context.Context, m mode) bool {
	if !tx.enterPin() {
		return false
	}
	tx.ctx, tx.mode = ctx, m
	if tx.retries.conflicts > 0 {
		tx.retries = retries{}
	}
	tx.clear()
	return true
}

// enterPin enters the pin, unless the engine is closed.
func (tx *Tx) enterPin() bool {
	tx.pin.Enter()
	// Close sets closed, then waits for pins that are inside: either it sees
	// ours or we see that it has begun.
	if tx.engine.closed.Load() {
		tx.pin.Exit()
		return false
	}
	return true
}

// Restart makes the transaction ready for another attempt.
func (tx *Tx) Restart() {
	tx.pin.Renew()
	tx.clear()
}

func (tx *Tx) clear() {
	tx.err = nil
	tx.wrote = false
	tx.drop = nil
	tx.ops = 0
	if cap(tx.reads) > readsKeepMax {
		tx.reads = nil
	}
	tx.reads = tx.reads[:0]
	if len(tx.nodes.entries) > 0 {
		tx.nodes.reset()
	}
	if len(tx.writes.entries) > 0 {
		tx.writes.reset()
	}
	tx.tables = tx.tables[:0]
	tx.maxRead = 0
	tx.scratch.reset()
	tx.recentGen++
	if tx.depth > 0 { // there are loops that have not ended: see show
		tx.scans, tx.depth = nil, 0
	}
	tx.onlyDel = true
	tx.term = tx.engine.term.now()
	if tx.mode != modeSnapshot && isSealed(tx.term) {
		tx.err = ErrSealed
	}
}

// End gives the transaction back. Nothing of it may be used afterwards.
func (tx *Tx) End() {
	tx.Finish()
	tx.worker.putTx(tx)
}

// Finish makes a transaction that its owner keeps (Bound) inactive.
func (tx *Tx) Finish() {
	tx.unfavour()
	tx.mode = modeDone
	tx.ctx = nil
	tx.pin.Exit()
	if tx.snapshot != nil {
		tx.snapshot.leave()
		tx.snapshot = nil
	}
}

// Over returns what stands for transactions that have ended: its operations return
// ErrTxDone and change nothing.
func (tx *Tx) Over() *Tx { return &tx.engine.over }

// Now returns the newest timestamp that was given: what the transaction has read is at or below.
func (tx *Tx) Now() hlc.Timestamp { return tx.engine.clock.Last() }

// Wrote tells whether the transaction has committed writes. It has not if all it did was to delete
// keys that did not exist.
func (tx *Tx) Wrote() bool { return tx.wrote }

// Err returns why the attempt cannot commit, nil if nothing is known to be in
// its way.
func (tx *Tx) Err() error { return tx.err }

// MaxRead returns the largest timestamp of a version that the attempt has
// read, or of a table's drop that it has found: its results may be shown once that is
// released (Invariant I2).
func (tx *Tx) MaxRead() hlc.Timestamp { return tx.maxRead }

// fail makes the attempt end with err.
func (tx *Tx) fail(err error) error {
	if tx.err == nil {
		tx.err = err
		if err == ErrConflict { //nolint:errorlint // the sentinel itself, on a hot path
			tx.worker.conflicts.Add(1)
		}
	}
	return tx.err
}

// enter is passed by every operation.
func (tx *Tx) enter(t *Table, key []byte) error {
	if tx.mode == modeDone {
		return ErrTxDone
	}
	if tx.err != nil {
		return tx.err
	}
	if len(key) > KeyBytesMax {
		return fmt.Errorf("%w: key of %d bytes, the longest allowed is %d", ErrTooLarge, len(key), KeyBytesMax)
	}
	tx.ops++
	if tx.ops%ctxCheckOps == 0 && tx.ctx != nil {
		if err := tx.ctx.Err(); err != nil {
			return tx.fail(err)
		}
	}
	return tx.use(t)
}

// use notes that the transaction uses the table.
func (tx *Tx) use(t *Table) error {
	for _, u := range tx.tables {
		if u == t {
			return nil
		}
	}
	if t == nil {
		return ErrNoTable
	}
	if err := t.usable(tx); err != nil {
		return err
	}
	tx.tables = append(tx.tables, t)
	return nil
}

// hash tells the keys of a transaction apart. It is only a hint: whoever uses
// it compares keys.
func (tx *Tx) hash(t *Table, key []byte) uint64 {
	const odd = 0x9e3779b97f4a7c15
	if len(key) == 8 {
		hi, lo := bits.Mul64(binary.LittleEndian.Uint64(key)^tx.engine.whiten, odd)
		return hi ^ lo ^ uint64(t.id)*odd
	}
	return maphash.Bytes(tx.engine.seed, key) ^ uint64(t.id)*odd
}

func (tx *Tx) ptr(r arena.Ref) unsafe.Pointer { return unsafe.Add(tx.arena.Base(), r) }

// spin waits a moment for a lock to be given up. It returns false when the
// transaction should wait no longer.
func spin(n *int) bool {
	*n++
	if *n > lockSpinsMax {
		return false
	}
	if *n <= lockSpinsHot {
		cpu.Pause()
	} else {
		runtime.Gosched()
	}
	return true
}

// spin waits like the function of this name, but if the transaction is favoured
// without a bound.
func (tx *Tx) spin(n *int) bool {
	if spin(n) {
		return true
	}
	*n = lockSpinsHot
	return tx.favoured()
}

// remember notes a read, the last one in reads, for a write that may follow; rec
// is 0 if the key is missing.
func (tx *Tx) remember(hash uint64, rec arena.Ref, word record.Word) {
	// One by one: a struct would be put together on the stack and then copied in larger
	// pieces, which a processor does not do before the smaller stores have left it.
	r := &tx.recent[hash%recentReads]
	r.hash, r.rec, r.word, r.gen, r.read = hash, rec, word, tx.recentGen, int32(len(tx.reads)-1)
}

// Fail makes the attempt end with err: it does not commit. A second call
// changes nothing.
func (tx *Tx) Fail(err error) { _ = tx.fail(err) }
