package tpcc

import (
	"bytes"
	"sort"
	"sync/atomic"

	"github.com/godwitdb/godwit/bench"
)

// districtCheck holds what the conditions compare within one district.
type districtCheck struct {
	*checker
	w warehouseID
	d districtID

	newOrders []orderID
	orders    []seenOrder
	lines     uint64
	// delivered is the sum of OL_AMOUNT of each customer's delivered lines.
	delivered []cents
	// deliveries is the sum of C_DELIVERY_CNT.
	deliveries uint64
	names      int
}

// seenOrder is a row of ORDER and how many order lines there are for it.
type seenOrder struct {
	id       orderID
	customer customerID
	lines    uint8
	carrier  bool
	allLocal bool
	// remote says that a line has another warehouse's stock.
	remote bool
	seen   uint32
}

// district checks conditions 2 to 7 and 9 to 12 and the indexes of one district.
func (c *checker) district(r *bench.Reader, unit int) error {
	d := districtCheck{
		checker: c,
		w:       warehouseID(unit/districts + 1), d: districtID(unit%districts + 1),
		delivered: make([]cents, c.config.Customers+1),
	}
	if err := d.readNewOrders(r, unit); err != nil {
		return err
	}
	if err := d.readOrders(r, unit); err != nil {
		return err
	}
	d.matchNewOrders()
	if err := d.readLines(r, unit); err != nil {
		return err
	}
	d.matchLines()
	if err := d.readOrderIndex(r, unit); err != nil {
		return err
	}
	if err := d.readNameIndex(r, unit); err != nil {
		return err
	}
	if err := d.readCustomers(r); err != nil {
		return err
	}
	d.matchDelivered()
	return d.readDistrict(r, unit)
}

// broken notes a violation of this district.
func (d *districtCheck) broken(condition, format string, args ...any) {
	d.violated(condition, "warehouse %d district %d: "+format, append([]any{d.w, d.d}, args...)...)
}

func (d *districtCheck) readNewOrders(r *bench.Reader, unit int) error {
	return d.scanDistrict(r, d.t.newOrder, unit, wholeByte, orderKeyBytes, func(key, row []byte) {
		d.sound(d.t.newOrder, key, row, 0, 0)
		d.newOrders = append(d.newOrders, orderOfKey(key))
	})
}

func (d *districtCheck) readOrders(r *bench.Reader, unit int) error {
	return d.scanDistrict(r, d.t.order, unit, wholeByte, orderKeyBytes, func(key, row []byte) {
		if !d.sound(d.t.order, key, row, orderBytes, orderBytes) {
			return
		}
		o := seenOrder{
			id: orderOfKey(key), customer: customerID(getU16(row, orderCustomer)),
			lines: row[orderLines], carrier: row[orderCarrier] != 0, allLocal: row[orderAllLocal] == 1,
		}
		if d.customerSlot(d.w, d.d, o.customer) < 0 {
			d.broken(ConditionRows, "order %d is of customer %d", o.id, o.customer)
			return
		}
		d.orders = append(d.orders, o)
		d.ordersSeen.Add(1)
		if o.carrier {
			d.deliveredSeen.Add(1)
		}
	})
}

// matchNewOrders checks condition 5: an order has no carrier if and only if it is
// in NEW-ORDER.
func (d *districtCheck) matchNewOrders() {
	next := d.newOrders
	for i := range d.orders {
		o := &d.orders[i]
		for len(next) > 0 && next[0] < o.id {
			d.broken("3.3.2.5", "new order %d has no order", next[0])
			next = next[1:]
		}
		isNew := len(next) > 0 && next[0] == o.id
		if isNew {
			next = next[1:]
		}
		if isNew == o.carrier {
			d.broken("3.3.2.5", "order %d: has a carrier: %v, is a new order: %v", o.id, o.carrier, isNew)
		}
	}
	for _, id := range next {
		d.broken("3.3.2.5", "new order %d has no order", id)
	}
}

