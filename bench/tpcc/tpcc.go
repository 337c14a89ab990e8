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
	kinds
)

// readOnly tells whether transactions of a kind only read.
func readOnly(k bench.Kind) bool { return k == kindOrderStatus || k == kindStockLevel }

// Workload is TPC-C on one engine. It implements bench.Workload.
type Workload struct {
	config Config
	t      tables
	// terminals are those of workers, too.
	terminals []*terminal
	// opened says that the database is from an earlier run, whose transactions
	// nobody has counted, unless they are expected.
	opened   bool
	expected bench.Counts
}

var (
	_ bench.Remote        = (*Workload)(nil)
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
	return newWorker(w, s, n, workers, seed)
}

// ReadOnly implements bench.Remote.
func (*Workload) ReadOnly(k bench.Kind) bool { return readOnly(k) }

// NewTerminal implements bench.Remote.
func (w *Workload) NewTerminal(n, of int, seed uint64) bench.Terminal {
	return newTerminal(w, n, of, seed)
}

// NewExecutor implements bench.Remote.
func (w *Workload) NewExecutor(e bench.Engine) (bench.Executor, error) {
	t := new(tables)
	if err := t.open(e); err != nil {
		return nil, err
	}
	return newExecutor(w.config, t), nil
}

// The names of Counts.
const (
	countOrders    = "orders"
	countPayments  = "payments"
	countDelivered = "delivered_orders"
)

// Counts implements bench.Remote.
func (w *Workload) Counts() bench.Counts {
	c := w.executed()
	return bench.Counts{countOrders: c.orders, countPayments: c.payments, countDelivered: c.delivered}
}

// Expect implements bench.Remote.
func (w *Workload) Expect(c bench.Counts) { w.expected = c }

// executed adds up what the terminals have counted.
func (w *Workload) executed() (sum counts) {
	for _, t := range w.terminals {
		c := &t.executed
		sum.orders, sum.payments, sum.delivered = sum.orders+c.orders, sum.payments+c.payments, sum.delivered+c.delivered
		sum.deliveries, sum.skipped, sum.incomplete = sum.deliveries+c.deliveries, sum.skipped+c.skipped, sum.incomplete+c.incomplete
	}
	return sum
}

// Stats implements bench.StatsReporter, when no worker runs: how many Delivery
// transactions there were, in how many of them a district had no order to deliver, and
// how many such districts there were. Clause 2.7.4.2 wants that reported if it is more
// than 1 % of the transactions.
func (w *Workload) Stats() map[string]float64 {
	c := w.executed()
	return map[string]float64{
		"deliveries": float64(c.deliveries), "deliveries_incomplete": float64(c.incomplete), "delivery_districts_skipped": float64(c.skipped),
	}
}
