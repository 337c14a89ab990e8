package counted

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The bounds of nodes.
const (
	// MemberBytesMax is how long a member may be. An interior node of three
	// children may have three separators as long as that, and must fit a value of
	// the database, of 64 MiB.
	MemberBytesMax = 16 << 20

	slotsMax      = 64
	nodeWeightMax = 16 << 10
	nodeWeightMin = nodeWeightMax / 4
	// slotWeight is what a slot weighs beside its bytes: no node of slotsMax slots
	// is lighter than nodeWeightMax.
	slotWeight = nodeWeightMax / slotsMax
)

// ErrCorrupt: a node is missing, or is not what it must be.
var ErrCorrupt = errors.New("counted tree is corrupt")

// The layout of nodes.
const (
	headerBytes = 2

	atEnd             = 0
	atScore           = 4
	atChild           = 12
	atCount           = 20
	leafSlotBytes     = 12
	interiorSlotBytes = 28
)

// slotBytes returns the size of the slots of a level.
func slotBytes(level uint8) int {
	if level == 0 {
		return leafSlotBytes
	}
	return interiorSlotBytes
}

// slotsMin returns how many slots a node of a level must have.
func slotsMin(level uint8) int {
	if level == 0 {
		return 1
	}
	return 2
}

// node reads an encoded node.
type node struct {
	b    []byte
	n    int // slots
	slot int // bytes of one
}

// parseNode returns the node of a level that has count entries below it. All
// that the node's methods rely on is checked, except for the order.
func parseNode(b []byte, level uint8, count uint64) (node, error) {
	n := node{b: b, slot: slotBytes(level)}
	if len(b) < headerBytes {
		return node{}, fmt.Errorf("%w: it has %d bytes", ErrCorrupt, len(b))
	}
	if b[0] != level {
		return node{}, fmt.Errorf("%w: it is of level %d instead of %d", ErrCorrupt, b[0], level)
	}
	n.n = int(b[1])
	if n.n < slotsMin(level) || n.n > slotsMax || n.members() > len(b) {
		return node{}, fmt.Errorf("%w: %d bytes have %d slots", ErrCorrupt, len(b), n.n)
	}
	last, sum := 0, uint64(n.n)
	if level > 0 {
		sum = 0
	}
	for i, slots := 0, b[headerBytes:]; i < n.n; i, slots = i+1, slots[n.slot:] {
		end := int(binary.LittleEndian.Uint32(slots[atEnd:]))
		if end < last {
			return node{}, fmt.Errorf("%w: the member of slot %d ends before it begins", ErrCorrupt, i)
		}
		last = end
		if level > 0 {
			c := binary.LittleEndian.Uint64(slots[atCount:])
			if c == 0 || c > count-sum {
				return node{}, fmt.Errorf("%w: slot %d counts %d of %d entries", ErrCorrupt, i, c, count)
			}
			sum += c
		}
	}
	if sum != count {
		return node{}, fmt.Errorf("%w: it has %d of %d entries", ErrCorrupt, sum, count)
	}
	if last != len(b)-n.members() {
		return node{}, fmt.Errorf("%w: members end at %d of %d bytes", ErrCorrupt, last, len(b)-n.members())
	}
	return n, nil
}

// members returns where the members begin.
func (n node) members() int { return headerBytes + n.n*n.slot }

// end returns where the member of slot i ends, from where members begin.
func (n node) end(i int) int {
	return int(binary.LittleEndian.Uint32(n.b[headerBytes+i*n.slot+atEnd:]))
}

// begin returns where the member of slot i begins; i may be n.n.
func (n node) begin(i int) int {
	if i == 0 {
		return 0
	}
	return n.end(i - 1)
}

func (n node) score(i int) uint64 {
	return binary.LittleEndian.Uint64(n.b[headerBytes+i*n.slot+atScore:])
}

func (n node) member(i int) []byte {
	m := n.b[n.members():]
	end := n.end(i)
	return m[n.begin(i):end:end]
}

func (n node) key(i int) key { return key{n.score(i), n.member(i)} }

func (n node) child(i int) uint64 {
	return binary.LittleEndian.Uint64(n.b[headerBytes+i*n.slot+atChild:])
}

// count returns how many entries are in slot i, or below it.
func (n node) count(i int) uint64 {
	if n.slot == leafSlotBytes {
		return 1
	}
	return binary.LittleEndian.Uint64(n.b[headerBytes+i*n.slot+atCount:])
}

// setCount changes how many entries are below slot i of an interior node.
func (n node) setCount(i int, count uint64) {
	binary.LittleEndian.PutUint64(n.b[headerBytes+i*n.slot+atCount:], count)
}

// countOf returns how many entries are in or below the slots from lo to before hi.
func (n node) countOf(lo, hi int) uint64 {
	if n.slot == leafSlotBytes {
		return uint64(hi - lo)
	}
	var sum uint64
	for i := lo; i < hi; i++ {
		sum += n.count(i)
	}
	return sum
}

// weight returns what the slots from lo to before hi weigh.
func (n node) weight(lo, hi int) int {
	return (hi-lo)*(slotWeight+n.slot) + n.begin(hi) - n.begin(lo)
}

// search returns the first slot that is not below k, and whether it is k.
func (n node) search(k key) (i int, found bool) {
	lo, hi := 0, n.n
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		c := k.compare(n.key(mid))
		if c == 0 {
			return mid, true
		}
		if c < 0 {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo, false
}

// childOf returns the slot of the child in which k has its place.
func (n node) childOf(k key) int {
	i, found := n.search(k)
	if found || i == 0 {
		return i
	}
	return i - 1
}

// childAt returns the slot with the entry of a rank in this node, and its rank
// in the slot.
func (n node) childAt(rank uint64) (i int, within uint64) {
	if n.slot == leafSlotBytes {
		return int(rank), 0
	}
	for rank >= n.count(i) {
		rank -= n.count(i)
		i++
	}
	return i, rank
}
