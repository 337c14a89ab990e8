package tpcc

import (
	"strconv"

	"github.com/godwitdb/godwit/bench"
)

// payment is the Payment transaction (2.5).
type payment struct {
	w  *worker
	fn func(bench.Tx) error
	// number is the last history row of this session, committed how many it
	// added in this run.
	source            uint16
	number, committed uint64

	home     warehouseID
	district districtID
	customer customerChoice
	amount   cents
	date     int64

	warehouseKey [warehouseKeyBytes]byte
	districtKey  [districtKeyBytes]byte
	historyKey   [historyKeyBytes]byte
	warehouseRow [warehouseBytes]byte
	districtRow  [districtBytes]byte
	customerRow  [customerBytesMax]byte
	historyRow   [historyBytesMax]byte
	dataNote     [64]byte
}

// badCredit marks the customers whose payments are noted in C_DATA.
const badCredit = "BC"

// bind also finds where the session's history goes on, if the database has been
// run on before.
func (p *payment) bind(w *worker, n int) error {
	p.w, p.fn, p.source = w, p.procedure, uint16(n+1)
	p.customer.bind(w)
	from, to := historyKey(nil, p.source, 0), historyKey(nil, p.source+1, 0)
	_, err := w.session.View(func(tx bench.Tx) error {
		return tx.Scan(w.t.history, from, to, true, 1, func(key, _ []byte) bool {
			p.number = numberOfHistoryKey(key)
			return false
		})
	})
	return err
}

func (p *payment) run() (bench.Timestamp, error) {
	p.draw()
	ts, err := p.w.session.Update(p.fn)
	if err == nil {
		p.committed++
	}
	return ts, err
}

// draw makes the input (2.5.1): in 15 % the customer belongs elsewhere.
func (p *payment) draw() {
	w := p.w
	p.home, p.district = w.home(), w.anyDistrict()
	if w.rng.N(100) < 85 || w.config.Warehouses == 1 {
		p.customer.draw(p.home, p.district)
	} else {
		p.customer.draw(w.otherThan(p.home), w.anyDistrict())
	}
	p.amount = cents(w.rng.Between(1_00, 5000_00))
	p.date = clock()
	p.number++
}

// procedure is the profile (2.5.2.2).
func (p *payment) procedure(tx bench.Tx) error {
	t := p.w.t
	key := warehouseKey(p.warehouseKey[:0], p.home)
	row, err := get(tx, t.warehouse, key, warehouseBytes)
	if err != nil {
		return err
	}
	copy(p.warehouseRow[:], row)
	setCents(p.warehouseRow[:], warehouseYTD, getCents(row, warehouseYTD)+p.amount)
	if err := tx.Put(t.warehouse, key, p.warehouseRow[:]); err != nil {
		return err
	}
	key = districtKey(p.districtKey[:0], p.home, p.district)
	if row, err = get(tx, t.district, key, districtBytes); err != nil {
		return err
	}
	copy(p.districtRow[:], row)
	setCents(p.districtRow[:], districtYTD, getCents(row, districtYTD)+p.amount)
	if err := tx.Put(t.district, key, p.districtRow[:]); err != nil {
		return err
	}
	if err := p.pay(tx); err != nil {
		return err
	}
	return p.insertHistory(tx)
}

// pay books the amount with the customer.
func (p *payment) pay(tx bench.Tx) error {
	row, err := p.customer.row(tx)
	if err != nil {
		return err
	}
	paid := p.customerRow[:copy(p.customerRow[:], row)]
	setCents(paid, customerBalance, getCents(row, customerBalance)-p.amount)
	setCents(paid, customerYTDPayment, getCents(row, customerYTDPayment)+p.amount)
	setU32(paid, customerPayments, getU32(row, customerPayments)+1)
	if string(row[customerCredit:customerCredit+2]) == badCredit {
		note := p.note()
		n := copy(p.customerRow[customerData:], note)
		n += copy(p.customerRow[customerData+n:], row[customerData:])
		paid = p.customerRow[:customerData+n]
	}
	return tx.Put(p.w.t.customer, p.customer.key(), paid)
}

// note is what goes to the front of C_DATA: the payment in words.
func (p *payment) note() []byte {
	b := p.dataNote[:0]
	for _, n := range [...]uint64{
		uint64(p.customer.found), uint64(p.customer.district), uint64(p.customer.home), uint64(p.district), uint64(p.home),
	} {
		b = append(strconv.AppendUint(b, n, 10), ' ')
	}
	b = append(strconv.AppendUint(b, uint64(p.amount/100), 10), '.')
	return append(b, '0'+byte(p.amount%100/10), '0'+byte(p.amount%10), ' ')
}

func (p *payment) insertHistory(tx bench.Tx) error {
	c := &p.customer
	row := appendHistory(p.historyRow[:0], c.home, c.district, c.found, p.home, p.district, p.date, p.amount)
	row = append(row, getText(p.warehouseRow[:], warehouseName)...)
	row = append(row, "    "...)
	row = append(row, getText(p.districtRow[:], districtName)...)
	return tx.Insert(p.w.t.history, historyKey(p.historyKey[:0], p.source, p.number), row)
}

// appendHistory appends a row of HISTORY without its text.
func appendHistory(dst []byte, cw warehouseID, cd districtID, c customerID, w warehouseID, d districtID, date int64, amount cents) []byte {
	var row [historyData]byte
	setU16(row[:], historyCustomer, uint16(c))
	row[historyCustomerDistrict] = byte(cd)
	setU16(row[:], historyCustomerWarehouse, uint16(cw))
	row[historyDistrict] = byte(d)
	setU16(row[:], historyWarehouse, uint16(w))
	setI64(row[:], historyDate, date)
	setU32(row[:], historyAmount, uint32(amount))
	return append(dst, row[:]...)
}
