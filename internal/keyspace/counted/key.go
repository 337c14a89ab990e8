package counted

import (
	"bytes"
	"cmp"
	"math"
)

// key is an entry, or a separator.
type key struct {
	score  uint64 // as ordered returns it
	member []byte
}

// compare returns the order of k and o, as cmp.Compare does.
func (k key) compare(o key) int {
	if k.score != o.score {
		return cmp.Compare(k.score, o.score)
	}
	return bytes.Compare(k.member, o.member)
}

// separator returns the shortest key above left and not above right.
func separator(left, right key) key {
	if left.score != right.score {
		return key{score: right.score}
	}
	same := 0
	for same < len(left.member) && same < len(right.member) && left.member[same] == right.member[same] {
		same++
	}
	return key{right.score, right.member[:min(same+1, len(right.member))]}
}

const signBit = 1 << 63

// ordered returns an integer whose order is the score's. It is never zero or
// the highest: those would be of NaN.
func ordered(score float64) uint64 {
	if score == 0 {
		score = 0 // minus zero too
	}
	bits := math.Float64bits(score)
	if bits&signBit != 0 {
		return ^bits
	}
	return bits | signBit
}

// score is the inverse of ordered.
func score(ordered uint64) float64 {
	if ordered&signBit != 0 {
		return math.Float64frombits(ordered &^ signBit)
	}
	return math.Float64frombits(^ordered)
}
