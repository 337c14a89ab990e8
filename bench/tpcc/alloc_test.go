package tpcc

import (
	"errors"
	"testing"

	"github.com/godwitdb/godwit/bench"
)

// canned is a session whose transactions always find the same rows and forget
// what they write, without allocating: what allocates is the procedures.
type canned struct {
	t    *tables
	rows map[bench.Table][]byte
	keys map[bench.Table][]byte
	tx   cannedTx
}

type cannedTable string

func (t cannedTable) Name() string { return string(t) }

type cannedTx struct{ *canned }

func newCanned() (*canned, *Workload) {
	w := &Workload{config: small().withDefaults()}
	c := &canned{t: &w.t, rows: map[bench.Table][]byte{}, keys: map[bench.Table][]byte{}}
	c.tx = cannedTx{c}
	// The name table's handle is the map's key, and a string in an interface
	// is made once, here.
	if err := w.t.each(func(handle *bench.Table, name string, _ bool) error {
		*handle = cannedTable(name)
		c.keys[*handle] = orderLineKey(nil, 1, 1, 3, 1)
		return nil
	}); err != nil {
		panic(err)
	}
	order := make([]byte, orderBytes)
	order[orderLines] = 10
	customer := make([]byte, customerBytesMax)
	copy(customer[customerCredit:], badCredit)
	c.rows = map[bench.Table][]byte{
		w.t.warehouse: make([]byte, warehouseBytes), w.t.district: make([]byte, districtBytes), w.t.customer: customer,
		w.t.order: order, w.t.orderLine: make([]byte, lineBytes), w.t.item: make([]byte, itemBytesMax),
		w.t.stock: make([]byte, stockBytes), w.t.stockInfo: make([]byte, stockInfoBytesMax),
	}
	return c, w
}

func (c *canned) Update(fn func(bench.Tx) error) (bench.Timestamp, error) { return 1, fn(&c.tx) }
func (c *canned) View(fn func(bench.Tx) error) (bench.Timestamp, error)   { return 1, fn(&c.tx) }
func (c *canned) Released() bench.Timestamp                               { return 1 }
func (c *canned) Aborts() uint64                                          { return 0 }
func (c *canned) Close() error                                            { return nil }

func (x *cannedTx) Get(t bench.Table, _ []byte) ([]byte, error) { return x.rows[t], nil }

func (x *cannedTx) GetMany(t bench.Table, keys, values [][]byte) error {
	for i := range keys {
		values[i] = x.rows[t]
	}
	return nil
}

func (x *cannedTx) Put(bench.Table, []byte, []byte) error    { return nil }
func (x *cannedTx) Insert(bench.Table, []byte, []byte) error { return nil }
func (x *cannedTx) Delete(bench.Table, []byte) error         { return nil }

func (x *cannedTx) Scan(t bench.Table, _, _ []byte, _ bool, limit int, each func(key, value []byte) bool) error {
	if limit == 0 || limit > 10 {
		limit = 10
	}
	for range limit {
		if !each(x.keys[t], x.rows[t]) {
			break
		}
	}
	return nil
}

func TestProceduresDoNotAllocate(t *testing.T) {
	c, w := newCanned()
	bw, err := w.NewWorker(c, 0, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	worker := bw.(*worker)
	for k := range kinds {
		name := w.Kinds()[k]
		allocs := testing.AllocsPerRun(500, func() {
			if _, err := worker.run(k); err != nil && !errors.Is(err, bench.ErrRollback) {
				t.Error(name, err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s allocates %v times", name, allocs)
		}
	}
}

// BenchmarkProcedures is what the mix costs without an engine.
func BenchmarkProcedures(b *testing.B) {
	c, w := newCanned()
	bw, err := w.NewWorker(c, 0, 1, 1)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := bw.Run(); err != nil && !errors.Is(err, bench.ErrRollback) {
			b.Fatal(err)
		}
	}
}
