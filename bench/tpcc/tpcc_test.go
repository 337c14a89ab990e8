package tpcc

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/refengine"
)

// small is a scale at which everything still happens, remote lines and empty
// districts included.
func small() Config { return Config{Warehouses: 2, Items: 200, Customers: 30, Seed: 7} }

func loaded(t *testing.T, c Config, sessions int, o refengine.Options) (*Workload, *refengine.Engine) {
	t.Helper()
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	e := refengine.New(o)
	if err := w.Load(t.Context(), e, sessions); err != nil {
		t.Fatal(err)
	}
	return w, e
}

// runSome executes n transactions on one session.
func runSome(t *testing.T, w *Workload, e bench.Engine, n int) *worker {
	t.Helper()
	s, err := e.NewSession(0)
	if err != nil {
		t.Fatal(err)
	}
	bw, err := w.NewWorker(s, 0, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		if _, _, err := bw.Run(); err != nil && !errors.Is(err, bench.ErrRollback) {
			t.Fatal(err)
		}
	}
	return bw.(*worker)
}

func TestFreshDatabaseIsConsistent(t *testing.T) {
	w, e := loaded(t, small(), 3, refengine.Options{AbortEvery: 5})
	if err := w.Check(t.Context(), e, 2); err != nil {
		t.Error(err)
	}
}

func TestMixKeepsTheDatabaseConsistent(t *testing.T) {
	w, err := New(small())
	if err != nil {
		t.Fatal(err)
	}
	e := refengine.New(refengine.Options{AbortEvery: 11})
	r, err := bench.Measure(t.Context(), e, w, bench.Config{Sessions: 3, Duration: 1500 * time.Millisecond}, nil)
	if err != nil {
		t.Fatal(err)
	}
	share := func(k bench.Kind) float64 {
		return float64(r.Kinds[k].Executed+r.Kinds[k].Rollbacks) / float64(r.Executed+r.Rollbacks)
	}
	for k, want := range map[bench.Kind]float64{kindNewOrder: 0.45, kindPayment: 0.43, kindOrderStatus: 0.04, kindDelivery: 0.04, kindStockLevel: 0.04} {
		if got := share(k); got < want-0.03 || got > want+0.03 {
			t.Errorf("%s is %.3f of the mix, not %.2f", r.Kinds[k].Name, got, want)
		}
	}
	if r.Aborts == 0 || r.Rollbacks == 0 || r.Rollbacks != r.Kinds[kindNewOrder].Rollbacks {
		t.Errorf("%d aborts, %d rollbacks, of new orders %d", r.Aborts, r.Rollbacks, r.Kinds[kindNewOrder].Rollbacks)
	}
	if rate := float64(r.Rollbacks) / float64(r.Kinds[kindNewOrder].Executed); rate > 0.03 {
		t.Errorf("%.3f of the new orders roll back", rate)
	}
	if s := r.WorkloadStats; s["deliveries"] < float64(r.Kinds[kindDelivery].Executed) || s["deliveries"] == 0 {
		t.Errorf("%v, of which %d were measured", s, r.Kinds[kindDelivery].Executed)
	}
}

// TestSkippedDeliveriesAreReported delivers until no district has an order left, and
// goes on.
func TestSkippedDeliveriesAreReported(t *testing.T) {
	c := small()
	c.Warehouses = 1
	w, e := loaded(t, c, 1, refengine.Options{AbortEvery: 3})
	worker := runSome(t, w, e, 0)
	const empty = 3
	waiting := c.Customers - int(w.config.firstUndelivered()) + 1
	for range waiting + empty {
		if _, err := worker.run(kindDelivery); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]float64{
		"deliveries": float64(waiting + empty), "deliveries_incomplete": empty, "delivery_districts_skipped": empty * districts,
	}
	if got := w.Stats(); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if err := w.Check(t.Context(), e, 1); err != nil {
		t.Error(err)
	}
}

// TestReopenedDatabase checks and goes on with a database that another Workload
// loaded and ran.
func TestReopenedDatabase(t *testing.T) {
	first, e := loaded(t, small(), 1, refengine.Options{})
	runSome(t, first, e, 300)
	second, err := New(small())
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Open(e); err != nil {
		t.Fatal(err)
	}
	runSome(t, second, e, 300)
	if err := second.Check(t.Context(), e, 1); err != nil {
		t.Error(err)
	}
}

