package tpcc

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/refengine"
)

// damage changes a database behind the workload's back.
type damage struct {
	t *testing.T
	w *Workload
	s bench.Session
}

// update is one transaction, which must succeed: a planting that changes nothing
// tests nothing.
func (d damage) update(fn func(bench.Tx) error) {
	d.t.Helper()
	if _, err := d.s.Update(fn); err != nil {
		d.t.Fatal(err)
	}
}

func (d damage) edit(table bench.Table, key []byte, change func(row []byte)) {
	d.t.Helper()
	d.update(func(tx bench.Tx) error {
		row, err := tx.Get(table, key)
		if err != nil {
			return err
		}
		row = slices.Clone(row)
		change(row)
		return tx.Put(table, key, row)
	})
}

func (d damage) remove(table bench.Table, key []byte) {
	d.t.Helper()
	d.update(func(tx bench.Tx) error {
		if _, err := tx.Get(table, key); err != nil {
			return err
		}
		return tx.Delete(table, key)
	})
}

func (d damage) insert(table bench.Table, key, row []byte) {
	d.t.Helper()
	d.update(func(tx bench.Tx) error { return tx.Insert(table, key, row) })
}

// firstKey returns the first key of a district in a table, whose keys have the
// district in the third byte.
func (d damage) firstKey(table bench.Table, w warehouseID, district districtID) (first []byte) {
	d.t.Helper()
	_, err := d.s.View(func(tx bench.Tx) error {
		return tx.Scan(table, districtKey(nil, w, district), districtKey(nil, w, district+1), false, 1, func(key, _ []byte) bool {
			first = slices.Clone(key)
			return false
		})
	})
	if err != nil || first == nil {
		d.t.Fatalf("no first key of %s: %v", table.Name(), err)
	}
	return first
}

