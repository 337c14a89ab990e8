package tpcc

import (
	"fmt"

	"github.com/godwitdb/godwit/bench"
)

// worker is one session's terminals. The transactions' parameters, buffers and
// results live in it and in its five procedures, and the functions given to the
// session are bound once, so a transaction allocates nothing.
type worker struct {
	session bench.Session
	t       *tables
	config  Config
	rng     bench.Rand
	c       nurandConstants
	// homeLow..homeHigh are the warehouses of this session.
	homeLow, homeHigh warehouseID

	newOrder    newOrder
	payment     payment
	orderStatus orderStatus
	delivery    delivery
	stockLevel  stockLevel
}

func newWorker(load *Workload, s bench.Session, n, workers int, seed uint64) (*worker, error) {
	w := &worker{session: s, t: &load.t, config: load.config, c: runConstants(load.config.Seed)}
	w.rng.Seed(seed, streamSession+uint64(n))
	w.homeLow, w.homeHigh = homes(load.config.Warehouses, n, workers)
	w.newOrder.bind(w)
	if err := w.payment.bind(w, n); err != nil {
		return nil, err
	}
	w.orderStatus.bind(w)
	w.delivery.bind(w)
	w.stockLevel.bind(w)
	return w, nil
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

// Run implements bench.Worker with the mix of clause 5.2.3.
func (w *worker) Run() (bench.Kind, bench.Timestamp, error) {
	switch draw := w.rng.N(100); {
	case draw < 45:
		ts, err := w.newOrder.run()
		return kindNewOrder, ts, err
	case draw < 88:
		ts, err := w.payment.run()
		return kindPayment, ts, err
	case draw < 92:
		ts, err := w.orderStatus.run()
		return kindOrderStatus, ts, err
	case draw < 96:
		ts, err := w.delivery.run()
		return kindDelivery, ts, err
	default:
		ts, err := w.stockLevel.run()
		return kindStockLevel, ts, err
	}
}

// home draws a warehouse of this session.
func (w *worker) home() warehouseID {
	return warehouseID(w.rng.Between(int(w.homeLow), int(w.homeHigh)))
}

// otherThan draws a warehouse that is not home, or home if there is no other.
func (w *worker) otherThan(home warehouseID) warehouseID {
	if w.config.Warehouses == 1 {
		return home
	}
	other := warehouseID(w.rng.Between(1, w.config.Warehouses-1))
	if other >= home {
		other++
	}
	return other
}

func (w *worker) anyDistrict() districtID { return districtID(w.rng.Between(1, districts)) }

func (w *worker) anyCustomer() customerID {
	return customerID(nurand(&w.rng, nurandCustomer, w.c.customer, 1, w.config.Customers))
}

// customerChoice is whom Payment and Order-Status are about: a customer by
// number, or by last name.
type customerChoice struct {
	w        *worker
	home     warehouseID
	district districtID
	// number is 0 if the choice goes by the name, until find has looked it up.
	number, found customerID
	name          []byte

	nameBuffer         [16]byte
	fromBuffer, toData [32]byte
	keyBuffer          [customerKeyBytes]byte
	matches            []customerID
	each               func(key, value []byte) bool
}

func (c *customerChoice) bind(w *worker) {
	c.w, c.each, c.matches = w, c.match, make([]customerID, 0, 64)
}

// draw chooses 60 % by last name (2.5.1.2, 2.6.1.2).
func (c *customerChoice) draw(home warehouseID, district districtID) {
	c.home, c.district, c.number = home, district, 0
	if c.w.rng.N(100) >= 60 {
		c.number = c.w.anyCustomer()
		return
	}
	number := nurand(&c.w.rng, nurandName, c.w.c.name, 0, c.w.config.lastNames()-1)
	c.name = lastName(c.nameBuffer[:0], number)
}

// row returns the customer's row and sets found. Of the n customers with the
// name, sorted by first name, it is the one at n/2 rounded up (2.5.2.2).
func (c *customerChoice) row(tx bench.Tx) ([]byte, error) {
	c.found = c.number
	if c.found == 0 {
		from := customerNameKey(c.fromBuffer[:0], c.home, c.district, c.name)
		to := append(c.toData[:0], from...)
		to[len(to)-1] = 1
		c.matches = c.matches[:0]
		if err := tx.Scan(c.w.t.customerName, from, to, false, 0, c.each); err != nil {
			return nil, err
		}
		if len(c.matches) == 0 {
			return nil, fmt.Errorf("tpcc: no customer %s in warehouse %d district %d", c.name, c.home, c.district)
		}
		c.found = c.matches[(len(c.matches)+1)/2-1]
	}
	return get(tx, c.w.t.customer, c.key(), customerData)
}

// key is the key of the customer that row found.
func (c *customerChoice) key() []byte {
	return customerKey(c.keyBuffer[:0], c.home, c.district, c.found)
}

func (c *customerChoice) match(key, _ []byte) bool {
	c.matches = append(c.matches, customerOfNameKey(key))
	return true
}
