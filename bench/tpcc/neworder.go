package tpcc

import (
	"bytes"

	"github.com/godwitdb/godwit/bench"
)

// newOrderInput is an order as the customer gives it.
type newOrderInput struct {
	home     warehouseID
	district districtID
	customer customerID
	count    int
	lines    [orderLinesMax]wantedLine
	entry    int64
}

// newOrder is the New-Order transaction (2.4).
type newOrder struct {
	newOrderInput
	x *executor

	allLocal bool

	// What the terminal shows (2.4.3.3), of the last attempt.
	order  orderID
	total  cents
	brand  [orderLinesMax]byte
	credit [2]byte

	warehouseKey [warehouseKeyBytes]byte
	districtKey  [districtKeyBytes]byte
	customerKey  [customerKeyBytes]byte
	orderKey     [orderLineKeyBytes]byte
	itemKeys     lineKeys
	stockKeys    lineKeys
	items        [orderLinesMax][]byte
	stocks       [orderLinesMax][]byte
	infos        [orderLinesMax][]byte
	districtRow  [districtBytes]byte
	orderRow     [orderBytes]byte
	lineRow      [lineBytes]byte
	stockRows    [orderLinesMax][stockBytes]byte
}

// wantedLine is a line of the order to be placed.
type wantedLine struct {
	item     itemID
	supply   warehouseID
	quantity uint8
}

// lineKeys holds the keys of a batched lookup, one per order line.
type lineKeys struct {
	bytes [orderLinesMax][stockKeyBytes]byte
	keys  [orderLinesMax][]byte
}

// draw makes the input (2.4.1). The unused item of one order in a hundred is its
// last.
func (n *newOrderInput) draw(t *terminal) {
	r := &t.rng
	n.home, n.district, n.customer = t.home(), t.anyDistrict(), t.anyCustomer()
	n.count = r.Between(orderLinesMin, orderLinesMax)
	for i := range n.count {
		l := &n.lines[i]
		l.item = itemID(nurand(r, nurandItem, t.c.item, 1, t.config.Items))
		l.quantity = uint8(r.Between(1, quantityMax))
		l.supply = n.home
		if r.N(100) == 0 {
			l.supply = t.otherThan(n.home)
		}
	}
	if r.N(100) == 0 {
		n.lines[n.count-1].item = itemID(t.config.Items) + 1
	}
	n.entry = clock()
}

// prepare makes what follows from the input.
func (n *newOrder) prepare() {
	n.allLocal = true
	for i := range n.count {
		l := &n.lines[i]
		n.allLocal = n.allLocal && l.supply == n.home
		n.itemKeys.keys[i] = itemKey(n.itemKeys.bytes[i][:0], l.item)
		n.stockKeys.keys[i] = stockKey(n.stockKeys.bytes[i][:0], l.supply, l.item)
	}
}

// procedure is the profile (2.4.2.2). The item that does not exist is met only
// after all the work is done, as clause 2.4.2.3 wants, and takes all of it back.
func (n *newOrder) procedure(tx bench.Tx) error {
	t := n.x.t
	warehouse, err := get(tx, t.warehouse, warehouseKey(n.warehouseKey[:0], n.home), warehouseBytes)
	if err != nil {
		return err
	}
	if err := n.nextOrder(tx); err != nil {
		return err
	}
	customer, err := get(tx, t.customer, customerKey(n.customerKey[:0], n.home, n.district, n.customer), customerData)
	if err != nil {
		return err
	}
	copy(n.credit[:], customer[customerCredit:])
	if err := n.insertOrder(tx); err != nil {
		return err
	}
	sum, err := n.placeLines(tx)
	if err != nil {
		return err
	}
	tax := cents(getU16(warehouse, warehouseTax)) + cents(getU16(n.districtRow[:], districtTax))
	n.total = sum * (rateUnit - cents(getU16(customer, customerDiscount))) * (rateUnit + tax) / (rateUnit * rateUnit)
	return nil
}

// rateUnit is a tax or discount of 100 %.
const rateUnit cents = 10_000

// nextOrder takes the order's number from the district.
func (n *newOrder) nextOrder(tx bench.Tx) error {
	key := districtKey(n.districtKey[:0], n.home, n.district)
	row, err := get(tx, n.x.t.district, key, districtBytes)
	if err != nil {
		return err
	}
	copy(n.districtRow[:], row)
	n.order = orderID(getU32(row, districtNextOrder))
	setU32(n.districtRow[:], districtNextOrder, uint32(n.order)+1)
	return tx.Put(n.x.t.district, key, n.districtRow[:])
}

