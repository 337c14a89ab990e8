package tpcc

import (
	"strconv"

	"github.com/godwitdb/godwit/bench"
)

// paymentInput is a payment as it is entered.
type paymentInput struct {
	home     warehouseID
	district districtID
	customer customerChoice
	amount   cents
	date     int64
	// The key of its row of HISTORY: the session and a number.
	source uint16
	number uint64
}

// payment is the Payment transaction (2.5).
type payment struct {
	paymentInput
	x    *executor
	find customerFinder

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

// lastPayment returns the number of a session's last row of HISTORY, 0 if there is none:
// the database may have been run on before.
func lastPayment(s bench.Session, t *tables, source uint16) (number uint64, err error) {
	from, to := historyKey(nil, source, 0), historyKey(nil, source+1, 0)
	_, err = s.View(func(tx bench.Tx) error {
		number = 0
		return tx.Scan(t.history, from, to, true, 1, func(key, _ []byte) bool {
			number = numberOfHistoryKey(key)
			return false
		})
	})
	return number, err
}

// draw makes the input (2.5.1): in 15 % the customer belongs elsewhere.
func (p *paymentInput) draw(t *terminal) {
	p.home, p.district = t.home(), t.anyDistrict()
	if t.rng.N(100) < 85 || t.config.Warehouses == 1 {
		p.customer.draw(t, p.home, p.district)
	} else {
		p.customer.draw(t, t.otherThan(p.home), t.anyDistrict())
	}
	p.amount = cents(t.rng.Between(int(paidMin), int(paidMax)))
	p.date = clock()
	t.payments++
	p.source, p.number = t.source, t.payments
}

// The bounds of H_AMOUNT.
const (
	paidMin cents = 1_00
	paidMax cents = 5000_00
)

// procedure is the profile (2.5.2.2).
func (p *payment) procedure(tx bench.Tx) error {
	t := p.x.t
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
	row, err := p.find.row(tx, &p.customer)
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
	return tx.Put(p.x.t.customer, p.find.key(&p.customer), paid)
}

// note is what goes to the front of C_DATA: the payment in words.
func (p *payment) note() []byte {
	b := p.dataNote[:0]
	for _, n := range [...]uint64{
		uint64(p.find.found), uint64(p.customer.district), uint64(p.customer.home), uint64(p.district), uint64(p.home),
	} {
		b = append(strconv.AppendUint(b, n, 10), ' ')
	}
	b = append(strconv.AppendUint(b, uint64(p.amount/100), 10), '.')
	return append(b, '0'+byte(p.amount%100/10), '0'+byte(p.amount%10), ' ')
}

func (p *payment) insertHistory(tx bench.Tx) error {
	c := &p.customer
	row := appendHistory(p.historyRow[:0], c.home, c.district, p.find.found, p.home, p.district, p.date, p.amount)
	row = append(row, getText(p.warehouseRow[:], warehouseName)...)
	row = append(row, "    "...)
	row = append(row, getText(p.districtRow[:], districtName)...)
	return tx.Insert(p.x.t.history, historyKey(p.historyKey[:0], p.source, p.number), row)
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
