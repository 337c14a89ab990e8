package rdb

import (
	"encoding/binary"
	"math"
	"strconv"
)

// Check tells whether a dumped value is whole: its version is known and its checksum right.
func Check(b []byte) error {
	n := len(b) - footerBytes
	if n < 0 || binary.LittleEndian.Uint16(b[n:]) > version || binary.LittleEndian.Uint64(b[n+2:]) != checksum(b[:n+2]) {
		return ErrChecksum
	}
	return nil
}

// Decode reads a dumped value. Its strings may be parts of b.
func Decode(b []byte) (Value, error) {
	if err := Check(b); err != nil {
		return Value{}, err
	}
	return decode(b[:len(b)-footerBytes])
}

func decode(b []byte) (Value, error) {
	r := reader{rest: b, expand: ExpandedBytesMax}
	v := r.value()
	if r.failed || len(r.rest) > 0 {
		return Value{}, ErrFormat
	}
	return v, nil
}

// reader takes bytes from the front. After something that is wrong it has failed, and returns nothing more.
type reader struct {
	rest   []byte
	expand int // how many bytes compressed strings may still expand to
	failed bool
}

func (r *reader) fail() {
	r.failed = true
	r.rest = nil
}

// take returns the next n bytes, nil if there are less.
func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// byte returns the next byte, 0 if there is none.
func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// number returns an integer of n bytes, little-endian with sign.
func (r *reader) number(n uint64) int64 {
	var wide [8]byte
	b := r.take(n)
	copy(wide[8-n:], b)
	return int64(binary.LittleEndian.Uint64(wide[:])) >> (64 - 8*n) //nolint:gosec // two's complement
}

// bigEndian returns a length of n bytes.
func (r *reader) bigEndian(n uint64) uint64 {
	var wide [8]byte
	copy(wide[8-n:], r.take(n))
	return binary.BigEndian.Uint64(wide[:])
}

// length returns a length, or if special is set which of the other forms of a string follows.
func (r *reader) length() (n uint64, special bool) {
	first := r.byte()
	switch low := uint64(first & 0x3f); {
	case first>>6 == 0:
		return low, false
	case first>>6 == 1:
		return low<<8 | uint64(r.byte()), false
	case first>>6 == 3:
		return low, true
	case low == 0:
		return r.bigEndian(4), false
	case low == 1:
		return r.bigEndian(8), false
	}
	r.fail()
	return 0, false
}

// count returns how many things follow, each of a byte at least. None is an error: there are no empty values.
func (r *reader) count() int {
	n, special := r.length()
	if special || n == 0 || n > uint64(len(r.rest)) {
		r.fail()
		return 0
	}
	return int(n) //nolint:gosec // no more than bytes
}

func (r *reader) string() []byte {
	n, special := r.length()
	if !special {
		return r.take(n)
	}
	switch n {
	case 0, 1, 2:
		return strconv.AppendInt(nil, r.number(1<<n), 10)
	case 3:
		packed, special1 := r.length()
		size, special2 := r.length()
		b := r.take(packed)
		// Three bytes become 264 at most.
		if special1 || special2 || size > uint64(r.expand) || size > 100*packed { //nolint:gosec // never negative
			r.fail()
			return nil
		}
		r.expand -= int(size)       //nolint:gosec // at most that
		out := expand(b, int(size)) //nolint:gosec // at most that
		if out == nil {
			r.fail()
		}
		return out
	}
	r.fail()
	return nil
}

func (r *reader) strings(n int) [][]byte {
	var items [][]byte
	for ; n > 0 && !r.failed; n-- {
		items = append(items, r.string())
	}
	return items
}

func (r *reader) value() Value {
	switch kind := r.byte(); kind {
	case typeString:
		return Value{Kind: String, Items: [][]byte{r.string()}}
	case typeList:
		return Value{Kind: List, Items: r.strings(r.count())}
	case typeSet:
		return Value{Kind: Set, Items: r.strings(r.count())}
	case typeHash:
		return Value{Kind: Hash, Items: r.strings(2 * r.count())}
	case typeZSet, typeZSetText:
		return r.sortedSet(kind == typeZSetText)
	case typeListZiplist:
		return Value{Kind: List, Items: r.inner((*reader).ziplist)}
	case typeListQuicklist:
		v := Value{Kind: List}
		for n := r.count(); n > 0 && !r.failed; n-- {
			v.Items = append(v.Items, r.inner((*reader).ziplist)...)
		}
		return v
	case typeListPacked:
		return r.quicklist()
	case typeSetIntset:
		return Value{Kind: Set, Items: r.inner((*reader).intset)}
	case typeHashZiplist:
		return r.pairs(Hash, (*reader).ziplist)
	case typeHashListpack:
		return r.pairs(Hash, (*reader).listpack)
	case typeZSetZiplist:
		return r.pairs(SortedSet, (*reader).ziplist)
	case typeZSetListpack:
		return r.pairs(SortedSet, (*reader).listpack)
	}
	r.fail()
	return Value{}
}

// quicklist returns a list in parts, each one item or many that are packed.
func (r *reader) quicklist() Value {
	const plain, packed = 1, 2
	v := Value{Kind: List}
	for n := r.count(); n > 0 && !r.failed; n-- {
		switch container, special := r.length(); {
		case !special && container == plain:
			v.Items = append(v.Items, r.string())
		case !special && container == packed:
			v.Items = append(v.Items, r.inner((*reader).listpack)...)
		default:
			r.fail()
		}
	}
	return v
}

func (r *reader) sortedSet(text bool) Value {
	v := Value{Kind: SortedSet}
	for n := r.count(); n > 0 && !r.failed; n-- {
		v.Items = append(v.Items, r.string())
		var score float64
		if text {
			score = r.textScore()
		} else {
			score = math.Float64frombits(uint64(r.number(8))) //nolint:gosec // its bits
		}
		if math.IsNaN(score) {
			r.fail()
		}
		v.Scores = append(v.Scores, score)
	}
	return v
}

func (r *reader) textScore() float64 {
	switch n := r.byte(); n {
	case 254:
		return math.Inf(1)
	case 255:
		return math.Inf(-1)
	default:
		score, err := strconv.ParseFloat(string(r.take(uint64(n))), 64)
		if err != nil {
			r.fail()
		}
		return score
	}
}

// inner returns what is packed in a string.
func (r *reader) inner(unpack func(*reader) [][]byte) [][]byte {
	in := reader{rest: r.string()}
	items := unpack(&in)
	if in.failed || len(in.rest) > 0 || len(items) == 0 {
		r.fail()
	}
	return items
}

// pairs returns a hash or sorted set that is packed in a string.
func (r *reader) pairs(kind Kind, unpack func(*reader) [][]byte) Value {
	items := r.inner(unpack)
	if len(items)%2 != 0 {
		r.fail()
	}
	if kind == Hash || r.failed {
		return Value{Kind: kind, Items: items}
	}
	v := Value{Kind: kind}
	for i := 0; i < len(items); i += 2 {
		score, err := strconv.ParseFloat(string(items[i+1]), 64)
		if err != nil || math.IsNaN(score) {
			r.fail()
		}
		v.Items, v.Scores = append(v.Items, items[i]), append(v.Scores, score)
	}
	return v
}
