package tpcc

import (
	"fmt"

	"github.com/godwitdb/godwit/bench"
)

const (
	// stockLevelOrders is how many of a district's last orders Stock-Level
	// looks at (2.8.2.2).
	stockLevelOrders = 20
	stockLevelItems  = stockLevelOrders * orderLinesMax
	// itemSlots is the size of the set of items, a power of two that leaves
	// two thirds of it empty.
	itemSlots = 1024
)

// stockLevelInput is what a Stock-Level is asked for.
type stockLevelInput struct {
	home      warehouseID
	district  districtID
	threshold int32
}

func (s *stockLevelInput) draw(t *terminal) {
	s.home, s.district, s.threshold = t.home(), t.anyDistrict(), int32(t.rng.Between(thresholdMin, thresholdMax))
}

// stockLevel is the Stock-Level transaction (2.8).
type stockLevel struct {
	stockLevelInput
	x      *executor
	lineFn func(key, value []byte) bool

	// low is the result: how many different items are short.
	low int

	districtKey [districtKeyBytes]byte
	from, to    [orderLineKeyBytes]byte
	items       itemSet
	keyBytes    [stockLevelItems][stockKeyBytes]byte
	keys, rows  [stockLevelItems][]byte
	malformed   bool
}

// itemSet is a set of items that is emptied by counting its round up.
type itemSet struct {
	// slots hold round<<32 | item.
	slots [itemSlots]uint64
	round uint64
	count int
}

// add puts an item into the set and reports whether it is new.
func (s *itemSet) add(item itemID) bool {
	entry := s.round<<32 | uint64(item)
	for at := uint32(item) * 0x9e3779b1 >> 22; ; at = (at + 1) % itemSlots {
		switch slot := s.slots[at]; {
		case slot == entry:
			return false
		case slot>>32 != s.round:
			s.slots[at] = entry
			s.count++
			return true
		}
	}
}

// clear empties the set. Rounds of 32 bits last longer than any run.
func (s *itemSet) clear() { s.round, s.count = s.round+1, 0 }

func (s *stockLevel) bind(x *executor) { s.x, s.lineFn = x, s.line }

// procedure is the profile (2.8.2.2).
func (s *stockLevel) procedure(tx bench.Tx) error {
	t := s.x.t
	row, err := get(tx, t.district, districtKey(s.districtKey[:0], s.home, s.district), districtBytes)
	if err != nil {
		return err
	}
	next := orderID(getU32(row, districtNextOrder))
	s.items.clear()
	s.malformed = false
	from := orderLineKey(s.from[:0], s.home, s.district, next-min(next, stockLevelOrders), 0)
	to := orderLineKey(s.to[:0], s.home, s.district, next, 0)
	if err := tx.Scan(t.orderLine, from, to, false, 0, s.lineFn); err != nil {
		return err
	}
	if s.malformed {
		return fmt.Errorf("tpcc: malformed order lines in warehouse %d district %d", s.home, s.district)
	}
	rows := s.rows[:s.items.count]
	if err := getMany(tx, t.stock, s.keys[:s.items.count], rows, stockBytes); err != nil {
		return err
	}
	s.low = 0
	for _, row := range rows {
		if int32(getU32(row, stockQuantity)) < s.threshold {
			s.low++
		}
	}
	return nil
}

func (s *stockLevel) line(_, row []byte) bool {
	if len(row) != lineBytes {
		s.malformed = true
		return false
	}
	item := itemID(getU32(row, lineItem))
	if n := s.items.count; n < stockLevelItems && s.items.add(item) {
		s.keys[n] = stockKey(s.keyBytes[n][:0], s.home, item)
	}
	return true
}
