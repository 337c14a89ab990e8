package tpcc

import (
	"encoding/binary"
	"math"

	"github.com/godwitdb/godwit/bench"
)

// append appends the parameters of a transaction of a kind.
func (in *input) append(dst []byte, k bench.Kind) []byte {
	number := func(v uint64) { dst = binary.AppendUvarint(dst, v) }
	customer := func(c *customerChoice) {
		number(uint64(c.home))
		number(uint64(c.district))
		number(uint64(c.number))
		if c.number == 0 {
			dst = bench.AppendText(dst, c.name)
		}
	}
	switch k {
	case kindNewOrder:
		n := in.newOrder
		number(uint64(n.home))
		number(uint64(n.district))
		number(uint64(n.customer))
		number(uint64(n.entry))
		number(uint64(n.count))
		for _, l := range n.lines[:n.count] {
			number(uint64(l.item))
			number(uint64(l.supply))
			number(uint64(l.quantity))
		}
	case kindPayment:
		p := in.payment
		number(uint64(p.home))
		number(uint64(p.district))
		customer(&p.customer)
		number(uint64(p.amount))
		number(uint64(p.date))
		number(uint64(p.source))
		number(p.number)
	case kindOrderStatus:
		customer(in.orderStatus)
	case kindDelivery:
		number(uint64(in.delivery.home))
		number(uint64(in.delivery.carrier))
		number(uint64(in.delivery.date))
	case kindStockLevel:
		number(uint64(in.stockLevel.home))
		number(uint64(in.stockLevel.district))
		number(uint64(in.stockLevel.threshold))
	}
	return dst
}

// requestReader reads what append has written. A request has no effect unless all of it is
// what a terminal could have drawn on this database.
type requestReader struct {
	bench.Request
	config Config
}

func (r *requestReader) warehouse(what string) warehouseID {
	return warehouseID(r.Uint(what, 1, uint64(r.config.Warehouses)))
}

func (r *requestReader) district() districtID { return districtID(r.Uint("a district", 1, districts)) }

func (r *requestReader) date() int64 { return int64(r.Uint("a date", 0, math.MaxInt64)) }

func (r *requestReader) customer(c *customerChoice) {
	c.home, c.district = r.warehouse("a customer's warehouse"), r.district()
	c.number, c.name = customerID(r.Uint("a customer", 0, uint64(r.config.Customers))), nil
	if c.number == 0 {
		c.name = append(c.nameBuffer[:0], r.Text("a last name", lastNameMax)...)
	}
}

// decode reads the parameters of a transaction of a kind.
func (in *input) decode(c Config, k bench.Kind, request []byte) error {
	r := requestReader{bench.ReadRequest(request), c}
	switch k {
	case kindNewOrder:
		r.newOrder(in.newOrder)
	case kindPayment:
		p := in.payment
		p.home, p.district = r.warehouse("a warehouse"), r.district()
		r.customer(&p.customer)
		p.amount, p.date = cents(r.Uint("an amount", uint64(paidMin), uint64(paidMax))), r.date()
		p.source, p.number = uint16(r.Uint("a session", 1, math.MaxUint16)), r.Uint("a number", 1, historyNumberMax)
	case kindOrderStatus:
		r.customer(in.orderStatus)
	case kindDelivery:
		d := in.delivery
		d.home, d.carrier, d.date = r.warehouse("a warehouse"), uint8(r.Uint("a carrier", 1, carriers)), r.date()
	case kindStockLevel:
		s := in.stockLevel
		s.home, s.district = r.warehouse("a warehouse"), r.district()
		s.threshold = int32(r.Uint("a threshold", thresholdMin, thresholdMax))
	}
	return r.End()
}

// newOrder reads an order. Only its last item may be the unused one.
func (r *requestReader) newOrder(n *newOrderInput) {
	n.home, n.district = r.warehouse("a warehouse"), r.district()
	n.customer = customerID(r.Uint("a customer", 1, uint64(r.config.Customers)))
	n.entry = r.date()
	n.count = int(r.Uint("a number of lines", orderLinesMin, orderLinesMax))
	for i := range n.count {
		items := uint64(r.config.Items)
		if i == n.count-1 {
			items++
		}
		n.lines[i] = wantedLine{itemID(r.Uint("an item", 1, items)), r.warehouse("a supplying warehouse"), uint8(r.Uint("a quantity", 1, quantityMax))}
	}
}
