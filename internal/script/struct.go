package script

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

const (
	structIntegerMax = 32 // bytes of the longest integer
	structAlignMax   = 8  // the natural alignment
)

// openStruct is the library struct, which reads and writes C structures.
func (s *state) openStruct() *lua.LTable {
	return s.library(map[string]function{"pack": structPack, "unpack": structUnpack, "size": structSize})
}

// layout reads a format option by option.
type layout struct {
	c      call
	format string
	at     int
	big    bool
	align  int
}

func (c call) layout(format string) *layout {
	format, _, _ = strings.Cut(format, "\x00")
	return &layout{c: c, format: format, align: 1}
}

// next is the next option, its size, and the padding in front of it at a
// position.
func (l *layout) next(pos int) (option byte, size, padding int, ok bool) {
	if l.at == len(l.format) {
		return 0, 0, 0, false
	}
	option = l.format[l.at]
	l.at++
	switch option {
	case 'b', 'B', 'x':
		size = 1
	case 'h', 'H':
		size = 2
	case 'f':
		size = 4
	case 'l', 'L', 'T', 'd':
		size = 8
	case 'c':
		size = l.number(1)
	case 'i', 'I':
		if size = l.number(4); size > structIntegerMax {
			l.c.fail("integral size %d is larger than limit of %d", size, structIntegerMax)
		}
	}
	if size > 0 && option != 'c' {
		align := min(size, l.align)
		padding = (align - pos&(align-1)) & (align - 1)
	}
	return option, size, padding, true
}

func (l *layout) number(otherwise int) int {
	start, n := l.at, 0
	for l.at < len(l.format) && l.format[l.at] >= '0' && l.format[l.at] <= '9' {
		if n = n*10 + int(l.format[l.at]-'0'); n > math.MaxInt32 {
			l.c.fail("integral size overflow")
		}
		l.at++
	}
	if l.at == start {
		return otherwise
	}
	return n
}

// control obeys an option that has no value.
func (l *layout) control(option byte) {
	switch option {
	case ' ':
	case '>':
		l.big = true
	case '<':
		l.big = false
	case '!':
		a := l.number(structAlignMax)
		if a <= 0 || a&(a-1) != 0 {
			l.c.fail("alignment %d is not a power of 2", a)
		}
		l.align = a
	default:
		l.c.badArgument(1, "invalid format option '%s'", string(option))
	}
}

func (l *layout) appendInteger(b []byte, v uint64, size int) []byte {
	start := len(b)
	for range size {
		b = append(b, byte(v))
		v >>= 8
	}
	if l.big {
		slices.Reverse(b[start:])
	}
	return b
}

func (l *layout) integer(b []byte) (v uint64) {
	for i := range b {
		if l.big {
			v = v<<8 | uint64(b[i])
		} else {
			v = v<<8 | uint64(b[len(b)-1-i])
		}
	}
	return v
}

func (l *layout) order() binary.ByteOrder {
	if l.big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func structPack(c call) int {
	l := c.layout(c.str(1))
	var b []byte
	arg := 1
	for {
		option, size, padding, ok := l.next(len(b))
		if !ok {
			return c.push(lua.LString(b))
		}
		b = append(b, make([]byte, padding)...)
		switch option {
		case 'b', 'B', 'h', 'H', 'l', 'L', 'T', 'i', 'I':
			arg++
			b = l.appendInteger(b, toUint64(c.num(arg)), size)
		case 'x':
			b = append(b, 0)
		case 'f':
			arg++
			b = l.appendInteger(b, uint64(math.Float32bits(float32(c.num(arg)))), size)
		case 'd':
			arg++
			b = l.appendInteger(b, math.Float64bits(c.num(arg)), size)
		case 'c', 's':
			arg++
			s := c.str(arg)
			if size == 0 {
				size = len(s)
			}
			if len(s) < size {
				c.badArgument(arg+1, "string too short")
			}
			b = append(b, s[:size]...)
			if option == 's' {
				b = append(b, 0)
			}
		default:
			l.control(option)
		}
		if len(b) > stringBytesMax {
			c.fail("string length overflow")
		}
	}
}

func structUnpack(c call) int {
	l := c.layout(c.str(1))
	data := []byte(c.str(2))
	pos := c.optInt(3, 1)
	if pos == 0 {
		c.badArgument(3, "offset must be 1 or greater")
	}
	if pos < 0 { // a huge one in Redis
		pos = math.MaxInt
	}
	pos--
	need := func(size int) {
		if size > len(data) || pos > len(data)-size {
			c.badArgument(2, "data string too short")
		}
	}
	var results []lua.LValue
	for {
		option, size, padding, ok := l.next(pos)
		if !ok {
			return c.push(results...) + c.pushNumber(float64(pos+1))
		}
		if len(results) >= resultsMax {
			c.fail("stack overflow (too many results)")
		}
		pos += padding
		need(size)
		switch option {
		case 'b', 'h', 'l', 'i':
			v := l.integer(data[pos : pos+size])
			if unused := 64 - 8*size; unused > 0 && size > 0 {
				v = uint64(int64(v<<unused) >> unused)
			}
			results = append(results, lua.LNumber(int64(v)))
		case 'B', 'H', 'L', 'T', 'I':
			results = append(results, lua.LNumber(l.integer(data[pos:pos+size])))
		case 'x':
		case 'f':
			results = append(results, lua.LNumber(math.Float32frombits(l.order().Uint32(data[pos:]))))
		case 'd':
			results = append(results, lua.LNumber(math.Float64frombits(l.order().Uint64(data[pos:]))))
		case 'c':
			if size == 0 {
				n, ok := 0.0, false
				if len(results) > 0 {
					n, ok = toNumber(results[len(results)-1])
				}
				if !ok {
					c.fail("format 'c0' needs a previous size")
				}
				if size = int(toInt64(n)); size < 0 {
					size = math.MaxInt
				}
				results = results[:len(results)-1]
				need(size)
			}
			results = append(results, lua.LString(data[pos:pos+size]))
		case 's':
			n := strings.IndexByte(string(data[pos:]), 0)
			if n < 0 {
				c.fail("unfinished string in data")
			}
			results = append(results, lua.LString(data[pos:pos+n]))
			size = n + 1
		default:
			l.control(option)
		}
		pos += size
	}
}

func structSize(c call) int {
	l := c.layout(c.str(1))
	pos := 0
	for {
		option, size, padding, ok := l.next(pos)
		if !ok {
			return c.pushNumber(float64(pos))
		}
		pos += padding
		switch {
		case option == 's':
			c.badArgument(1, "option 's' has no fixed size")
		case option == 'c' && size == 0:
			c.badArgument(1, "option 'c0' has no fixed size")
		case option|0x20 < 'a' || option|0x20 > 'z':
			l.control(option)
		}
		pos += size
	}
}
