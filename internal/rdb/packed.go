package rdb

import (
	"encoding/binary"
	"strconv"
)

// packedEnd is behind the last element of a listpack or ziplist.
const packedEnd = 0xff

// header takes the bytes before the elements, which begin with the length of all.
func (r *reader) header(n uint64) {
	all := uint64(len(r.rest))
	if b := r.take(n); b == nil || uint64(binary.LittleEndian.Uint32(b)) != all {
		r.fail()
	}
}

// more tells whether another element follows. It takes the end.
func (r *reader) more() bool {
	if len(r.rest) > 0 && r.rest[0] == packedEnd {
		r.rest = r.rest[1:]
		return false
	}
	if len(r.rest) == 0 {
		r.fail()
	}
	return !r.failed
}

// listpack returns the elements of a listpack: length, count, and for each its form, itself and its length.
func (r *reader) listpack() (items [][]byte) {
	r.header(4 + 2)
	for r.more() {
		before := len(r.rest)
		items = append(items, r.listpackElement())
		r.take(lengthBytes(before - len(r.rest)))
	}
	return items
}

// lengthBytes returns how many bytes the length of an element takes behind it, of seven bits each. The largest of two to
// four bytes is not used.
func lengthBytes(n int) uint64 {
	switch {
	case n < 1<<7:
		return 1
	case n < 1<<14-1:
		return 2
	case n < 1<<21-1:
		return 3
	case n < 1<<28-1:
		return 4
	}
	return 5
}

func (r *reader) listpackElement() []byte {
	switch first := r.byte(); {
	case first < 0x80:
		return strconv.AppendInt(nil, int64(first), 10)
	case first < 0xc0:
		return r.take(uint64(first & 0x3f))
	case first < 0xe0:
		n := int64(first&0x1f)<<8 | int64(r.byte())
		return strconv.AppendInt(nil, n<<51>>51, 10) // 13 bits with sign
	case first < 0xf0:
		return r.take(uint64(first&0x0f)<<8 | uint64(r.byte()))
	case first == 0xf0:
		return r.take(uint64(r.number(4)) & 0xffffffff) //nolint:gosec // without sign
	case first <= 0xf3:
		return strconv.AppendInt(nil, r.number(uint64(first-0xef)), 10)
	case first == 0xf4:
		return strconv.AppendInt(nil, r.number(8), 10)
	}
	r.fail()
	return nil
}

// ziplist returns the elements of a ziplist: length, place of the last, count, and for each the length of the one before, its
// form and itself.
func (r *reader) ziplist() (items [][]byte) {
	r.header(4 + 4 + 2)
	for r.more() {
		if r.byte() == 0xfe {
			r.take(4)
		}
		items = append(items, r.ziplistElement())
	}
	return items
}

func (r *reader) ziplistElement() []byte {
	first := r.byte()
	switch {
	case first>>6 == 0:
		return r.take(uint64(first))
	case first>>6 == 1:
		return r.take(uint64(first&0x3f)<<8 | uint64(r.byte()))
	case first>>6 == 2:
		return r.take(r.bigEndian(4))
	case first >= 0xf1 && first <= 0xfd:
		return strconv.AppendInt(nil, int64(first-0xf1), 10)
	}
	var size uint64
	switch first {
	case 0xc0:
		size = 2
	case 0xd0:
		size = 4
	case 0xe0:
		size = 8
	case 0xf0:
		size = 3
	case 0xfe:
		size = 1
	default:
		r.fail()
		return nil
	}
	return strconv.AppendInt(nil, r.number(size), 10)
}

// intset returns the members of a set of integers: their width, their count, themselves.
func (r *reader) intset() (items [][]byte) {
	head := r.take(8)
	if head == nil {
		return nil
	}
	width, n := uint64(binary.LittleEndian.Uint32(head)), uint64(binary.LittleEndian.Uint32(head[4:]))
	if width != 2 && width != 4 && width != 8 || n*width != uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	for ; n > 0; n-- {
		items = append(items, strconv.AppendInt(nil, r.number(width), 10))
	}
	return items
}

// expand undoes the compression of LZF; nil if it does not result in size bytes.
func expand(b []byte, size int) []byte {
	out := make([]byte, 0, size)
	r := reader{rest: b}
	for len(r.rest) > 0 {
		control := int(r.byte())
		if control < 32 { // so many bytes and one as they are
			out = append(out, r.take(uint64(control)+1)...)
		} else { // bytes that were there before
			n := control >> 5
			if n == 7 {
				n += int(r.byte())
			}
			from := len(out) - (control&0x1f)<<8 - int(r.byte()) - 1
			if from < 0 || len(out)+n+2 > size {
				return nil
			}
			for range n + 2 {
				out = append(out, out[from])
				from++
			}
		}
		if r.failed || len(out) > size {
			return nil
		}
	}
	if len(out) != size {
		return nil
	}
	return out
}
