package tpcc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/godwitdb/godwit/bench"
)

// Conditions that Check verifies: those of clause 3.3.2 by their numbers, and
// four of our own.
const (
	// Condition11 is stated for a fresh database, as 2100 = orders - new
	// orders per district. In general it is the number of delivered orders,
	// which the customers count: 2100 + sum(C_DELIVERY_CNT).
	Condition11 = "3.3.2.11"
	// ConditionRows: every row has its layout's length and a known warehouse,
	// district, customer and item.
	ConditionRows = "rows"
	// ConditionStock: S_YTD, S_ORDER_CNT and S_REMOTE_CNT are what the order
	// lines add up to, S_QUANTITY is within 10..100.
	ConditionStock = "stock"
	// ConditionIndex: the indexes by customer and by name have an entry for
	// every row and no other.
	ConditionIndex = "index"
	// ConditionExecuted: there are as many orders, payments and deliveries as
	// the sessions were told are executed.
	ConditionExecuted = "executed"
)

const (
	// violationsKept bounds the report; all are counted.
	violationsKept = 50
	checkChunk     = 500
)

// Violation is one thing that Check found wrong.
type Violation struct{ Condition, Detail string }

// CheckError is Check's report of violations, the first of them in detail.
type CheckError struct {
	Violations []Violation
	Count      int
}

// Error lists the violations, one a line.
func (e *CheckError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "tpcc: %d violations of the consistency conditions", e.Count)
	for _, v := range e.Violations {
		fmt.Fprintf(&b, "\n  %s: %s", v.Condition, v.Detail)
	}
	return b.String()
}

// checker gathers what the conditions compare, over all districts at once.
type checker struct {
	config Config
	t      *tables
	// paid and districtPaid are sums of H_AMOUNT by customer and by district,
	// added to atomically.
	paid, districtPaid []int64
	// stock is what the order lines took, by warehouse and item.
	stock []takenStock
	// districtYTD is D_YTD, each element written by its district's unit.
	districtYTD []cents
	// Rows counted, for ConditionExecuted.
	ordersSeen, paymentsSeen, deliveredSeen atomic.Uint64

	mu struct {
		sync.Mutex
		report CheckError
	}
}

// takenStock is added to atomically.
type takenStock struct{ ytd, orders, remotes uint32 }

// Check implements bench.Workload. It returns a *CheckError if the database
// violates a condition.
func (w *Workload) Check(ctx context.Context, e bench.Engine, sessions int) error {
	warehouses := w.config.Warehouses
	c := &checker{
		config:       w.config,
		t:            &w.t,
		paid:         make([]int64, warehouses*districts*w.config.Customers),
		districtPaid: make([]int64, warehouses*districts),
		districtYTD:  make([]cents, warehouses*districts),
		stock:        make([]takenStock, warehouses*w.config.Items),
	}
	sources, err := c.sources(ctx, e)
	if err != nil {
		return err
	}
	if err := bench.CheckParallel(ctx, e, sessions, sources, c.history); err != nil {
		return err
	}
	if err := bench.CheckParallel(ctx, e, sessions, warehouses*districts, c.district); err != nil {
		return err
	}
	if err := bench.CheckParallel(ctx, e, sessions, warehouses, c.warehouse); err != nil {
		return err
	}
	switch {
	case w.expected != nil:
		c.executed(w.expected)
	case !w.opened:
		c.executed(w.Counts())
	}
	if c.mu.report.Count > 0 {
		return &c.mu.report
	}
	return nil
}

// violated notes a violation.
func (c *checker) violated(condition, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.report.Count++
	if len(c.mu.report.Violations) < violationsKept {
		c.mu.report.Violations = append(c.mu.report.Violations, Violation{condition, fmt.Sprintf(format, args...)})
	}
}

// sound reports whether a row has its layout's length, and notes it if not.
func (c *checker) sound(t bench.Table, key, row []byte, bytesMin, bytesMax int) bool {
	if len(row) >= bytesMin && len(row) <= bytesMax {
		return true
	}
	c.violated(ConditionRows, "%s %x has %d bytes, not %d..%d", t.Name(), key, len(row), bytesMin, bytesMax)
	return false
}

