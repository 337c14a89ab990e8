package script

import (
	"encoding/binary"
	"math"

	lua "github.com/yuin/gopher-lua"
)

// msgpackNestingMax is the depth at which cmsgpack packs a table as nil.
const msgpackNestingMax = 16

func (s *state) openMsgpack() *lua.LTable {
	t := s.library(map[string]function{
		"pack":   msgpackPack,
		"unpack": func(c call) int { return c.unpackMsgpack(0, 0) },
		"unpack_one": func(c call) int {
			return c.unpackMsgpack(1, c.optInt(2, 0))
		},
		"unpack_limit": func(c call) int { return c.unpackMsgpack(c.int(2), c.optInt(3, 0)) },
	})
	t.RawSetString("_NAME", lua.LString("cmsgpack"))
	t.RawSetString("_VERSION", lua.LString("lua-cmsgpack 0.4.0"))
	t.RawSetString("_COPYRIGHT", lua.LString(""))
	t.RawSetString("_DESCRIPTION", lua.LString("MessagePack C implementation for Lua"))
	return t
}

// msgpackWriter packs Lua values.
type msgpackWriter struct {
	call
	b     []byte
	steps int
}

func msgpackPack(c call) int {
	n := c.L.GetTop()
	if n == 0 {
		c.badArgument(0, "MessagePack pack needs input.")
	}
	w := &msgpackWriter{call: c}
	for i := 1; i <= n; i++ {
		w.value(c.L.Get(i), 0)
	}
	return c.push(lua.LString(w.b))
}

func (w *msgpackWriter) value(v lua.LValue, depth int) {
	w.steps++
	w.step(w.steps)
	if len(w.b) > stringBytesMax {
		w.fail("string length overflow")
	}
	switch v := v.(type) {
	case lua.LString:
		w.string(string(v))
	case lua.LBool:
		if v {
			w.b = append(w.b, 0xc3)
		} else {
			w.b = append(w.b, 0xc2)
		}
	case lua.LNumber:
		w.number(float64(v))
	case *lua.LTable:
		if depth == msgpackNestingMax {
			w.b = append(w.b, 0xc0)
			return
		}
		w.table(w.behind(v), depth)
	default:
		w.b = append(w.b, 0xc0)
	}
}

func (w *msgpackWriter) string(s string) {
	switch n := len(s); {
	case n < 32:
		w.b = append(w.b, 0xa0|byte(n))
	case n <= math.MaxUint8:
		w.b = append(w.b, 0xd9, byte(n))
	case n <= math.MaxUint16:
		w.b = binary.BigEndian.AppendUint16(append(w.b, 0xda), uint16(n))
	default:
		w.b = binary.BigEndian.AppendUint32(append(w.b, 0xdb), uint32(n))
	}
	w.b = append(w.b, s...)
}

func (w *msgpackWriter) number(f float64) {
	if i := toInt64(f); float64(i) == f && !math.IsInf(f, 0) {
		w.integer(i)
		return
	}
	if single := float32(f); float64(single) == f {
		w.b = binary.BigEndian.AppendUint32(append(w.b, 0xca), math.Float32bits(single))
		return
	}
	w.b = binary.BigEndian.AppendUint64(append(w.b, 0xcb), math.Float64bits(f))
}

// integer writes the shortest form.
func (w *msgpackWriter) integer(i int64) {
	u := uint64(i)
	switch {
	case i >= -32 && i <= math.MaxInt8:
		w.b = append(w.b, byte(i))
	case i >= 0 && i <= math.MaxUint8:
		w.b = append(w.b, 0xcc, byte(i))
	case i >= 0 && i <= math.MaxUint16:
		w.b = binary.BigEndian.AppendUint16(append(w.b, 0xcd), uint16(u))
	case i >= 0 && i <= math.MaxUint32:
		w.b = binary.BigEndian.AppendUint32(append(w.b, 0xce), uint32(u))
	case i >= 0:
		w.b = binary.BigEndian.AppendUint64(append(w.b, 0xcf), u)
	case i >= math.MinInt8:
		w.b = append(w.b, 0xd0, byte(i))
	case i >= math.MinInt16:
		w.b = binary.BigEndian.AppendUint16(append(w.b, 0xd1), uint16(u))
	case i >= math.MinInt32:
		w.b = binary.BigEndian.AppendUint32(append(w.b, 0xd2), uint32(u))
	default:
		w.b = binary.BigEndian.AppendUint64(append(w.b, 0xd3), u)
	}
}

// length writes the head of an array or a map.
func (w *msgpackWriter) length(fix, wide byte, n int) {
	switch {
	case n <= 15:
		w.b = append(w.b, fix|byte(n))
	case n <= math.MaxUint16:
		w.b = binary.BigEndian.AppendUint16(append(w.b, wide), uint16(n))
	default:
		w.b = binary.BigEndian.AppendUint32(append(w.b, wide+1), uint32(n))
	}
}

// table packs an array if the keys are the integers from one up to the number
// of elements, and else a map.
func (w *msgpackWriter) table(t *lua.LTable, depth int) {
	items, highest, array := 0, 0.0, true
	w.each(t, func(key, _ lua.LValue) {
		items++
		n, ok := key.(lua.LNumber)
		if !ok || float64(n) <= 0 || float64(int32(toInt64(float64(n)))) != float64(n) {
			array = false
			return
		}
		highest = max(highest, float64(n))
	})
	if array && highest == float64(items) {
		w.length(0x90, 0xdc, items)
		for i := 1; i <= items; i++ {
			w.value(t.RawGet(lua.LNumber(i)), depth+1)
		}
		return
	}
	w.length(0x80, 0xde, items)
	w.each(t, func(key, value lua.LValue) {
		w.value(key, depth+1)
		w.value(value, depth+1)
	})
}