// readLines checks condition 7 and adds up amounts and stock.
func (d *districtCheck) readLines(r *bench.Reader, unit int) error {
	at := 0
	return d.scanDistrict(r, d.t.orderLine, unit, wholeByte, orderLineKeyBytes, func(key, row []byte) {
		d.lines++
		if !d.sound(d.t.orderLine, key, row, lineBytes, lineBytes) {
			return
		}
		id := orderOfKey(key)
		for at < len(d.orders) && d.orders[at].id < id {
			at++
		}
		if at == len(d.orders) || d.orders[at].id != id {
			d.broken("3.3.2.6", "order line %x has no order", key)
			return
		}
		d.line(&d.orders[at], row)
	})
}

func (d *districtCheck) line(o *seenOrder, row []byte) {
	o.seen++
	delivered := getI64(row, lineDelivery) != 0
	if delivered != o.carrier {
		d.broken("3.3.2.7", "order %d has a carrier: %v, its line a delivery date: %v", o.id, o.carrier, delivered)
	}
	if delivered {
		d.delivered[o.customer] += cents(getU32(row, lineAmount))
	}
	supply := warehouseID(getU16(row, lineSupply))
	o.remote = o.remote || supply != d.w
	slot := d.stockSlot(supply, itemID(getU32(row, lineItem)))
	if slot < 0 {
		d.broken(ConditionRows, "order %d has a line of item %d of warehouse %d", o.id, getU32(row, lineItem), supply)
		return
	}
	if int(o.id) <= d.config.Customers {
		return // orders of the population take no stock
	}
	taken := &d.stock[slot]
	atomic.AddUint32(&taken.ytd, uint32(row[lineQuantity]))
	atomic.AddUint32(&taken.orders, 1)
	if supply != d.w {
		atomic.AddUint32(&taken.remotes, 1)
	}
}

// matchLines checks conditions 4 and 6.
func (d *districtCheck) matchLines() {
	want := uint64(0)
	for i := range d.orders {
		o := &d.orders[i]
		want += uint64(o.lines)
		if uint32(o.lines) != o.seen {
			d.broken("3.3.2.6", "order %d: O_OL_CNT %d, %d order lines", o.id, o.lines, o.seen)
		}
		if o.allLocal == o.remote {
			d.broken(ConditionRows, "order %d: O_ALL_LOCAL %v, has remote lines: %v", o.id, o.allLocal, o.remote)
		}
	}
	if want != d.lines {
		d.broken("3.3.2.4", "sum(O_OL_CNT) %d, %d order lines", want, d.lines)
	}
}

// readOrderIndex checks that the index has exactly the orders.
func (d *districtCheck) readOrderIndex(r *bench.Reader, unit int) error {
	entries := 0
	err := d.scanDistrict(r, d.t.orderCustomer, unit, upperBits, orderCustomerKeyBytes, func(key, row []byte) {
		d.sound(d.t.orderCustomer, key, row, 0, 0)
		entries++
		id := orderOfCustomerKey(key)
		at := sort.Search(len(d.orders), func(i int) bool { return d.orders[i].id >= id })
		if at == len(d.orders) || d.orders[at].id != id ||
			!bytes.Equal(key, orderCustomerKey(nil, d.w, d.d, d.orders[at].customer, id)) {
			d.broken(ConditionIndex, "entry %x of orders by customer has no order", key)
		}
	})
	if entries != len(d.orders) {
		d.broken(ConditionIndex, "%d entries by customer for %d orders", entries, len(d.orders))
	}
	return err
}

func (d *districtCheck) readNameIndex(r *bench.Reader, unit int) error {
	keyBytesMin := districtKeyBytes + len("\x00\x00") + 2
	return d.scanDistrict(r, d.t.customerName, unit, wholeByte, keyBytesMin, func(key, row []byte) {
		d.sound(d.t.customerName, key, row, 0, 0)
		d.names++
	})
}