func (n *newOrder) insertOrder(tx bench.Tx) error {
	t, row := n.x.t, n.orderRow[:]
	clear(row)
	setU16(row, orderCustomer, uint16(n.customer))
	setI64(row, orderEntry, n.entry)
	row[orderLines] = uint8(n.count)
	if n.allLocal {
		row[orderAllLocal] = 1
	}
	key := orderKey(n.orderKey[:0], n.home, n.district, n.order)
	if err := tx.Insert(t.order, key, row); err != nil {
		return err
	}
	if err := tx.Insert(t.newOrder, key, row[:0]); err != nil {
		return err
	}
	key = orderCustomerKey(n.orderKey[:0], n.home, n.district, n.customer, n.order)
	return tx.Insert(t.orderCustomer, key, row[:0])
}

// placeLines takes the stock, inserts the order lines and returns the sum of
// their amounts. It returns bench.ErrRollback if the last item does not exist.
func (n *newOrder) placeLines(tx bench.Tx) (sum cents, err error) {
	t, valid := n.x.t, n.count
	if err := tx.GetMany(t.item, n.itemKeys.keys[:n.count], n.items[:n.count]); err != nil {
		return 0, err
	}
	if n.items[n.count-1] == nil && n.lines[n.count-1].item > itemID(n.x.config.Items) {
		valid--
	}
	keys := n.stockKeys.keys[:valid]
	if err := getMany(tx, t.stock, keys, n.stocks[:valid], stockBytes); err != nil {
		return 0, err
	}
	if err := getMany(tx, t.stockInfo, keys, n.infos[:valid], stockInfoData); err != nil {
		return 0, err
	}
	for i := range valid {
		if n.items[i] == nil {
			return 0, missing(t.item, n.itemKeys.keys[i], bench.ErrNotFound)
		}
		if err := length(t.item, n.itemKeys.keys[i], n.items[i], itemData); err != nil {
			return 0, err
		}
		if err := n.takeStock(tx, i); err != nil {
			return 0, err
		}
		amount, err := n.insertLine(tx, i)
		if err != nil {
			return 0, err
		}
		sum += amount
	}
	if valid < n.count {
		return 0, bench.ErrRollback
	}
	return sum, nil
}

// takeStock updates the stock of line i. An order may have an item twice: the
// later line goes on from the row that the earlier one left.
func (n *newOrder) takeStock(tx bench.Tx, i int) error {
	line, row := &n.lines[i], n.stockRows[i][:]
	copy(row, n.stocks[i])
	for j := i - 1; j >= 0; j-- {
		if n.lines[j].item == line.item && n.lines[j].supply == line.supply {
			copy(row, n.stockRows[j][:])
			break
		}
	}
	quantity := int32(getU32(row, stockQuantity)) - int32(line.quantity)
	if quantity < 10 {
		quantity += 91
	}
	setU32(row, stockQuantity, uint32(quantity))
	setU32(row, stockYTD, getU32(row, stockYTD)+uint32(line.quantity))
	setU32(row, stockOrders, getU32(row, stockOrders)+1)
	if line.supply != n.home {
		setU32(row, stockRemotes, getU32(row, stockRemotes)+1)
	}
	return tx.Put(n.x.t.stock, n.stockKeys.keys[i], row)
}

func (n *newOrder) insertLine(tx bench.Tx, i int) (cents, error) {
	line, item, info, row := &n.lines[i], n.items[i], n.infos[i], n.lineRow[:]
	amount := cents(line.quantity) * cents(getU32(item, itemPrice))
	n.brand[i] = 'G'
	if bytes.Contains(item[itemData:], []byte(original)) && bytes.Contains(info[stockInfoData:], []byte(original)) {
		n.brand[i] = 'B'
	}
	setU32(row, lineItem, uint32(line.item))
	setU16(row, lineSupply, uint16(line.supply))
	setI64(row, lineDelivery, 0)
	row[lineQuantity] = line.quantity
	setU32(row, lineAmount, uint32(amount))
	dist := stockInfoDist + int(n.district-1)*distInfoBytes
	copy(row[lineDistInfo:], info[dist:dist+distInfoBytes])
	key := orderLineKey(n.orderKey[:0], n.home, n.district, n.order, uint8(i+1))
	return amount, tx.Insert(n.x.t.orderLine, key, row)
}
