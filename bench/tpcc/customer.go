package tpcc

import (
	"fmt"

	"github.com/godwitdb/godwit/bench"
)

// customerChoice is whom Payment and Order-Status are about: a customer by
// number, or by last name.
type customerChoice struct {
	home     warehouseID
	district districtID
	// number is 0 if the choice goes by the name.
	number customerID
	name   []byte

	nameBuffer [lastNameMax]byte
}

// draw chooses 60 % by last name (2.5.1.2, 2.6.1.2).
func (c *customerChoice) draw(t *terminal, home warehouseID, district districtID) {
	c.home, c.district, c.number = home, district, 0
	if t.rng.N(100) >= 60 {
		c.number = t.anyCustomer()
		return
	}
	number := nurand(&t.rng, nurandName, t.c.name, 0, t.config.lastNames()-1)
	c.name = lastName(c.nameBuffer[:0], number)
}

// customerFinder looks customers up.
type customerFinder struct {
	x     *executor
	found customerID

	fromBuffer, toData [32]byte
	keyBuffer          [customerKeyBytes]byte
	matches            []customerID
	each               func(key, value []byte) bool
}

func (f *customerFinder) bind(x *executor) {
	f.x, f.each, f.matches = x, f.match, make([]customerID, 0, 64)
}

// row returns the customer's row and sets found. Of the n customers with the
// name, sorted by first name, it is the one at n/2 rounded up (2.5.2.2).
func (f *customerFinder) row(tx bench.Tx, c *customerChoice) ([]byte, error) {
	f.found = c.number
	if f.found == 0 {
		from := customerNameKey(f.fromBuffer[:0], c.home, c.district, c.name)
		to := append(f.toData[:0], from...)
		to[len(to)-1] = 1
		f.matches = f.matches[:0]
		if err := tx.Scan(f.x.t.customerName, from, to, false, 0, f.each); err != nil {
			return nil, err
		}
		if len(f.matches) == 0 {
			return nil, fmt.Errorf("tpcc: no customer %s in warehouse %d district %d", c.name, c.home, c.district)
		}
		f.found = f.matches[(len(f.matches)+1)/2-1]
	}
	return get(tx, f.x.t.customer, f.key(c), customerData)
}

// key is the key of the customer that row found.
func (f *customerFinder) key(c *customerChoice) []byte {
	return customerKey(f.keyBuffer[:0], c.home, c.district, f.found)
}

func (f *customerFinder) match(key, _ []byte) bool {
	f.matches = append(f.matches, customerOfNameKey(key))
	return true
}