// customerSlot and districtSlot are the places in paid and districtPaid, -1 for
// numbers that the database does not have.
func (c *checker) customerSlot(w warehouseID, d districtID, n customerID) int {
	slot := c.districtSlot(w, d)
	if slot < 0 || n < 1 || int(n) > c.config.Customers {
		return -1
	}
	return slot*c.config.Customers + int(n-1)
}

func (c *checker) districtSlot(w warehouseID, d districtID) int {
	if w < 1 || int(w) > c.config.Warehouses || d < 1 || d > districts {
		return -1
	}
	return int(w-1)*districts + int(d-1)
}

// stockSlot is the place in stock, -1 if there is none.
func (c *checker) stockSlot(w warehouseID, i itemID) int {
	if w < 1 || int(w) > c.config.Warehouses || i < 1 || int(i) > c.config.Items {
		return -1
	}
	return int(w-1)*c.config.Items + int(i-1)
}

// sources returns how many sources of history rows there are: the population and
// the sessions, by the highest key.
func (c *checker) sources(ctx context.Context, e bench.Engine) (n int, err error) {
	err = bench.CheckParallel(ctx, e, 1, 1, func(r *bench.Reader, _ int) error {
		_, err := r.View(func(tx bench.Tx) error {
			return tx.Scan(c.t.history, nil, nil, true, 1, func(key, _ []byte) bool {
				if len(key) == historyKeyBytes {
					n = int(binary.BigEndian.Uint16(key)) + 1
				}
				return false
			})
		})
		return err
	})
	return max(n, 1), err
}

// history adds up the payments of one source.
func (c *checker) history(r *bench.Reader, source int) error {
	from, to := historyKey(nil, uint16(source), 0), historyKey(nil, uint16(source)+1, 0)
	if source == 0 {
		from = nil
	}
	if source == 1<<16-1 {
		to = nil
	}
	return r.Scan(c.t.history, from, to, func(key, row []byte) error {
		c.paymentsSeen.Add(1)
		if !c.sound(c.t.history, key, row, historyData, historyBytesMax) {
			return nil
		}
		customer := c.customerSlot(warehouseID(getU16(row, historyCustomerWarehouse)),
			districtID(row[historyCustomerDistrict]), customerID(getU16(row, historyCustomer)))
		district := c.districtSlot(warehouseID(getU16(row, historyWarehouse)), districtID(row[historyDistrict]))
		if customer < 0 || district < 0 {
			c.violated(ConditionRows, "history %x is of no customer or district: %x", key, row)
			return nil
		}
		amount := int64(getU32(row, historyAmount))
		atomic.AddInt64(&c.paid[customer], amount)
		atomic.AddInt64(&c.districtPaid[district], amount)
		return nil
	})
}

// warehouse checks conditions 1 and 8 and the stock.
func (c *checker) warehouse(r *bench.Reader, unit int) error {
	w := warehouseID(unit + 1)
	key := warehouseKey(nil, w)
	rows, err := r.GetMany(c.t.warehouse, [][]byte{key})
	if err != nil {
		return err
	}
	if c.sound(c.t.warehouse, key, rows[0], warehouseBytes, warehouseBytes) {
		var byDistricts, byHistory cents
		for d := range districts {
			byDistricts += c.districtYTD[unit*districts+d]
			byHistory += cents(c.districtPaid[unit*districts+d])
		}
		ytd := getCents(rows[0], warehouseYTD)
		if ytd != byDistricts {
			c.violated("3.3.2.1", "warehouse %d: W_YTD %d, sum(D_YTD) %d", w, ytd, byDistricts)
		}
		if ytd != byHistory {
			c.violated("3.3.2.8", "warehouse %d: W_YTD %d, sum(H_AMOUNT) %d", w, ytd, byHistory)
		}
	}
	keys := make([][]byte, 0, checkChunk)
	for i := 0; i < c.config.Items; i += len(keys) {
		keys = keys[:0]
		for n := i; n < min(i+checkChunk, c.config.Items); n++ {
			keys = append(keys, stockKey(nil, w, itemID(n+1)))
		}
		if err := c.stockRows(r, w, itemID(i+1), keys); err != nil {
			return err
		}
	}
	return nil
}