func TestLoadDoesNotDependOnSessions(t *testing.T) {
	content := func(sessions int) map[string][]byte {
		w, e := loaded(t, small(), sessions, refengine.Options{})
		rows := map[string][]byte{}
		s, err := e.NewSession(0)
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range []bench.Table{w.t.stock, w.t.stockInfo, w.t.item, w.t.warehouse, w.t.district, w.t.customerName, w.t.orderCustomer} {
			err := bench.NewReader(s).Scan(table, nil, nil, func(key, row []byte) error {
				rows[table.Name()+string(key)] = bytes.Clone(row)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		return rows
	}
	one, three := content(1), content(3)
	if !maps.EqualFunc(one, three, bytes.Equal) {
		t.Error("the population with 3 sessions differs from that with 1")
	}
}

func TestPopulationRules(t *testing.T) {
	c := small()
	c.Warehouses, c.Items, c.Customers = 1, 5000, 2000
	w, e := loaded(t, c, 2, refengine.Options{})
	s, err := e.NewSession(0)
	if err != nil {
		t.Fatal(err)
	}
	scan := func(table bench.Table, each func(key, row []byte)) {
		err := bench.NewReader(s).Scan(table, nil, nil, func(key, row []byte) error { each(key, row); return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	share := func(what string, part, all int, want float64) {
		if got := float64(part) / float64(all); got < want*0.75 || got > want*1.25 {
			t.Errorf("%s: %d of %d", what, part, all)
		}
	}
	all, originals := 0, 0
	scan(w.t.item, func(_, row []byte) {
		all++
		if bytes.Contains(row[itemData:], []byte(original)) {
			originals++
		}
		if n := len(getText(row, itemName)); n < 14 || n > 24 {
			t.Errorf("I_NAME has %d characters", n)
		}
		if p := getU32(row, itemPrice); p < 100 || p > 10_000 {
			t.Errorf("I_PRICE %d", p)
		}
	})
	share("original items", originals, all, 0.1)

	all, bad := 0, 0
	scan(w.t.customer, func(key, row []byte) {
		all++
		if string(row[customerCredit:customerCredit+2]) == badCredit {
			bad++
		}
		if n := len(row) - customerData; n < 300 || n > 500 {
			t.Errorf("C_DATA has %d characters", n)
		}
		if string(row[customerMiddle:customerMiddle+2]) != "OE" || string(row[customerZip+4:customerZip+9]) != "11111" {
			t.Errorf("customer %x: %q", key, row)
		}
		if number := int(key[3])<<8 | int(key[4]); number <= lastNames && string(getText(row, customerLast)) != string(lastName(nil, number-1)) {
			t.Errorf("customer %d is called %s", number, getText(row, customerLast))
		}
	})
	share("bad credit", bad, all, 0.1)

	owners, lines, undelivered := map[customerID]int{}, 0, 0
	scan(w.t.order, func(key, row []byte) {
		if key[2] == 1 {
			owners[customerID(getU16(row, orderCustomer))]++
		}
		lines += int(row[orderLines])
		if row[orderCarrier] == 0 {
			undelivered++
		}
	})
	if len(owners) != c.Customers {
		t.Errorf("the orders of a district are of %d customers, not of each one", len(owners))
	}
	share("undelivered orders", undelivered, 10*c.Customers, 0.3)
	share("order lines", lines, 10*10*c.Customers, 1)
}

func TestNurandConstants(t *testing.T) {
	for seed := range uint64(2000) {
		load, run := loadConstants(seed), runConstants(seed)
		delta := load.name - run.name
		if delta < 0 {
			delta = -delta
		}
		if delta < 65 || delta > 119 || delta == 96 || delta == 112 || run.name < 0 || run.name > 255 {
			t.Fatalf("seed %d: C-Load %d, C-Run %d", seed, load.name, run.name)
		}
	}
}

func TestNurandRange(t *testing.T) {
	var r bench.Rand
	r.Seed(1, 1)
	counts := make([]int, 3001)
	for range 300_000 {
		counts[nurand(&r, nurandCustomer, 259, 1, 3000)]++
	}
	if counts[0] != 0 {
		t.Error("drew below the range")
	}
	// The distribution is far from uniform: its mean count is 100.
	if hot := slices.Max(counts); hot < 300 {
		t.Errorf("the most frequent number came %d times", hot)
	}
}

func TestLastName(t *testing.T) {
	for number, want := range map[int]string{0: "BARBARBAR", 371: "PRICALLYOUGHT", 999: "EINGEINGEING"} {
		if got := string(lastName(nil, number)); got != want {
			t.Errorf("%d: %s, want %s", number, got, want)
		}
	}
}

func TestHomes(t *testing.T) {
	for _, c := range []struct{ warehouses, workers int }{{1, 1}, {4, 4}, {7, 3}, {2, 5}, {100, 8}} {
		used := map[warehouseID]int{}
		for n := range c.workers {
			low, high := homes(c.warehouses, n, c.workers)
			if low < 1 || high < low || int(high) > c.warehouses {
				t.Fatalf("%+v: worker %d has %d..%d", c, n, low, high)
			}
			for w := low; w <= high; w++ {
				used[w]++
			}
		}
		if len(used) != min(c.warehouses, max(c.workers, c.warehouses)) {
			t.Errorf("%+v: %v", c, used)
		}
	}
}

func TestNewOrderTotal(t *testing.T) {
	w, e := loaded(t, small(), 1, refengine.Options{})
	worker := runSome(t, w, e, 0)
	n := &worker.executor.newOrder
	for range 200 {
		_, err := worker.run(kindNewOrder)
		if errors.Is(err, bench.ErrRollback) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var sum, discount, tax cents
		_, err = worker.session.View(func(tx bench.Tx) error {
			sum = 0
			for i := range n.count {
				line, err := tx.Get(w.t.orderLine, orderLineKey(nil, n.home, n.district, n.order, uint8(i+1)))
				if err != nil {
					return err
				}
				item, err := tx.Get(w.t.item, itemKey(nil, n.lines[i].item))
				if err != nil {
					return err
				}
				info, err := tx.Get(w.t.stockInfo, stockKey(nil, n.lines[i].supply, n.lines[i].item))
				if err != nil {
					return err
				}
				at := int(n.district-1) * distInfoBytes
				if string(line[lineDistInfo:]) != string(info[at:at+distInfoBytes]) {
					t.Errorf("OL_DIST_INFO %q of district %d, stock has %q", line[lineDistInfo:], n.district, info)
				}
				both := bytes.Contains(item, []byte(original)) && bytes.Contains(info, []byte(original))
				if both != (n.brand[i] == 'B') {
					t.Errorf("brand %c of %q and %q", n.brand[i], item, info)
				}
				sum += cents(getU32(item, itemPrice)) * cents(line[lineQuantity])
			}
			customer, err := tx.Get(w.t.customer, customerKey(nil, n.home, n.district, n.customer))
			if err != nil {
				return err
			}
			warehouse, err := tx.Get(w.t.warehouse, warehouseKey(nil, n.home))
			if err != nil {
				return err
			}
			discount = cents(getU16(customer, customerDiscount))
			tax = cents(getU16(warehouse, warehouseTax)) + cents(getU16(n.districtRow[:], districtTax))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		want := float64(sum) * (1 - float64(discount)/10000) * (1 + float64(tax)/10000)
		if got := float64(n.total); got < want-1 || got > want {
			t.Fatalf("total %v, want %v", got, want)
		}
	}
}

func TestPaymentByNameTakesTheMiddleCustomer(t *testing.T) {
	w, e := loaded(t, small(), 1, refengine.Options{})
	worker := runSome(t, w, e, 0)
	// Three more customers of one name, inserted out of the order of first names.
	names := map[string]customerID{"dd": 101, "aa": 102, "cc": 103, "bb": 104}
	_, err := worker.session.Update(func(tx bench.Tx) error {
		for first, c := range names {
			row := make([]byte, customerData)
			setText(row, customerLast, 16, []byte("TWITCHER"))
			setText(row, customerFirst, 16, []byte(first))
			if err := errors.Join(
				tx.Insert(w.t.customer, customerKey(nil, 1, 1, c), row),
				tx.Insert(w.t.customerName, customerNameEntry(nil, 1, 1, c, row), nil),
			); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c, f := customerChoice{home: 1, district: 1, name: []byte("TWITCHER")}, &worker.executor.payment.find
	if _, err := worker.session.View(func(tx bench.Tx) error { _, err := f.row(tx, &c); return err }); err != nil {
		t.Fatal(err)
	}
	if f.found != names["bb"] {
		t.Errorf("customer %d, want the second of four, %d", f.found, names["bb"])
	}
}

func TestConfigValidate(t *testing.T) {
	if err := (Config{Warehouses: 1}).Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []Config{{}, {Warehouses: 1 << 16}, {Warehouses: 1, Items: 3}, {Warehouses: 1, Customers: 4096}} {
		if c.Validate() == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

func TestCancelledCheck(t *testing.T) {
	w, e := loaded(t, small(), 1, refengine.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Check(ctx, e, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
