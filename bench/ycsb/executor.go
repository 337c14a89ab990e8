package ycsb

import (
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/bench"
)

// executor executes transactions, one at a time.
type executor struct {
	*input
	// later is a transaction whose records are to be fetched from memory meanwhile, nil if
	// none is known.
	later    *input
	w        *Workload
	table    bench.Table
	layout   layout
	oneByOne bool
	scanErr  error

	values [][]byte
	record []byte

	fns    [5]func(bench.Tx) error
	scanFn func(key, value []byte) bool
	// scanned counts the records of the current scan; last is its latest key.
	scanned int
	last    []byte
}

func newExecutor(w *Workload, t bench.Table) *executor {
	per := w.config.PerTxn
	in := newInput(per)
	k := &executor{
		input: &in, w: w, table: t, layout: w.layout, oneByOne: w.config.OneByOne,
		values: make([][]byte, per), record: make([]byte, w.layout.bytes()), last: make([]byte, 0, keyBytesMax),
	}
	k.fns = [5]func(bench.Tx) error{
		opRead: k.read, opUpdate: k.update, opInsert: k.insert, opScan: k.scan, opReadModifyWrite: k.readModifyWrite,
	}
	k.scanFn = k.scanRow
	return k
}

// Execute implements bench.Executor. There is no answer: what is read is verified here.
func (k *executor) Execute(tx bench.Tx, kind bench.Kind, request []byte) ([]byte, error) {
	if err := k.decode(k.w, kind, request); err != nil {
		return nil, err
	}
	k.locate(k.w.config.Keys)
	return nil, k.fns[k.op](tx)
}

// get fetches the records of the transaction into k.values.
func (k *executor) get(tx bench.Tx) error {
	if k.later != nil {
		if p, ok := tx.(bench.Prefetcher); ok {
			p.Prefetch(k.table, k.later.keys)
		}
	}
	if !k.oneByOne {
		return tx.GetMany(k.table, k.keys, k.values)
	}
	for i, key := range k.keys {
		value, err := tx.Get(k.table, key)
		if err != nil && !errors.Is(err, bench.ErrNotFound) {
			return err
		}
		k.values[i] = value
	}
	return nil
}

func (k *executor) read(tx bench.Tx) error {
	if err := k.get(tx); err != nil {
		return err
	}
	return k.verify()
}

func (k *executor) verify() error {
	for i, value := range k.values {
		if err := k.layout.verify(value, k.numbers[i]); err != nil {
			return err
		}
	}
	return nil
}

// update replaces one field of one record.
func (k *executor) update(tx bench.Tx) error {
	value, err := tx.Get(k.table, k.keys[0])
	if err != nil {
		return k.lookup(err)
	}
	if len(value) != k.layout.bytes() {
		return k.layout.verify(value, k.numbers[0])
	}
	return k.write(tx, 0, value)
}

// lookup explains the error of a Get that should have found its record.
func (k *executor) lookup(err error) error {
	if errors.Is(err, bench.ErrNotFound) {
		return fmt.Errorf("ycsb: record %d: %w", k.numbers[0], err)
	}
	return err
}

func (k *executor) readModifyWrite(tx bench.Tx) error {
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
func (k *executor) write(tx bench.Tx, i int, value []byte) error {
	copy(k.record, value)
	k.layout.bump(k.record, k.numbers[i], k.field)
	return tx.Put(k.table, k.keys[i], k.record)
}

func (k *executor) insert(tx bench.Tx) error {
	k.layout.fill(k.record, k.numbers[0])
	return tx.Insert(k.table, k.keys[0], k.record)
}

// scan reads up to scanLength records in key order from a record on.
func (k *executor) scan(tx bench.Tx) error {
	k.scanned, k.scanErr, k.last = 0, nil, k.last[:0]
	if err := tx.Scan(k.table, k.keys[0], nil, false, k.scanLength, k.scanFn); err != nil {
		return err
	}
	if k.scanErr == nil && k.scanned == 0 {
		return fmt.Errorf("ycsb: a scan from record %d found nothing", k.numbers[0])
	}
	return k.scanErr
}

func (k *executor) scanRow(key, value []byte) bool {
	switch {
	case k.scanned == 0 && string(key) != string(k.keys[0]):
		k.scanErr = fmt.Errorf("ycsb: a scan from record %d begins with %q", k.numbers[0], key)
	case k.scanned > 0 && string(key) <= string(k.last):
		k.scanErr = fmt.Errorf("ycsb: a scan has %q after %q", key, k.last)
	case k.scanned == k.scanLength:
		k.scanErr = fmt.Errorf("ycsb: a scan of %d records goes on", k.scanLength)
	default:
		k.scanErr = k.layout.verify(value, k.layout.numberOf(value))
	}
	k.scanned++
	k.last = append(k.last[:0], key...)
	return k.scanErr == nil
}
