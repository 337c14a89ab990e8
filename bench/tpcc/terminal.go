package tpcc

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/bench"
)

// terminal draws one session's transactions, and counts those that were executed.
type terminal struct {
	config Config
	rng    bench.Rand
	c      nurandConstants
	// homeLow..homeHigh are the warehouses of this session.
	homeLow, homeHigh warehouseID
	// source is the session's name in HISTORY, payments its last number there.
	source   uint16
	payments uint64

	executed counts
	sent     *input // what Draw has drawn last, of kind last
	last     bench.Kind
}

// counts are what was executed.
type counts struct {
	orders, payments, delivered uint64
	// deliveries are transactions, skipped districts without an order, and incomplete
	// the transactions with such a district.
	deliveries, skipped, incomplete uint64
}

// input is the parameters of a transaction, of whatever kind. They are where the
// transactions find them.
type input struct {
	newOrder    *newOrderInput
	payment     *paymentInput
	orderStatus *customerChoice
	delivery    *deliveryInput
	stockLevel  *stockLevelInput
}

func newTerminal(w *Workload, n, of int, seed uint64) *terminal {
	t := &terminal{config: w.config, c: runConstants(w.config.Seed), source: uint16(n + 1)}
	t.rng.Seed(seed, streamSession+uint64(n))
	t.homeLow, t.homeHigh = homes(w.config.Warehouses, n, of)
	w.terminals = append(w.terminals, t)
	return t
}

// homes deals the warehouses out: a range each, or one shared by several workers
// if there are not enough.
func homes(warehouses, n, workers int) (low, high warehouseID) {
	if warehouses < workers {
		home := warehouseID(n%warehouses + 1)
		return home, home
	}
	return warehouseID(n*warehouses/workers + 1), warehouseID((n + 1) * warehouses / workers)
}

// kind draws from the mix of clause 5.2.3.
func (t *terminal) kind() bench.Kind {
	switch draw := t.rng.N(100); {
	case draw < 45:
		return kindNewOrder
	case draw < 88:
		return kindPayment
	case draw < 92:
		return kindOrderStatus
	case draw < 96:
		return kindDelivery
	default:
		return kindStockLevel
	}
}

// draw draws a transaction of a kind.
func (t *terminal) draw(k bench.Kind, in *input) {
	switch k {
	case kindNewOrder:
		in.newOrder.draw(t)
	case kindPayment:
		in.payment.draw(t)
	case kindOrderStatus:
		in.orderStatus.draw(t, t.home(), t.anyDistrict())
	case kindDelivery:
		in.delivery.draw(t)
	case kindStockLevel:
		in.stockLevel.draw(t)
	}
}

// home draws a warehouse of this session.
func (t *terminal) home() warehouseID {
	return warehouseID(t.rng.Between(int(t.homeLow), int(t.homeHigh)))
}

// otherThan draws a warehouse that is not home, or home if there is no other.
func (t *terminal) otherThan(home warehouseID) warehouseID {
	if t.config.Warehouses == 1 {
		return home
	}
	other := warehouseID(t.rng.Between(1, t.config.Warehouses-1))
	if other >= home {
		other++
	}
	return other
}

func (t *terminal) anyDistrict() districtID { return districtID(t.rng.Between(1, districts)) }

func (t *terminal) anyCustomer() customerID {
	return customerID(nurand(&t.rng, nurandCustomer, t.c.customer, 1, t.config.Customers))
}

// count counts an executed transaction. delivered is how many orders a Delivery has
// delivered.
func (t *terminal) count(k bench.Kind, delivered int) {
	c := &t.executed
	switch k {
	case kindNewOrder:
		c.orders++
	case kindPayment:
		c.payments++
	case kindDelivery:
		c.deliveries++
		c.delivered += uint64(delivered)
		if delivered < districts {
			c.incomplete++
			c.skipped += uint64(districts - delivered)
		}
	}
}

// Draw implements bench.Terminal.
func (t *terminal) Draw(dst []byte) (bench.Kind, []byte) {
	if t.sent == nil {
		t.sent = &input{new(newOrderInput), new(paymentInput), new(customerChoice), new(deliveryInput), new(stockLevelInput)}
	}
	t.last = t.kind()
	t.draw(t.last, t.sent)
	return t.last, t.sent.append(dst, t.last)
}

// Executed implements bench.Terminal.
func (t *terminal) Executed(answer []byte) error {
	n, bytes := binary.Uvarint(answer)
	if bytes <= 0 || bytes != len(answer) {
		return errAnswer
	}
	if t.last == kindDelivery && n > districts {
		return fmt.Errorf("%w: a delivery of %d orders", errAnswer, n)
	}
	t.count(t.last, int(n))
	return nil
}

var errAnswer = errors.New("tpcc: what was answered is no answer")
