package script

import (
	"encoding/binary"
	"math"

	lua "github.com/yuin/gopher-lua"
)

// msgpackReader unpacks values. Its errors are raised through the call.
type msgpackReader struct {
	call
	data  string
	depth int
	steps int
	holes int // places that keys far apart have left empty in tables
}

// unpackMsgpack pushes values from an offset on; with a limit or an offset, the
// first result is where the next value begins, -1 at the end.
func (c call) unpackMsgpack(limit, offset int) int {
	data := c.str(1)
	if limit < 0 || offset < 0 {
		c.fail("Invalid request to unpack with offset of %d and limit of %d.", offset, len(data))
	}
	if offset > len(data) {
		c.fail("Start offset %d greater than input length %d.", offset, len(data))
	}
	all := limit == 0 && offset == 0
	if all {
		limit = math.MaxInt
	}
	r := &msgpackReader{call: c, data: data[offset:]}
	var results []lua.LValue
	for len(r.data) > 0 && len(results) < limit {
		if len(results) >= resultsMax {
			c.fail("stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)")
		}
		results = append(results, r.value())
	}
	if all {
		return c.push(results...)
	}
	next := len(data) - len(r.data)
	if len(r.data) == 0 {
		next = -1
	}
	return c.pushNumber(float64(next)) + c.push(results...)
}

// take consumes bytes.
func (r *msgpackReader) take(n int) string {
	if n > len(r.data) {
		r.fail("Missing bytes in input.")
	}
	s := r.data[:n]
	r.data = r.data[n:]
	return s
}

// uint consumes an integer of 1, 2, 4 or 8 bytes.
func (r *msgpackReader) uint(size int) uint64 {
	var b [8]byte
	copy(b[8-size:], r.take(size))
	return binary.BigEndian.Uint64(b[:])
}

func (r *msgpackReader) value() lua.LValue {
	r.steps++
	r.step(r.steps)
	head := r.take(1)[0]
	switch {
	case head < 0x80:
		return lua.LNumber(head)
	case head < 0x90:
		return r.mapping(int(head & 0xf))
	case head < 0xa0:
		return r.array(int(head & 0xf))
	case head < 0xc0:
		return lua.LString(r.take(int(head & 0x1f)))
	case head >= 0xe0:
		return lua.LNumber(int8(head))
	}
	switch head {
	case 0xc0:
		return lua.LNil
	case 0xc2, 0xc3:
		return lua.LBool(head == 0xc3)
	case 0xca:
		return lua.LNumber(math.Float32frombits(uint32(r.uint(4))))
	case 0xcb:
		return lua.LNumber(math.Float64frombits(r.uint(8)))
	case 0xcc, 0xcd, 0xce, 0xcf:
		return lua.LNumber(r.uint(1 << (head - 0xcc)))
	case 0xd0:
		return lua.LNumber(int8(r.uint(1)))
	case 0xd1:
		return lua.LNumber(int16(r.uint(2)))
	case 0xd2:
		return lua.LNumber(int32(r.uint(4)))
	case 0xd3:
		return lua.LNumber(int64(r.uint(8)))
	case 0xd9, 0xda, 0xdb:
		return lua.LString(r.take(int(r.uint(1 << (head - 0xd9)))))
	case 0xdc, 0xdd:
		return r.array(int(r.uint(2 << (head - 0xdc))))
	case 0xde, 0xdf:
		return r.mapping(int(r.uint(2 << (head - 0xde))))
	}
	r.fail("Bad data format in input.")
	return nil
}

func (r *msgpackReader) descend() {
	if r.depth++; r.depth > dataDepthMax {
		r.fail("stack overflow (too many nested values)")
	}
}

func (r *msgpackReader) array(n int) lua.LValue {
	r.descend()
	t := r.L.NewTable()
	for i := 1; i <= n; i++ {
		t.RawSetInt(i, r.value())
	}
	r.depth--
	return t
}

func (r *msgpackReader) mapping(n int) lua.LValue {
	r.descend()
	t := r.L.NewTable()
	for range n {
		key, value := r.value(), r.value()
		if !validKey(key) {
			r.raise(lua.LString("table index is nil or NaN"))
		}
		r.countHoles(key, n)
		t.RawSet(key, value)
	}
	r.depth--
	return t
}

// countHoles keeps a few bytes from filling the memory: the interpreter makes
// room for all indices up to the highest.
func (r *msgpackReader) countHoles(key lua.LValue, items int) {
	index, ok := key.(lua.LNumber)
	if !ok || index <= lua.LNumber(2*items) || index >= arrayIndexMax {
		return
	}
	if r.holes += int(index); r.holes > holesMax {
		r.fail("too many table keys that are far apart")
	}
}
