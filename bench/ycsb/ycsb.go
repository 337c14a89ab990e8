package ycsb

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/godwitdb/godwit/bench"
)

const (
	tableName = "usertable"
	// unitRecords is how many records a unit of loading or checking has.
	unitRecords = 4096
	checkChunk  = 256
)

// Workload is one of the mixes on one engine. It implements bench.Workload.
type Workload struct {
	config   Config
	mix      mix
	layout   layout
	table    bench.Table
	sequence sequence
	// terminals are those of workers, too.
	terminals []*terminal
	opened    bool
	expected  bench.Counts // not nil if it is known what was executed elsewhere
}

var _ bench.Remote = (*Workload)(nil)

// New returns the workload of a configuration.
func New(c Config) (*Workload, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	w := &Workload{config: c, layout: layout{c.Fields, c.FieldBytes}}
	w.mix, _ = c.Mix.definition()
	w.sequence.start(c.Records)
	return w, nil
}

// Name implements bench.Workload.
func (w *Workload) Name() string {
	if w.config.Mix == PlusPlus {
		return "ycsb++"
	}
	return "ycsb-" + string(w.config.Mix)
}

// Params implements bench.Workload.
func (w *Workload) Params() map[string]any {
	c := w.config
	p := map[string]any{
		"records": c.Records, "fields": c.Fields, "field_bytes": c.FieldBytes, "distribution": string(c.Distribution),
		"keys": string(c.Keys), "table": c.Table.String(), "keys_per_transaction": c.PerTxn, "one_by_one": c.OneByOne,
	}
	if c.Ahead > 0 {
		p["ahead"] = c.Ahead
	}
	if c.Distribution != Uniform {
		p["theta"] = c.Theta
	}
	return p
}

// Kinds implements bench.Workload.
func (w *Workload) Kinds() []string {
	if w.mix.first == 100 {
		return []string{w.mix.ops[0].String()}
	}
	return []string{w.mix.ops[0].String(), w.mix.ops[1].String()}
}

// Load implements bench.Workload.
func (w *Workload) Load(ctx context.Context, e bench.Engine, sessions int) (err error) {
	if w.table, err = e.CreateTable(tableName, w.config.Table); err != nil {
		return err
	}
	records := uint64(w.config.Records)
	units := int((records + unitRecords - 1) / unitRecords)
	return bench.LoadParallel(ctx, e, sessions, units, func(l *bench.Loader, unit int) error {
		var key []byte
		value := make([]byte, w.layout.bytes())
		for n := uint64(unit) * unitRecords; n < min(uint64(unit+1)*unitRecords, records); n++ {
			w.layout.fill(value, n)
			key = w.config.Keys.appendKey(key[:0], n)
			if err := l.Insert(w.table, key, value); err != nil {
				return err
			}
		}
		return nil
	})
}

// Open implements bench.Workload. The table has the configured number of records
// or, after a run with inserts, more.
func (w *Workload) Open(e bench.Engine) (err error) {
	if w.table, err = e.OpenTable(tableName); err != nil {
		return err
	}
	w.opened = true
	s, err := e.NewSession(0)
	if err != nil {
		return err
	}
	records, err := w.count(bench.NewReader(s))
	w.sequence.start(records)
	return errors.Join(err, s.Close())
}

// count returns how many records there are. Inserted ones have the numbers that
// follow: the first that is missing ends them.
func (w *Workload) count(r *bench.Reader) (records int, err error) {
	key := [][]byte{nil}
	for n := w.config.Records; ; n++ {
		key[0] = w.config.Keys.appendKey(key[0][:0], uint64(n))
		values, err := r.GetMany(w.table, key)
		if err != nil || values[0] == nil {
			return n, err
		}
	}
}

// NewWorker implements bench.Workload.
func (w *Workload) NewWorker(s bench.Session, n, _ int, seed uint64) (bench.Worker, error) {
	return newWorker(w, s, n, seed), nil
}

// ReadOnly implements bench.Remote.
func (w *Workload) ReadOnly(k bench.Kind) bool { return w.mix.ops[k].readOnly() }

