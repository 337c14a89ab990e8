package tpcc

import (
	"context"

	"github.com/godwitdb/godwit/bench"
)

// The transactions of the mix.
const (
	kindNewOrder bench.Kind = iota
	kindPayment
	kindOrderStatus
	kindDelivery
	kindStockLevel
)

// Workload is TPC-C on one engine. It implements bench.Workload.
type Workload struct {
	config  Config
	t       tables
	workers []*worker
	// opened says that the database is from an earlier run, whose transactions
	// nobody has counted.
	opened bool
}

var (
	_ bench.Workload      = (*Workload)(nil)
	_ bench.StatsReporter = (*Workload)(nil)
)

// New returns the workload of a configuration.
func New(c Config) (*Workload, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Workload{config: c.withDefaults()}, nil
}

// Name implements bench.Workload.
func (*Workload) Name() string { return "tpcc" }

// Params implements bench.Workload.
func (w *Workload) Params() map[string]any {
	return map[string]any{
		"warehouses": w.config.Warehouses,
		"items":      w.config.Items,
		"customers":  w.config.Customers,
		"key_tables": w.config.KeyTables.String(),
		"load_seed":  w.config.Seed,
	}
}

// Kinds implements bench.Workload.
func (*Workload) Kinds() []string {
	return []string{"new-order", "payment", "order-status", "delivery", "stock-level"}
}

// Load implements bench.Workload.
func (w *Workload) Load(ctx context.Context, e bench.Engine, sessions int) error {
	if err := w.t.create(e, w.config.KeyTables); err != nil {
		return err
	}
	now, c := clock(), loadConstants(w.config.Seed).name
	units := 1 + w.config.Warehouses*unitsPerWarehouse
	return bench.LoadParallel(ctx, e, sessions, units, func(l *bench.Loader, unit int) error {
		p := populate{Loader: l, config: w.config, t: &w.t, now: now, nurandC: c}
		return p.unit(unit)
	})
}

// Open implements bench.Workload.
func (w *Workload) Open(e bench.Engine) error {
	w.opened = true
	return w.t.open(e)
}

// NewWorker implements bench.Workload.
func (w *Workload) NewWorker(s bench.Session, n, workers int, seed uint64) (bench.Worker, error) {
	worker, err := newWorker(w, s, n, workers, seed)
	if err != nil {
		return nil, err
	}
	w.workers = append(w.workers, worker)
	return worker, nil
}

// Stats implements bench.StatsReporter, when no worker runs: how many Delivery
// transactions there were, in how many of them a district had no order to deliver, and
// how many such districts there were. Clause 2.7.4.2 wants that reported if it is more
// than 1 % of the transactions.
func (w *Workload) Stats() map[string]float64 {
	var runs, incomplete, skipped uint64
	for _, worker := range w.workers {
		d := &worker.delivery
		runs, incomplete, skipped = runs+d.runs, incomplete+d.incomplete, skipped+d.skipped
	}
	return map[string]float64{
		"deliveries": float64(runs), "deliveries_incomplete": float64(incomplete), "delivery_districts_skipped": float64(skipped),
	}
}
