package ycsb

import (
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/bench"
)

// worker makes one session's transactions. Parameters and buffers live in it and
// the functions are bound once, so a transaction allocates nothing.
type worker struct {
	session bench.Session
	w       *Workload
	rng     bench.Rand
	choose  chooser
	// writes counts the fields written by executed transactions.
	writes uint64

	// drawn has the transactions to come in a ring, of which turn is the current one.
	drawn []params
	turn  int
	*params

	values  [][]byte
	record  []byte
	scanErr error

	fns    [5]func(bench.Tx) error
	scanFn func(key, value []byte) bool
	// scanned counts the records of the current scan; last is its latest key.
	scanned int
	last    []byte
}

// params are what is drawn for a transaction.
type params struct {
	kind       bench.Kind
	numbers    []uint64
	keys       [][]byte
	keyBytes   [][keyBytesMax]byte
	field      int
	scanLength int
}

func newWorker(w *Workload, s bench.Session, n int, seed uint64) *worker {
	per := w.config.PerTxn
	k := &worker{
		session: s, w: w, choose: newChooser(w.config, &w.sequence, w.mix.ops[1] == opInsert),
		values: make([][]byte, per), record: make([]byte, w.layout.bytes()), last: make([]byte, 0, keyBytesMax),
		drawn: make([]params, w.config.Ahead+1),
	}
	k.rng.Seed(seed, uint64(n))
	for i := range k.drawn {
		k.drawn[i] = params{numbers: make([]uint64, per), keys: make([][]byte, per), keyBytes: make([][keyBytesMax]byte, per)}
		k.params = &k.drawn[i]
		if i < w.config.Ahead {
			k.draw()
		}
	}
	k.fns = [5]func(bench.Tx) error{
		opRead: k.read, opUpdate: k.update, opInsert: k.insert, opScan: k.scan, opReadModifyWrite: k.readModifyWrite,
	}
	k.scanFn = k.scanRow
	return k
}

// Run implements bench.Worker.
func (k *worker) Run() (bench.Kind, bench.Timestamp, error) {
	k.params = &k.drawn[(k.turn+k.w.config.Ahead)%len(k.drawn)]
	k.draw()
	k.params = &k.drawn[k.turn]
	k.turn = (k.turn + 1) % len(k.drawn)
	kind, op := k.kind, k.w.mix.ops[k.kind]
	fn := k.fns[op]
	if op == opRead || op == opScan {
		ts, err := k.session.View(fn)
		return kind, ts, err
	}
	ts, err := k.session.Update(fn)
	if err == nil {
		k.executed(op)
	}
	return kind, ts, err
}

// draw chooses a transaction: its kind, the records and what happens to them.
func (k *worker) draw() {
	k.kind = 0
	if k.rng.N(100) >= k.w.mix.first {
		k.kind = 1
	}
	op := k.w.mix.ops[k.kind]
	if op == opInsert {
		k.numbers[0] = k.w.sequence.take()
	} else {
		k.drawExisting()
	}
	for i, n := range k.numbers {
		k.keys[i] = k.w.config.Keys.appendKey(k.keyBytes[i][:0], n)
	}
	k.field = int(k.rng.N(uint64(k.w.config.Fields)))
	if op == opScan {
		k.scanLength = k.rng.Between(1, scanMax)
	}
}

// drawExisting chooses different records.
func (k *worker) drawExisting() {
	for i := range k.numbers {
		for drawn := false; !drawn; {
			n := k.choose.next(&k.rng)
			k.numbers[i] = n
			drawn = true
			for _, other := range k.numbers[:i] {
				drawn = drawn && other != n
			}
		}
	}
}

// executed counts what a transaction has done.
func (k *worker) executed(op operation) {
	if op == opInsert {
		k.w.sequence.inserted(k.numbers[0])
		return
	}
	k.writes += uint64(len(k.numbers))
}

// latest returns the transaction that was drawn last.
func (k *worker) latest() *params { return &k.drawn[(k.turn+k.w.config.Ahead-1)%len(k.drawn)] }

// get fetches the records of the transaction into k.values.
func (k *worker) get(tx bench.Tx) error {
	if k.w.config.Ahead > 0 {
		if p, ok := tx.(bench.Prefetcher); ok {
			p.Prefetch(k.w.table, k.latest().keys)
		}
	}
	if !k.w.config.OneByOne {
		return tx.GetMany(k.w.table, k.keys, k.values)
	}
	for i, key := range k.keys {
		value, err := tx.Get(k.w.table, key)
		if err != nil && !errors.Is(err, bench.ErrNotFound) {
			return err
		}
		k.values[i] = value
	}
	return nil
}

func (k *worker) read(tx bench.Tx) error {
	if err := k.get(tx); err != nil {
		return err
	}
	return k.verify()
}

func (k *worker) verify() error {
	for i, value := range k.values {
		if err := k.w.layout.verify(value, k.numbers[i]); err != nil {
			return err
		}
	}
	return nil
}

// update replaces one field of one record.
func (k *worker) update(tx bench.Tx) error {
	value, err := tx.Get(k.w.table, k.keys[0])
	if err != nil {
		return k.lookup(err)
	}
	if len(value) != k.w.layout.bytes() {
		return k.w.layout.verify(value, k.numbers[0])
	}
	return k.write(tx, 0, value)
}

// lookup explains the error of a Get that should have found its record.
func (k *worker) lookup(err error) error {
	if errors.Is(err, bench.ErrNotFound) {
		return fmt.Errorf("ycsb: record %d: %w", k.numbers[0], err)
	}
	return err
}

func (k *worker) readModifyWrite(tx bench.Tx) error {
	if err := k.get(tx); err != nil {
		return err
	}
	if err := k.verify(); err != nil {
		return err
	}
	for i, value := range k.values {
		if err := k.write(tx, i, value); err != nil {
			return err
		}
	}
	return nil
}

// write puts record i back with one more in the counter of the drawn field.
func (k *worker) write(tx bench.Tx, i int, value []byte) error {
	copy(k.record, value)
	k.w.layout.bump(k.record, k.numbers[i], k.field)
	return tx.Put(k.w.table, k.keys[i], k.record)
}

func (k *worker) insert(tx bench.Tx) error {
	k.w.layout.fill(k.record, k.numbers[0])
	return tx.Insert(k.w.table, k.keys[0], k.record)
}

// scan reads up to scanLength records in key order from a record on.
func (k *worker) scan(tx bench.Tx) error {
	k.scanned, k.scanErr, k.last = 0, nil, k.last[:0]
	if err := tx.Scan(k.w.table, k.keys[0], nil, false, k.scanLength, k.scanFn); err != nil {
		return err
	}
	if k.scanErr == nil && k.scanned == 0 {
		return fmt.Errorf("ycsb: a scan from record %d found nothing", k.numbers[0])
	}
	return k.scanErr
}

func (k *worker) scanRow(key, value []byte) bool {
	switch {
	case k.scanned == 0 && string(key) != string(k.keys[0]):
		k.scanErr = fmt.Errorf("ycsb: a scan from record %d begins with %q", k.numbers[0], key)
	case k.scanned > 0 && string(key) <= string(k.last):
		k.scanErr = fmt.Errorf("ycsb: a scan has %q after %q", key, k.last)
	case k.scanned == k.scanLength:
		k.scanErr = fmt.Errorf("ycsb: a scan of %d records goes on", k.scanLength)
	default:
		k.scanErr = k.w.layout.verify(value, k.w.layout.numberOf(value))
	}
	k.scanned++
	k.last = append(k.last[:0], key...)
	return k.scanErr == nil
}