// NewTerminal implements bench.Remote.
func (w *Workload) NewTerminal(n, _ int, seed uint64) bench.Terminal { return newTerminal(w, n, seed) }

// NewExecutor implements bench.Remote.
func (w *Workload) NewExecutor(e bench.Engine) (bench.Executor, error) {
	t, err := e.OpenTable(tableName)
	if err != nil {
		return nil, err
	}
	return newExecutor(w, t), nil
}

// The names of Counts.
const (
	countWrites  = "writes"
	countInserts = "inserts"
)

// Counts implements bench.Remote.
func (w *Workload) Counts() bench.Counts {
	c := bench.Counts{countWrites: 0, countInserts: 0}
	for _, t := range w.terminals {
		c[countWrites] += t.writes
		c[countInserts] += t.inserts
	}
	return c
}

// Expect implements bench.Remote.
func (w *Workload) Expect(c bench.Counts) { w.expected = c }

// Check implements bench.Workload: all records are there and intact, there are no
// others, and their counters add up to the writes that executed.
func (w *Workload) Check(ctx context.Context, e bench.Engine, sessions int) error {
	records := w.sequence.taken.Load()
	if present := w.sequence.present.Load(); present != records {
		return fmt.Errorf("ycsb: %d records were to be inserted, %d are", records, present)
	}
	var counters, scanned atomic.Uint64
	units := int((records + unitRecords - 1) / unitRecords)
	err := bench.CheckParallel(ctx, e, sessions, units+1, func(r *bench.Reader, unit int) error {
		if unit > 0 {
			return w.checkRecords(r, uint64(unit-1)*unitRecords, min(uint64(unit)*unitRecords, records), &counters)
		}
		if w.config.Table == bench.Hashed {
			scanned.Store(records) // cannot be scanned
			return nil
		}
		return w.checkScan(r, &scanned)
	})
	if err != nil {
		return err
	}
	if n := scanned.Load(); n != records {
		return fmt.Errorf("ycsb: %d records in the table, %d expected", n, records)
	}
	executed := w.Counts()
	switch {
	case w.expected != nil:
		executed = w.expected
		if want := uint64(w.config.Records) + executed[countInserts]; records != want {
			return fmt.Errorf("ycsb: %d records, %d were loaded and inserted", records, want)
		}
	case w.opened:
		return nil
	}
	if sum := counters.Load(); sum != executed[countWrites] {
		return fmt.Errorf("ycsb: the records were written %d times, by their counters, and %d writes executed", sum, executed[countWrites])
	}
	return nil
}

// checkRecords verifies the records from..to-1 and adds their counters up.
func (w *Workload) checkRecords(r *bench.Reader, from, to uint64, counters *atomic.Uint64) error {
	keys := make([][]byte, 0, checkChunk)
	for n := from; n < to; n += uint64(len(keys)) {
		keys = keys[:0]
		for k := n; k < min(n+checkChunk, to); k++ {
			keys = append(keys, w.config.Keys.appendKey(nil, k))
		}
		values, err := r.GetMany(w.table, keys)
		if err != nil {
			return err
		}
		for i, value := range values {
			if err := w.layout.verify(value, n+uint64(i)); err != nil {
				return err
			}
			counters.Add(w.layout.counters(value))
		}
	}
	return nil
}

// checkScan reads the whole table in order and counts it.
func (w *Workload) checkScan(r *bench.Reader, scanned *atomic.Uint64) error {
	var last, want []byte
	return r.Scan(w.table, nil, nil, func(key, value []byte) error {
		if scanned.Add(1) > 1 && string(last) >= string(key) {
			return fmt.Errorf("ycsb: the scan has %q after %q", key, last)
		}
		last = append(last[:0], key...)
		want = w.config.Keys.appendKey(want[:0], w.layout.numberOf(value))
		if string(want) != string(key) {
			return fmt.Errorf("ycsb: key %q has the value of %q", key, want)
		}
		return nil
	})
}
