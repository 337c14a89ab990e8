package script

import (
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// operatorConcat is a .. b .. c, from the right as Lua does it.
func operatorConcat(c call) int {
	n := c.L.GetTop()
	if n == 2 { // the common case, without a slice
		if a, ok := c.L.Get(1).(lua.LString); ok {
			if b, ok := c.L.Get(2).(lua.LString); ok {
				return c.pushString(string(a) + string(b))
			}
		}
	}
	acc := c.L.Get(n)
	for n > 1 {
		parts, bytes := 0, 0
		last, lastOK := toString(acc)
		for lastOK && parts < n-1 {
			text, ok := toString(c.L.Get(n - 1 - parts))
			if !ok {
				break
			}
			bytes += len(text)
			parts++
		}
		if parts == 0 {
			acc = c.concatEvent(c.L.Get(n-1), acc)
			n--
			continue
		}
		if bytes+len(last) > stringBytesMax {
			c.fail("string length overflow")
		}
		var b strings.Builder
		b.Grow(bytes + len(last))
		for i := n - parts; i < n; i++ {
			text, _ := toString(c.L.Get(i))
			b.WriteString(text)
		}
		b.WriteString(last)
		acc = lua.LString(b.String())
		n -= parts
	}
	return c.push(acc)
}

func (c call) concatEvent(a, b lua.LValue) lua.LValue {
	f := c.metafield(a, "__concat")
	if f == lua.LNil {
		f = c.metafield(b, "__concat")
	}
	if f == lua.LNil {
		if _, ok := toString(a); ok {
			a = b
		}
		c.fail("attempt to concatenate a %s value", a.Type())
	}
	return c.call1(f, a, b)
}

func operatorLength(c call) int {
	switch v := c.L.Get(1).(type) {
	case lua.LString:
		return c.pushNumber(float64(len(v)))
	case *lua.LTable:
		return c.pushNumber(float64(c.length(v)))
	case *lua.LUserData:
		if f := c.metafield(v, "__len"); f != lua.LNil {
			return c.push(c.call1(f, v))
		}
	}
	c.fail("attempt to get length of a %s value", c.L.Get(1).Type())
	return 0
}

// arithmetic are the operations that strings take part in if they read as
// numbers.
func arithmetic() map[string]func(a, b float64) float64 {
	return map[string]func(a, b float64) float64{
		"__add": func(a, b float64) float64 { return a + b },
		"__sub": func(a, b float64) float64 { return a - b },
		"__mul": func(a, b float64) float64 { return a * b },
		"__div": func(a, b float64) float64 { return a / b },
		"__mod": func(a, b float64) float64 { return a - math.Floor(a/b)*b },
		"__pow": math.Pow,
		"__unm": func(a, _ float64) float64 { return -a },
	}
}

func (c call) stringArithmetic(event string, op func(a, b float64) float64) int {
	a, b := c.L.Get(1), c.L.Get(2)
	if event == "__unm" {
		b = a
	}
	x, ok1 := toNumber(a)
	y, ok2 := toNumber(b)
	if ok1 && ok2 {
		return c.pushNumber(op(x, y))
	}
	for _, v := range []lua.LValue{a, b} { // the other operand may know how
		if _, isString := v.(lua.LString); isString {
			continue
		}
		if f := c.metafield(v, event); f != lua.LNil {
			return c.push(c.call1(f, a, b))
		}
	}
	culprit := a
	if ok1 {
		culprit = b
	}
	c.fail("attempt to perform arithmetic on a %s value", culprit.Type())
	return 0
}
