package tpcc

import (
	"fmt"

	"github.com/godwitdb/godwit/bench"
)

// deliveryInput is what a delivery is asked to do.
type deliveryInput struct {
	home    warehouseID
	carrier uint8
	date    int64
}

func (d *deliveryInput) draw(t *terminal) {
	d.home, d.carrier, d.date = t.home(), uint8(t.rng.Between(1, carriers)), clock()
}

// delivery is the Delivery transaction (2.7): the oldest order of each district
// of a warehouse, all in one database transaction.
type delivery struct {
	deliveryInput
	x        *executor
	oldestFn func(key, value []byte) bool
	lineFn   func(key, value []byte) bool

	// The orders of the current attempt, one per district that has any.
	count    int
	district [districts]districtID
	order    [districts]orderID
	lineWant [districts]int
	amount   [districts]cents

	from, to     [orderLineKeyBytes]byte
	orderKeys    districtKeys
	customerKeys districtKeys
	rows         [districts][]byte
	orderRow     [orderBytes]byte
	customerRow  [customerBytesMax]byte
	// lines are copies of the lines of one order, with their date set.
	lines    [orderLinesMax][lineBytes]byte
	lineKeys [orderLinesMax][orderLineKeyBytes]byte
	lineSeen int
	found    orderID
}

// districtKeys holds the keys of a batched lookup, one per district.
type districtKeys struct {
	bytes [districts][orderKeyBytes]byte
	keys  [districts][]byte
}

func (d *delivery) bind(x *executor) { d.x, d.oldestFn, d.lineFn = x, d.oldest, d.line }

// procedure is the profile (2.7.4.2), each step for all districts.
func (d *delivery) procedure(tx bench.Tx) error {
	if err := d.takeOldest(tx); err != nil {
		return err
	}
	if err := d.setCarriers(tx); err != nil {
		return err
	}
	for i := range d.count {
		if err := d.deliverLines(tx, i); err != nil {
			return err
		}
	}
	return d.bill(tx)
}

// takeOldest finds the oldest undelivered order of each district and removes it
// from NEW-ORDER.
func (d *delivery) takeOldest(tx bench.Tx) error {
	d.count = 0
	for district := districtID(1); district <= districts; district++ {
		d.found = 0
		from := orderKey(d.from[:0], d.home, district, 0)
		to := orderKey(d.to[:0], d.home, district+1, 0)
		if err := tx.Scan(d.x.t.newOrder, from, to, false, 1, d.oldestFn); err != nil {
			return err
		}
		if d.found == 0 {
			continue
		}
		i := d.count
		d.count++
		d.district[i], d.order[i] = district, d.found
		key := orderKey(d.orderKeys.bytes[i][:0], d.home, district, d.found)
		d.orderKeys.keys[i] = key
		if err := tx.Delete(d.x.t.newOrder, key); err != nil {
			return err
		}
	}
	return nil
}

func (d *delivery) oldest(key, _ []byte) bool {
	d.found = orderOfKey(key)
	return false
}

// setCarriers sets the orders' carrier and notes their customers.
func (d *delivery) setCarriers(tx bench.Tx) error {
	t, keys, rows := d.x.t, d.orderKeys.keys[:d.count], d.rows[:d.count]
	if err := getMany(tx, t.order, keys, rows, orderBytes); err != nil {
		return err
	}
	for i, row := range rows {
		copy(d.orderRow[:], row)
		d.orderRow[orderCarrier] = d.carrier
		if err := tx.Put(t.order, keys[i], d.orderRow[:]); err != nil {
			return err
		}
		c := customerID(getU16(row, orderCustomer))
		d.lineWant[i] = int(row[orderLines])
		d.customerKeys.keys[i] = customerKey(d.customerKeys.bytes[i][:0], d.home, d.district[i], c)
	}
	return nil
}

// deliverLines dates the lines of order i and sums them up.
func (d *delivery) deliverLines(tx bench.Tx, i int) error {
	d.lineSeen, d.amount[i] = 0, 0
	from := orderLineKey(d.from[:0], d.home, d.district[i], d.order[i], 0)
	to := orderLineKey(d.to[:0], d.home, d.district[i], d.order[i]+1, 0)
	if err := tx.Scan(d.x.t.orderLine, from, to, false, orderLinesMax, d.lineFn); err != nil {
		return err
	}
	if d.lineSeen != d.lineWant[i] {
		return fmt.Errorf("tpcc: order %d of warehouse %d district %d has %d lines, %d found", d.order[i], d.home, d.district[i], d.lineWant[i], d.lineSeen)
	}
	for n := range d.lineSeen {
		row := d.lines[n][:]
		d.amount[i] += cents(getU32(row, lineAmount))
		setI64(row, lineDelivery, d.date)
		if err := tx.Put(d.x.t.orderLine, d.lineKeys[n][:], row); err != nil {
			return err
		}
	}
	return nil
}

func (d *delivery) line(key, row []byte) bool {
	if len(row) != lineBytes {
		return false // the count of lines shows it
	}
	copy(d.lineKeys[d.lineSeen][:], key)
	copy(d.lines[d.lineSeen][:], row)
	d.lineSeen++
	return d.lineSeen < orderLinesMax
}

// bill charges the customers.
func (d *delivery) bill(tx bench.Tx) error {
	t, keys, rows := d.x.t, d.customerKeys.keys[:d.count], d.rows[:d.count]
	if err := getMany(tx, t.customer, keys, rows, customerData); err != nil {
		return err
	}
	for i, row := range rows {
		billed := d.customerRow[:copy(d.customerRow[:], row)]
		setCents(billed, customerBalance, getCents(row, customerBalance)+d.amount[i])
		setU32(billed, customerDeliveries, getU32(row, customerDeliveries)+1)
		if err := tx.Put(t.customer, keys[i], billed); err != nil {
			return err
		}
	}
	return nil
}
