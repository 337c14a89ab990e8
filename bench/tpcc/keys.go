package tpcc

import "encoding/binary"

// The numbers that make up keys, all counted from 1.
type (
	warehouseID uint16
	districtID  uint8
	customerID  uint16
	orderID     uint32
	itemID      uint32
)

// Lengths of keys.
const (
	warehouseKeyBytes     = 2
	districtKeyBytes      = 3
	customerKeyBytes      = 5
	historyKeyBytes       = 8
	orderKeyBytes         = 7
	orderLineKeyBytes     = 8
	orderCustomerKeyBytes = 8
	itemKeyBytes          = 4
	stockKeyBytes         = 6
)

// Keys are appended to a buffer that the caller owns, in the order in which they
// sort.

func warehouseKey(dst []byte, w warehouseID) []byte {
	return binary.BigEndian.AppendUint16(dst, uint16(w))
}

func districtKey(dst []byte, w warehouseID, d districtID) []byte {
	return append(warehouseKey(dst, w), byte(d))
}

func customerKey(dst []byte, w warehouseID, d districtID, c customerID) []byte {
	return binary.BigEndian.AppendUint16(districtKey(dst, w, d), uint16(c))
}

// customerNameKey is the key of a last name's first entry in the index by name;
// an entry goes on with the first name, a zero byte and the customer's number.
// The names have no zero byte, so entries sort by last name, then first name.
func customerNameKey(dst []byte, w warehouseID, d districtID, last []byte) []byte {
	return append(append(districtKey(dst, w, d), last...), 0)
}

// historyNumberMax is the highest number of a session's row of HISTORY.
const historyNumberMax = 1<<48 - 1

// historyKey tells rows apart; source is 0 for the population and the session's
// number + 1 in a run.
func historyKey(dst []byte, source uint16, number uint64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(source)<<48|number)
}

// orderKey is the key of ORDER and NEW-ORDER.
func orderKey(dst []byte, w warehouseID, d districtID, o orderID) []byte {
	return binary.BigEndian.AppendUint32(districtKey(dst, w, d), uint32(o))
}

func orderLineKey(dst []byte, w warehouseID, d districtID, o orderID, line uint8) []byte {
	return append(orderKey(dst, w, d, o), line)
}

// orderCustomerKey orders a customer's orders by number: 16 bits of warehouse, 4
// of district, 12 of customer, 32 of order.
func orderCustomerKey(dst []byte, w warehouseID, d districtID, c customerID, o orderID) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(w)<<48|uint64(d)<<44|uint64(c)<<32|uint64(o))
}

func itemKey(dst []byte, i itemID) []byte { return binary.BigEndian.AppendUint32(dst, uint32(i)) }

func stockKey(dst []byte, w warehouseID, i itemID) []byte {
	return binary.BigEndian.AppendUint32(warehouseKey(dst, w), uint32(i))
}

// orderOfKey returns the order's number in the key of an order or an order line.
func orderOfKey(key []byte) orderID { return orderID(binary.BigEndian.Uint32(key[districtKeyBytes:])) }

// numberOfHistoryKey returns the row's number within its source.
func numberOfHistoryKey(key []byte) uint64 { return binary.BigEndian.Uint64(key) & (1<<48 - 1) }

// orderOfCustomerKey returns the order's number in a key of orders by customer.
func orderOfCustomerKey(key []byte) orderID { return orderID(binary.BigEndian.Uint32(key[4:])) }

// customerOfNameKey returns the customer's number in a key of the index by name.
func customerOfNameKey(key []byte) customerID {
	return customerID(binary.BigEndian.Uint16(key[len(key)-2:]))
}
