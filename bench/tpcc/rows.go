package tpcc

import "encoding/binary"

// Rows are byte slices of fixed layouts: numbers first, little-endian, then texts
// of bounded length in slots of one length byte and the longest text; a row whose
// last column varies much has it as its tail. An accessor expects a row of at
// least the layout's length; rows from an engine are measured first (see length).

// Offsets of WAREHOUSE.
const (
	warehouseYTD     = 0
	warehouseTax     = 8
	warehouseState   = 10
	warehouseZip     = 12
	warehouseName    = 21
	warehouseStreet1 = 32
	warehouseStreet2 = 53
	warehouseCity    = 74
	warehouseBytes   = 95
)

// Offsets of DISTRICT.
const (
	districtYTD       = 0
	districtNextOrder = 8
	districtTax       = 12
	districtState     = 14
	districtZip       = 16
	districtName      = 25
	districtStreet1   = 36
	districtStreet2   = 57
	districtCity      = 78
	districtBytes     = 99
)

// Offsets of CUSTOMER, whose tail is C_DATA.
const (
	customerSince       = 0
	customerBalance     = 8
	customerYTDPayment  = 16
	customerCreditLimit = 24
	customerDiscount    = 32
	customerPayments    = 34
	customerDeliveries  = 38
	customerCredit      = 42
	customerMiddle      = 44
	customerState       = 46
	customerZip         = 48
	customerPhone       = 57
	customerFirst       = 73
	customerLast        = 90
	customerStreet1     = 107
	customerStreet2     = 128
	customerCity        = 149
	customerData        = 170
	customerDataMax     = 500
	customerBytesMax    = customerData + customerDataMax
)

// Offsets of HISTORY, whose tail is H_DATA.
const (
	historyCustomer          = 0
	historyCustomerDistrict  = 2
	historyCustomerWarehouse = 3
	historyDistrict          = 5
	historyWarehouse         = 6
	historyDate              = 8
	historyAmount            = 16
	historyData              = 20
	historyBytesMax          = historyData + 24
)

// Offsets of ORDER. A carrier of 0 is null.
const (
	orderCustomer = 0
	orderEntry    = 2
	orderCarrier  = 10
	orderLines    = 11
	orderAllLocal = 12
	orderBytes    = 13
)

// Offsets of ORDER-LINE. A delivery date of 0 is null.
const (
	lineItem     = 0
	lineSupply   = 4
	lineDelivery = 6
	lineQuantity = 14
	lineAmount   = 15
	lineDistInfo = 19
	lineBytes    = 43
)

// Offsets of ITEM, whose tail is I_DATA.
const (
	itemImage    = 0
	itemPrice    = 4
	itemName     = 8
	itemData     = 33
	itemDataMax  = 50
	itemBytesMax = itemData + itemDataMax
)

// Offsets of the two halves of STOCK; S_DATA is the tail of the second.
const (
	stockQuantity = 0
	stockYTD      = 4
	stockOrders   = 8
	stockRemotes  = 12
	stockBytes    = 16

	stockInfoDist     = 0
	stockInfoData     = districts * distInfoBytes
	stockInfoBytesMax = stockInfoData + 50

	distInfoBytes = 24
)

func getU16(row []byte, at int) uint16    { return binary.LittleEndian.Uint16(row[at:]) }
func setU16(row []byte, at int, v uint16) { binary.LittleEndian.PutUint16(row[at:], v) }
func getU32(row []byte, at int) uint32    { return binary.LittleEndian.Uint32(row[at:]) }
func setU32(row []byte, at int, v uint32) { binary.LittleEndian.PutUint32(row[at:], v) }
func getI64(row []byte, at int) int64     { return int64(binary.LittleEndian.Uint64(row[at:])) }
func setI64(row []byte, at int, v int64)  { binary.LittleEndian.PutUint64(row[at:], uint64(v)) }

// cents is an amount of money.
type cents int64

func getCents(row []byte, at int) cents    { return cents(getI64(row, at)) }
func setCents(row []byte, at int, v cents) { setI64(row, at, int64(v)) }

// getText returns the text in a slot. A length beyond the row gives what there
// is: the checks find it.
func getText(row []byte, at int) []byte {
	end := min(at+1+int(row[at]), len(row))
	return row[at+1 : end]
}

// setText fills the slot with the text, zeros behind it.
func setText(row []byte, at, textMax int, text []byte) {
	row[at] = byte(len(text))
	n := copy(row[at+1:at+1+textMax], text)
	clear(row[at+1+n : at+1+textMax])
}
