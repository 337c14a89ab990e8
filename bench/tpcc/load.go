package tpcc

import (
	"time"

	"github.com/godwitdb/godwit/bench"
)

// unitsPerWarehouse: one for the warehouse and its stock, one for each district.
const unitsPerWarehouse = 1 + districts

// populate fills one part of the database at a time. Each part has random numbers
// of its own, so the content does not depend on how many sessions load it.
type populate struct {
	*bench.Loader
	config Config
	t      *tables
	rng    bench.Rand
	// now is the date of everything in the population.
	now      int64
	nurandC  int
	key, row []byte
	text     []byte
}

// unit fills part number unit: 0 is the items, then come the warehouses.
func (p *populate) unit(unit int) error {
	p.rng.Seed(p.config.Seed, streamLoad+uint64(unit))
	if unit == 0 {
		return p.items()
	}
	w := warehouseID((unit-1)/unitsPerWarehouse + 1)
	if d := districtID((unit - 1) % unitsPerWarehouse); d != 0 {
		return p.district(w, d)
	}
	return p.warehouse(w)
}

// blank returns the row buffer as a zero row of n bytes, with room to append.
func (p *populate) blank(n int) []byte {
	p.row = append(p.row[:0], make([]byte, n)...)
	return p.row
}

// randomText fills a slot with an a-string of lo..hi characters.
func (p *populate) randomText(row []byte, at, lo, hi int) {
	p.text = aString(&p.rng, p.text[:0], lo, hi)
	setText(row, at, hi, p.text)
}

func (p *populate) items() error {
	for i := range itemID(p.config.Items) {
		row := p.blank(itemData)
		setU32(row, itemImage, uint32(p.rng.Between(1, 10_000)))
		p.randomText(row, itemName, 14, 24)
		setU32(row, itemPrice, uint32(p.rng.Between(100, 10_000)))
		p.row = dataString(&p.rng, row, 26, itemDataMax)
		p.key = itemKey(p.key[:0], i+1)
		if err := p.Insert(p.t.item, p.key, p.row); err != nil {
			return err
		}
	}
	return nil
}

func (p *populate) warehouse(w warehouseID) error {
	row := p.blank(warehouseBytes)
	p.randomText(row, warehouseName, 6, 10)
	p.address(row, warehouseStreet1, warehouseStreet2, warehouseCity, warehouseState, warehouseZip)
	setU16(row, warehouseTax, uint16(p.rng.Between(0, 2000)))
	// 300,000.00 at the specified scale: what the history rows sum up to.
	setCents(row, warehouseYTD, initialPayment*districts*cents(p.config.Customers))
	p.key = warehouseKey(p.key[:0], w)
	if err := p.Insert(p.t.warehouse, p.key, row); err != nil {
		return err
	}
	for i := range itemID(p.config.Items) {
		if err := p.stock(w, i+1); err != nil {
			return err
		}
	}
	return nil
}

func (p *populate) stock(w warehouseID, i itemID) error {
	p.key = stockKey(p.key[:0], w, i)
	row := p.blank(stockBytes)
	setU32(row, stockQuantity, uint32(p.rng.Between(10, 100)))
	if err := p.Insert(p.t.stock, p.key, row); err != nil {
		return err
	}
	p.row = p.row[:0]
	for range districts {
		p.row = aString(&p.rng, p.row, distInfoBytes, distInfoBytes)
	}
	p.row = dataString(&p.rng, p.row, 26, 50)
	return p.Insert(p.t.stockInfo, p.key, p.row)
}

// address fills the columns that warehouse, district and customer have alike.
func (p *populate) address(row []byte, street1, street2, city, state, zip int) {
	p.randomText(row, street1, 10, 20)
	p.randomText(row, street2, 10, 20)
	p.randomText(row, city, 10, 20)
	copy(row[state:], aString(&p.rng, p.text[:0], 2, 2))
	copy(row[zip:], zipCode(&p.rng, p.text[:0]))
}

func (p *populate) district(w warehouseID, d districtID) error {
	row := p.blank(districtBytes)
	p.randomText(row, districtName, 6, 10)
	p.address(row, districtStreet1, districtStreet2, districtCity, districtState, districtZip)
	setU16(row, districtTax, uint16(p.rng.Between(0, 2000)))
	setCents(row, districtYTD, initialPayment*cents(p.config.Customers))
	setU32(row, districtNextOrder, uint32(p.config.Customers)+1)
	p.key = districtKey(p.key[:0], w, d)
	if err := p.Insert(p.t.district, p.key, row); err != nil {
		return err
	}
	for c := range customerID(p.config.Customers) {
		if err := p.customer(w, d, c+1); err != nil {
			return err
		}
		if err := p.history(w, d, c+1); err != nil {
			return err
		}
	}
	for o, c := range p.permutation() {
		if err := p.order(w, d, orderID(o+1), c); err != nil {
			return err
		}
	}
	return nil
}