// readCustomers checks conditions 10 and 12 and the index by name.
func (d *districtCheck) readCustomers(r *bench.Reader) error {
	keys := make([][]byte, 0, checkChunk)
	for i := 0; i < d.config.Customers; i += len(keys) {
		keys = keys[:0]
		for c := i; c < min(i+checkChunk, d.config.Customers); c++ {
			keys = append(keys, customerKey(nil, d.w, d.d, customerID(c+1)))
		}
		rows, err := r.GetMany(d.t.customer, keys)
		if err != nil {
			return err
		}
		names := make([][]byte, 0, len(keys))
		for n, row := range rows {
			if d.sound(d.t.customer, keys[n], row, customerData, customerBytesMax) {
				c := customerID(i + n + 1)
				d.customer(c, row)
				names = append(names, customerNameEntry(nil, d.w, d.d, c, row))
			}
		}
		entries, err := r.GetMany(d.t.customerName, names)
		if err != nil {
			return err
		}
		for n, entry := range entries {
			if entry == nil {
				d.broken(ConditionIndex, "no entry %q by name", names[n])
			}
		}
	}
	if d.names != d.config.Customers {
		d.broken(ConditionIndex, "%d entries by name for %d customers", d.names, d.config.Customers)
	}
	return nil
}

func (d *districtCheck) customer(c customerID, row []byte) {
	balance, ytd := getCents(row, customerBalance), getCents(row, customerYTDPayment)
	delivered, paid := d.delivered[c], cents(d.paid[d.customerSlot(d.w, d.d, c)])
	d.deliveries += uint64(getU32(row, customerDeliveries))
	if balance != delivered-paid {
		d.broken("3.3.2.10", "customer %d: C_BALANCE %d, delivered %d, paid %d", c, balance, delivered, paid)
	}
	if balance+ytd != delivered {
		d.broken("3.3.2.12", "customer %d: C_BALANCE %d, C_YTD_PAYMENT %d, delivered %d", c, balance, ytd, delivered)
	}
}

// matchDelivered checks condition 11.
func (d *districtCheck) matchDelivered() {
	initially := uint64(d.config.firstUndelivered() - 1)
	if uint64(len(d.orders)) != uint64(len(d.newOrders))+initially+d.deliveries {
		d.broken(Condition11, "%d orders, %d new orders, %d delivered in the population, sum(C_DELIVERY_CNT) %d",
			len(d.orders), len(d.newOrders), initially, d.deliveries)
	}
}

// readDistrict checks conditions 2, 3 and 9.
func (d *districtCheck) readDistrict(r *bench.Reader, unit int) error {
	key := districtKey(nil, d.w, d.d)
	rows, err := r.GetMany(d.t.district, [][]byte{key})
	if err != nil || !d.sound(d.t.district, key, rows[0], districtBytes, districtBytes) {
		return err
	}
	next, ytd := orderID(getU32(rows[0], districtNextOrder)), getCents(rows[0], districtYTD)
	d.districtYTD[unit] = ytd
	if paid := cents(d.districtPaid[unit]); ytd != paid {
		d.broken("3.3.2.9", "D_YTD %d, sum(H_AMOUNT) %d", ytd, paid)
	}
	if last := len(d.orders) - 1; last < 0 || d.orders[last].id != next-1 {
		d.broken("3.3.2.2", "D_NEXT_O_ID %d is not one above the last of %d orders", next, len(d.orders))
	}
	if n := len(d.newOrders); n > 0 {
		first, last := d.newOrders[0], d.newOrders[n-1]
		if last != next-1 {
			d.broken("3.3.2.2", "D_NEXT_O_ID %d, last new order %d", next, last)
		}
		if int(last-first)+1 != n {
			d.broken("3.3.2.3", "%d new orders from %d to %d", n, first, last)
		}
	}
	return nil
}