// TestCheckFindsPlantedViolations damages a consistent database in one place and
// names exactly the conditions that must notice. Order 1 is delivered, order 30 of
// a district is not; no planting meets another one's condition by chance, as each
// has a database of its own.
func TestCheckFindsPlantedViolations(t *testing.T) {
	lastOrder := orderID(small().Customers)
	line := func(o orderID) []byte { return orderLineKey(nil, 1, 2, o, 1) }
	addCents := func(at int) func([]byte) {
		return func(row []byte) { setCents(row, at, getCents(row, at)+1) }
	}
	for _, c := range []struct {
		name  string
		plant func(damage)
		want  string
	}{
		{"W_YTD", func(d damage) { d.edit(d.w.t.warehouse, warehouseKey(nil, 2), addCents(warehouseYTD)) }, "3.3.2.1 3.3.2.8"},
		{"D_YTD", func(d damage) { d.edit(d.w.t.district, districtKey(nil, 2, 3), addCents(districtYTD)) }, "3.3.2.1 3.3.2.9"},
		{"D_NEXT_O_ID", func(d damage) {
			d.edit(d.w.t.district, districtKey(nil, 1, 10), func(row []byte) { row[districtNextOrder]++ })
		}, "3.3.2.2"},
		{"a payment of another amount", func(d damage) {
			d.edit(d.w.t.history, d.firstKey(d.w.t.history, 0, 0), func(row []byte) { row[historyAmount]++ })
		}, "3.3.2.10 3.3.2.8 3.3.2.9"},
		{"a lost payment", func(d damage) {
			d.remove(d.w.t.history, d.firstKey(d.w.t.history, 0, 0))
		}, "3.3.2.10 3.3.2.8 3.3.2.9 executed"},
		{"a gap in NEW-ORDER", func(d damage) { d.remove(d.w.t.newOrder, orderKey(nil, 1, 2, lastOrder-1)) }, "3.3.2.11 3.3.2.3 3.3.2.5"},
		{"last of NEW-ORDER lost", func(d damage) { d.remove(d.w.t.newOrder, orderKey(nil, 1, 2, lastOrder)) }, "3.3.2.11 3.3.2.2 3.3.2.5"},
		{"a new order that is delivered", func(d damage) { d.insert(d.w.t.newOrder, orderKey(nil, 1, 2, 1), nil) }, "3.3.2.11 3.3.2.3 3.3.2.5"},
		{"a new order without order", func(d damage) { d.insert(d.w.t.newOrder, orderKey(nil, 1, 2, lastOrder+1), nil) }, "3.3.2.11 3.3.2.2 3.3.2.5"},
		{"O_OL_CNT", func(d damage) {
			d.edit(d.w.t.order, orderKey(nil, 1, 2, 1), func(row []byte) { row[orderLines]++ })
		}, "3.3.2.4 3.3.2.6"},
		{"O_OL_CNT moved between orders", func(d damage) {
			d.edit(d.w.t.order, orderKey(nil, 1, 2, 1), func(row []byte) { row[orderLines]++ })
			d.edit(d.w.t.order, orderKey(nil, 1, 2, 2), func(row []byte) { row[orderLines]-- })
		}, "3.3.2.6"},
		{"a lost order line", func(d damage) { d.remove(d.w.t.orderLine, line(1)) }, "3.3.2.4 3.3.2.6"},
		{"an order line without order", func(d damage) {
			d.insert(d.w.t.orderLine, line(lastOrder+5), make([]byte, lineBytes))
		}, "3.3.2.4 3.3.2.6"},
		{"O_CARRIER_ID lost", func(d damage) {
			d.edit(d.w.t.order, orderKey(nil, 1, 2, 1), func(row []byte) { row[orderCarrier] = 0 })
		}, "3.3.2.5 3.3.2.7 executed"},
		{"OL_DELIVERY_D lost", func(d damage) {
			d.edit(d.w.t.orderLine, line(1), func(row []byte) { setI64(row, lineDelivery, 0) })
		}, "3.3.2.7"},
		{"OL_DELIVERY_D too early", func(d damage) {
			d.edit(d.w.t.orderLine, line(lastOrder), func(row []byte) { setI64(row, lineDelivery, 1) })
		}, "3.3.2.10 3.3.2.12 3.3.2.7"},
		{"OL_AMOUNT", func(d damage) { d.edit(d.w.t.orderLine, line(1), func(row []byte) { row[lineAmount]++ }) }, "3.3.2.10 3.3.2.12"},
		{"C_BALANCE", func(d damage) { d.edit(d.w.t.customer, customerKey(nil, 2, 2, 9), addCents(customerBalance)) }, "3.3.2.10 3.3.2.12"},
		{"C_YTD_PAYMENT", func(d damage) { d.edit(d.w.t.customer, customerKey(nil, 2, 2, 9), addCents(customerYTDPayment)) }, "3.3.2.12"},
		{"C_DELIVERY_CNT", func(d damage) {
			d.edit(d.w.t.customer, customerKey(nil, 2, 2, 9), func(row []byte) { row[customerDeliveries]++ })
		}, "3.3.2.11"},
		{"a lost order", func(d damage) { d.remove(d.w.t.order, orderKey(nil, 1, 2, 5)) }, "3.3.2.11 3.3.2.4 3.3.2.6 executed index"},
		{"the last order lost", func(d damage) { d.remove(d.w.t.order, orderKey(nil, 1, 2, lastOrder)) },
			"3.3.2.11 3.3.2.2 3.3.2.4 3.3.2.5 3.3.2.6 executed index"},
		{"S_YTD", func(d damage) { d.edit(d.w.t.stock, stockKey(nil, 2, 17), func(row []byte) { row[stockYTD]++ }) }, "stock"},
		{"S_QUANTITY", func(d damage) {
			d.edit(d.w.t.stock, stockKey(nil, 2, 17), func(row []byte) { setU32(row, stockQuantity, 101) })
		}, "stock"},
		{"OL_I_ID of a new order", func(d damage) {
			// Order 31 is made by hand: its line takes stock that nobody booked.
			order := make([]byte, orderBytes)
			order[orderCustomer], order[orderLines], order[orderAllLocal] = 1, 1, 1
			row := make([]byte, lineBytes)
			row[lineItem], row[lineSupply], row[lineQuantity] = 5, 1, 3
			d.insert(d.w.t.order, orderKey(nil, 1, 2, lastOrder+1), order)
			d.insert(d.w.t.newOrder, orderKey(nil, 1, 2, lastOrder+1), nil)
			d.insert(d.w.t.orderCustomer, orderCustomerKey(nil, 1, 2, 1, lastOrder+1), nil)
			d.insert(d.w.t.orderLine, line(lastOrder+1), row)
			d.edit(d.w.t.district, districtKey(nil, 1, 2), func(row []byte) { row[districtNextOrder]++ })
		}, "executed stock"},
		{"an index entry lost", func(d damage) { d.remove(d.w.t.customerName, d.firstKey(d.w.t.customerName, 1, 4)) }, "index"},
		{"an index entry too many", func(d damage) { d.insert(d.w.t.orderCustomer, orderCustomerKey(nil, 1, 4, 4, 99), nil) }, "index"},
		{"a warehouse that is not", func(d damage) {
			d.insert(d.w.t.orderLine, orderLineKey(nil, 3, 1, 1, 1), make([]byte, lineBytes))
		}, "rows"},
		{"a district between two", func(d damage) { d.insert(d.w.t.newOrder, orderKey(nil, 1, 11, 1), nil) }, "rows"},
		{"a short row", func(d damage) {
			d.update(func(tx bench.Tx) error { return tx.Put(d.w.t.stockInfo, stockKey(nil, 1, 1), []byte("x")) })
		}, "rows"},
		{"O_ALL_LOCAL", func(d damage) {
			d.edit(d.w.t.order, orderKey(nil, 1, 2, 1), func(row []byte) { row[orderAllLocal] = 0 })
		}, "rows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, e := loaded(t, small(), 1, refengine.Options{})
			s, err := e.NewSession(0)
			if err != nil {
				t.Fatal(err)
			}
			c.plant(damage{t, w, s})
			var report *CheckError
			err = w.Check(t.Context(), e, 1)
			if !errors.As(err, &report) {
				t.Fatalf("error %v", err)
			}
			if got := strings.Join(conditions(report), " "); got != c.want {
				t.Errorf("conditions %s, want %s\n%v", got, c.want, report)
			}
		})
	}
}

