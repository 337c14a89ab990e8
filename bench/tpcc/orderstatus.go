package tpcc

import (
	"fmt"

	"github.com/godwitdb/godwit/bench"
)

// orderStatus is the Order-Status transaction (2.6).
type orderStatus struct {
	customer customerChoice
	x        *executor
	find     customerFinder
	lastFn   func(key, value []byte) bool
	lineFn   func(key, value []byte) bool

	// What the terminal shows (2.6.3.3), of the last attempt.
	balance   cents
	lastOrder orderID
	entry     int64
	carrier   uint8
	lines     int
	shown     [orderLinesMax]shownLine

	from, to [orderLineKeyBytes]byte
}

type shownLine struct {
	item     itemID
	supply   warehouseID
	quantity uint8
	amount   cents
	delivery int64
}

func (o *orderStatus) bind(x *executor) {
	o.x, o.lastFn, o.lineFn = x, o.last, o.line
	o.find.bind(x)
}

// procedure is the profile (2.6.2.2).
func (o *orderStatus) procedure(tx bench.Tx) error {
	t, c := o.x.t, &o.customer
	row, err := o.find.row(tx, c)
	if err != nil {
		return err
	}
	o.balance, o.lastOrder, o.lines = getCents(row, customerBalance), 0, 0
	from := orderCustomerKey(o.from[:0], c.home, c.district, o.find.found, 0)
	to := orderCustomerKey(o.to[:0], c.home, c.district, o.find.found+1, 0)
	if err := tx.Scan(t.orderCustomer, from, to, true, 1, o.lastFn); err != nil {
		return err
	}
	if o.lastOrder == 0 {
		return fmt.Errorf("tpcc: customer %d of warehouse %d district %d has no order", o.find.found, c.home, c.district)
	}
	row, err = get(tx, t.order, orderKey(o.from[:0], c.home, c.district, o.lastOrder), orderBytes)
	if err != nil {
		return err
	}
	o.entry, o.carrier = getI64(row, orderEntry), row[orderCarrier]
	want := int(row[orderLines])
	from = orderLineKey(o.from[:0], c.home, c.district, o.lastOrder, 0)
	to = orderLineKey(o.to[:0], c.home, c.district, o.lastOrder+1, 0)
	if err := tx.Scan(t.orderLine, from, to, false, orderLinesMax, o.lineFn); err != nil {
		return err
	}
	if o.lines != want {
		return fmt.Errorf("tpcc: order %d of warehouse %d district %d has %d lines, %d found", o.lastOrder, c.home, c.district, want, o.lines)
	}
	return nil
}

func (o *orderStatus) last(key, _ []byte) bool {
	o.lastOrder = orderOfCustomerKey(key)
	return false
}

func (o *orderStatus) line(_, row []byte) bool {
	if len(row) != lineBytes {
		return false // the count of lines shows it
	}
	o.shown[o.lines] = shownLine{
		item: itemID(getU32(row, lineItem)), supply: warehouseID(getU16(row, lineSupply)), quantity: row[lineQuantity],
		amount: cents(getU32(row, lineAmount)), delivery: getI64(row, lineDelivery),
	}
	o.lines++
	return o.lines < orderLinesMax
}