// initialPayment is the one payment of each customer in the population.
const initialPayment cents = 10_00

func (p *populate) customer(w warehouseID, d districtID, c customerID) error {
	row := p.blank(customerData)
	name := int(c) - 1
	if name >= lastNames {
		name = nurand(&p.rng, nurandName, p.nurandC, 0, lastNames-1)
	}
	p.text = lastName(p.text[:0], name)
	setText(row, customerLast, 16, p.text)
	copy(row[customerMiddle:], "OE")
	p.randomText(row, customerFirst, 8, 16)
	p.address(row, customerStreet1, customerStreet2, customerCity, customerState, customerZip)
	copy(row[customerPhone:], nString(&p.rng, p.text[:0], 16, 16))
	setI64(row, customerSince, p.now)
	copy(row[customerCredit:], "GC")
	if p.rng.N(10) == 0 {
		copy(row[customerCredit:], badCredit)
	}
	setCents(row, customerCreditLimit, 50_000_00)
	setU16(row, customerDiscount, uint16(p.rng.Between(0, 5000)))
	setCents(row, customerBalance, -initialPayment)
	setCents(row, customerYTDPayment, initialPayment)
	setU32(row, customerPayments, 1)
	p.row = aString(&p.rng, row, 300, customerDataMax)
	p.key = customerKey(p.key[:0], w, d, c)
	if err := p.Insert(p.t.customer, p.key, p.row); err != nil {
		return err
	}
	p.key = customerNameEntry(p.key[:0], w, d, c, p.row)
	return p.Insert(p.t.customerName, p.key, nil)
}

// customerNameEntry is the key of a customer's entry in the index by name.
func customerNameEntry(dst []byte, w warehouseID, d districtID, c customerID, row []byte) []byte {
	dst = customerNameKey(dst, w, d, getText(row, customerLast))
	dst = append(append(dst, getText(row, customerFirst)...), 0)
	return append(dst, byte(c>>8), byte(c))
}

func (p *populate) history(w warehouseID, d districtID, c customerID) error {
	row := appendHistory(p.blank(0), w, d, c, w, d, p.now, initialPayment)
	p.row = aString(&p.rng, row, 12, 24)
	// One number for each customer of the whole database.
	number := (uint64(w)*districts+uint64(d))*customersMax + uint64(c)
	p.key = historyKey(p.key[:0], 0, number)
	return p.Insert(p.t.history, p.key, p.row)
}

// permutation returns the customer of each initial order (O_C_ID).
func (p *populate) permutation() []customerID {
	customers := make([]customerID, p.config.Customers)
	for i := range customers {
		customers[i] = customerID(i + 1)
	}
	for i := len(customers) - 1; i > 0; i-- {
		j := p.rng.Between(0, i)
		customers[i], customers[j] = customers[j], customers[i]
	}
	return customers
}

func (p *populate) order(w warehouseID, d districtID, o orderID, c customerID) error {
	delivered := o < p.config.firstUndelivered()
	row := p.blank(orderBytes)
	lines := uint8(p.rng.Between(orderLinesMin, orderLinesMax))
	setU16(row, orderCustomer, uint16(c))
	setI64(row, orderEntry, p.now)
	if delivered {
		row[orderCarrier] = byte(p.rng.Between(1, 10))
	}
	row[orderLines], row[orderAllLocal] = lines, 1
	p.key = orderKey(p.key[:0], w, d, o)
	if err := p.Insert(p.t.order, p.key, row); err != nil {
		return err
	}
	if !delivered {
		if err := p.Insert(p.t.newOrder, p.key, nil); err != nil {
			return err
		}
	}
	p.key = orderCustomerKey(p.key[:0], w, d, c, o)
	if err := p.Insert(p.t.orderCustomer, p.key, nil); err != nil {
		return err
	}
	for line := range lines {
		if err := p.orderLine(w, d, o, line+1, delivered); err != nil {
			return err
		}
	}
	return nil
}

func (p *populate) orderLine(w warehouseID, d districtID, o orderID, line uint8, delivered bool) error {
	row := p.blank(lineDistInfo)
	setU32(row, lineItem, uint32(p.rng.Between(1, p.config.Items)))
	setU16(row, lineSupply, uint16(w))
	row[lineQuantity] = 5
	if delivered {
		setI64(row, lineDelivery, p.now)
	} else {
		setU32(row, lineAmount, uint32(p.rng.Between(1, 9999_99)))
	}
	p.row = aString(&p.rng, row, distInfoBytes, distInfoBytes)
	p.key = orderLineKey(p.key[:0], w, d, o, line)
	return p.Insert(p.t.orderLine, p.key, p.row)
}

// clock is the date as rows have it, Unix nanoseconds.
func clock() int64 { return time.Now().UnixNano() }