func conditions(report *CheckError) []string {
	var all []string
	for _, v := range report.Violations {
		all = append(all, v.Condition)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestCheckFindsWrongTransactions runs the mix on engines that misbehave in ways
// that real ones might.
func TestCheckFindsWrongTransactions(t *testing.T) {
	for _, c := range []struct {
		name string
		// drop says whether the engine forgets the n-th write.
		drop func(n uint64, table string) bool
		want string
	}{
		{"a stock update is lost", func(n uint64, table string) bool { return table == "stock" && n%97 == 0 }, ConditionStock},
		{"a customer's update is lost", func(n uint64, table string) bool { return table == "customer" && n%97 == 0 }, "3.3.2.10"},
		{"a history row is lost", func(n uint64, table string) bool { return table == "history" && n%97 == 0 }, ConditionExecuted},
		{"a delete is lost", func(n uint64, table string) bool { return table == "new_order" && n%297 == 0 }, "3.3.2.5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, e := loaded(t, small(), 1, refengine.Options{})
			s, err := e.NewSession(0)
			if err != nil {
				t.Fatal(err)
			}
			f := &forgetful{Session: s, drop: c.drop}
			bw, err := w.NewWorker(f, 0, 1, 3)
			if err != nil {
				t.Fatal(err)
			}
			for range 1500 {
				if _, _, err := bw.Run(); err != nil && !errors.Is(err, bench.ErrRollback) {
					break // the transactions may notice too, that is no harm
				}
			}
			var report *CheckError
			if err := w.Check(t.Context(), e, 1); !errors.As(err, &report) || !slices.Contains(conditions(report), c.want) {
				t.Errorf("condition %s is not violated: %v", c.want, err)
			}
		})
	}
}

// forgetful is a session that loses writes.
type forgetful struct {
	bench.Session
	drop func(n uint64, table string) bool
	n    uint64
}

func (f *forgetful) Update(fn func(bench.Tx) error) (bench.Timestamp, error) {
	return f.Session.Update(func(tx bench.Tx) error { return fn(forgetfulTx{tx, f}) })
}

type forgetfulTx struct {
	bench.Tx
	f *forgetful
}

func (x forgetfulTx) lose(t bench.Table) bool {
	x.f.n++
	return x.f.drop(x.f.n, t.Name())
}

func (x forgetfulTx) Put(t bench.Table, key, value []byte) error {
	if x.lose(t) {
		return nil
	}
	return x.Tx.Put(t, key, value)
}

func (x forgetfulTx) Insert(t bench.Table, key, value []byte) error {
	if x.lose(t) {
		return nil
	}
	return x.Tx.Insert(t, key, value)
}

func (x forgetfulTx) Delete(t bench.Table, key []byte) error {
	if x.lose(t) {
		return nil
	}
	return x.Tx.Delete(t, key)
}