// stockRows checks the stock of consecutive items.
func (c *checker) stockRows(r *bench.Reader, w warehouseID, first itemID, keys [][]byte) error {
	rows, err := r.GetMany(c.t.stock, keys)
	if err != nil {
		return err
	}
	for n, row := range rows {
		item := first + itemID(n)
		if !c.sound(c.t.stock, keys[n], row, stockBytes, stockBytes) {
			continue
		}
		want := c.stock[c.stockSlot(w, item)]
		got := takenStock{getU32(row, stockYTD), getU32(row, stockOrders), getU32(row, stockRemotes)}
		if got != want {
			c.violated(ConditionStock, "warehouse %d item %d: S_YTD, S_ORDER_CNT, S_REMOTE_CNT are %d, order lines add up to %d", w, item, got, want)
		}
		if q := int32(getU32(row, stockQuantity)); q < 10 || q > 100 {
			c.violated(ConditionStock, "warehouse %d item %d: S_QUANTITY %d", w, item, q)
		}
	}
	if rows, err = r.GetMany(c.t.stockInfo, keys); err != nil {
		return err
	}
	for n, row := range rows {
		c.sound(c.t.stockInfo, keys[n], row, stockInfoData+26, stockInfoBytesMax)
	}
	return nil
}

// executed compares the database with what the sessions counted.
func (c *checker) executed(n bench.Counts) {
	population := uint64(c.config.Warehouses * districts * c.config.Customers)
	delivered := uint64(c.config.Warehouses*districts) * uint64(c.config.firstUndelivered()-1)
	for _, n := range []struct {
		what      string
		got, want uint64
	}{
		{"orders", c.ordersSeen.Load(), population + n[countOrders]},
		{"payments", c.paymentsSeen.Load(), population + n[countPayments]},
		{"delivered orders", c.deliveredSeen.Load(), delivered + n[countDelivered]},
	} {
		if n.got != n.want {
			c.violated(ConditionExecuted, "%d %s in the database, %d were loaded and executed", n.got, n.what, n.want)
		}
	}
}

// errKeyOrder says that an engine's scan went out of order or out of its range.
var errKeyOrder = errors.New("tpcc: a scan returned keys out of order or out of its bounds")

// districtShift is where a table's keys have the district in their third byte.
type districtShift uint8

const (
	wholeByte districtShift = 0
	upperBits districtShift = 4 // of the index of orders by customer
)

// prefix is what the keys of district number unit begin with, counted over all
// warehouses.
func (s districtShift) prefix(unit int) []byte {
	return districtKey(nil, warehouseID(unit/districts+1), districtID(unit%districts+1)<<s)
}

// scanDistrict calls each for the rows of a district, and notes rows of no
// district at all. The ranges of all districts cover all keys.
func (c *checker) scanDistrict(r *bench.Reader, t bench.Table, unit int, shift districtShift, keyBytesMin int, each func(key, row []byte)) error {
	own := shift.prefix(unit)
	from, to := own, shift.prefix(unit+1)
	if unit == 0 {
		from = nil
	}
	if unit == c.config.Warehouses*districts-1 {
		to = nil
	}
	var last []byte
	return r.Scan(t, from, to, func(key, row []byte) error {
		if last != nil && bytes.Compare(last, key) >= 0 || bytes.Compare(key, from) < 0 || to != nil && bytes.Compare(key, to) >= 0 {
			return fmt.Errorf("%w: %s, %x after %x in [%x, %x)", errKeyOrder, t.Name(), key, last, from, to)
		}
		last = append(last[:0], key...)
		if len(key) < keyBytesMin || !bytes.Equal(key[:2], own[:2]) || key[2]>>shift != own[2]>>shift {
			c.violated(ConditionRows, "%s %x is of no district", t.Name(), key)
			return nil
		}
		each(key, row)
		return nil
	})
}
