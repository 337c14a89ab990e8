package script

import (
	"fmt"
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// spec is one conversion of string.format: flags, width, precision, letter.
type spec struct {
	flags     string
	width     int
	precision int // -1 if absent
	letter    byte
}

// stringFormat is string.format, with C's conversions.
func stringFormat(c call) int {
	format := c.str(1)
	var b strings.Builder
	arg := 1
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		if i++; i < len(format) && format[i] == '%' {
			b.WriteByte('%')
			continue
		}
		var sp spec
		sp, i = c.spec(format, i)
		if arg++; arg > c.L.GetTop() {
			c.badArgument(arg, "no value")
		}
		b.WriteString(c.convert(sp, arg))
		if b.Len() > stringBytesMax {
			c.fail("string length overflow")
		}
	}
	return c.push(lua.LString(b.String()))
}

// spec reads a conversion, and returns the place of its letter.
func (c call) spec(format string, i int) (spec, int) {
	sp := spec{precision: -1}
	start := i
	for i < len(format) && strings.IndexByte("-+ #0", format[i]) >= 0 {
		i++
	}
	if sp.flags = format[start:i]; len(sp.flags) > 5 {
		c.fail("invalid format (repeated flags)")
	}
	sp.width, i = twoDigits(format, i)
	if i < len(format) && format[i] == '.' {
		sp.precision, i = twoDigits(format, i+1)
	}
	if i < len(format) && format[i] >= '0' && format[i] <= '9' {
		c.fail("invalid format (width or precision too long)")
	}
	if i < len(format) {
		sp.letter = format[i]
	}
	return sp, i
}

func twoDigits(format string, i int) (n, end int) {
	for end = i; end < len(format) && end < i+2 && format[end] >= '0' && format[end] <= '9'; end++ {
		n = n*10 + int(format[end]-'0')
	}
	return n, end
}

func (c call) convert(sp spec, arg int) string {
	switch sp.letter {
	case 'c':
		return sp.pad(string([]byte{byte(c.int(arg))}))
	case 'd', 'i':
		return fmt.Sprintf(sp.verb('d'), toInt64(c.num(arg)))
	case 'u':
		return fmt.Sprintf(sp.verb('d'), toUint64(c.num(arg)))
	case 'o', 'x', 'X':
		return fmt.Sprintf(sp.verb(sp.letter), toUint64(c.num(arg)))
	case 'e', 'E', 'f', 'g', 'G':
		return sp.float(c.num(arg))
	case 'q':
		return quote(c.str(arg))
	case 's':
		s := c.str(arg)
		if sp.precision < 0 && len(s) >= 100 {
			return s // Lua formats only short ones
		}
		s, _, _ = strings.Cut(s, "\x00") // and as C strings
		if sp.precision >= 0 && len(s) > sp.precision {
			s = s[:sp.precision]
		}
		return sp.pad(s)
	}
	c.fail("invalid option '%%%s' to 'format'", strings.Trim(string(sp.letter), "\x00"))
	return ""
}

// verb is the conversion as package fmt writes it.
func (sp spec) verb(letter byte) string {
	v := "%" + sp.flags
	if sp.width > 0 {
		v += fmt.Sprint(sp.width)
	}
	if sp.precision >= 0 {
		v += fmt.Sprintf(".%d", sp.precision)
	}
	return v + string(letter)
}

func (sp spec) float(f float64) string {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		text := formatNumber(f, numberDigits)
		if strings.Contains(sp.flags, "+") && text[0] != '-' {
			text = "+" + text
		}
		if sp.letter == 'E' || sp.letter == 'G' {
			text = strings.ToUpper(text)
		}
		return sp.pad(text)
	}
	if sp.precision < 0 {
		sp.precision = 6 // C's default; Go's for %g is the shortest
	}
	return fmt.Sprintf(sp.verb(sp.letter), f)
}

// pad fills up to the width with spaces; package fmt would count runes.
func (sp spec) pad(s string) string {
	fill := strings.Repeat(" ", max(sp.width-len(s), 0))
	if strings.Contains(sp.flags, "-") {
		return s + fill
	}
	return fill + s
}

// toUint64 converts as the x86 does: negative numbers wrap.
func toUint64(f float64) uint64 {
	if f >= 1<<63 && f < 1<<64 {
		return uint64(f)
	}
	return uint64(toInt64(f))
}

// quote writes a string so that Lua reads it back.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch ch := s[i]; ch {
		case '"', '\\', '\n':
			b.WriteByte('\\')
			b.WriteByte(ch)
		case '\r':
			b.WriteString(`\r`)
		case 0:
			b.WriteString(`\000`)
		default:
			b.WriteByte(ch)
		}
	}
	b.WriteByte('"')
	return b.String()
}
