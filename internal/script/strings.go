package script

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

func (s *state) openString() *lua.LTable {
	t := s.library(map[string]function{
		"byte": stringByte, "char": stringChar, "find": func(c call) int { return c.find(true) },
		"match": func(c call) int { return c.find(false) }, "format": stringFormat, "gmatch": stringGmatch,
		"gsub": stringGsub, "rep": stringRep, "reverse": stringReverse, "sub": stringSub,
		"len":   func(c call) int { return c.pushNumber(float64(len(c.str(1)))) },
		"lower": func(c call) int { return c.push(lua.LString(mapBytes(c.str(1), 'A', 'Z'))) },
		"upper": func(c call) int { return c.push(lua.LString(mapBytes(c.str(1), 'a', 'z'))) },
		"dump":  func(c call) int { c.fun(1); return c.push(lua.LString(binaryChunk)) },
	})
	t.RawSetString("gfind", t.RawGetString("gmatch"))
	return t
}

// stringMetatable is the metatable of all strings: the methods, those that
// stand for operators (rewrite.go), and arithmetic.
func (s *state) stringMetatable(methods *lua.LTable) *lua.LTable {
	index := s.L.NewTable()
	methods.ForEach(index.RawSet)
	index.RawSetString(concatMethod, s.function("..", operatorConcat))
	index.RawSetString(lengthMethod, s.function("#", operatorLength))
	mt := s.L.NewTable()
	mt.RawSetString("__index", index)
	for event, op := range arithmetic() {
		mt.RawSetString(event, s.function(event, func(c call) int { return c.stringArithmetic(event, op) }))
	}
	return mt
}

// mapBytes swaps the case of the letters from first to last.
func mapBytes(s string, first, last byte) string {
	b := []byte(s)
	for i, x := range b {
		if x >= first && x <= last {
			b[i] = x ^ 0x20
		}
	}
	return string(b)
}

// span is the half-open range that two string positions mean.
func span(from, to, length int) (int, int) {
	if from < 0 {
		from = max(length+from+1, 0)
	}
	if to < 0 {
		to += length + 1
	}
	from, to = max(from, 1), min(to, length)
	if from > to {
		return 0, 0
	}
	return from - 1, to
}

func stringSub(c call) int {
	s := c.str(1)
	from, to := span(c.int(2), c.optInt(3, -1), len(s))
	return c.push(lua.LString(s[from:to]))
}

func stringByte(c call) int {
	s := c.str(1)
	first := c.optInt(2, 1)
	from, to := span(first, c.optInt(3, first), len(s))
	if to-from >= resultsMax {
		c.fail("string slice too long")
	}
	for _, b := range []byte(s[from:to]) {
		c.L.Push(lua.LNumber(b))
	}
	return to - from
}

func stringChar(c call) int {
	b := make([]byte, c.L.GetTop())
	for i := range b {
		n := c.int(i + 1)
		if n < 0 || n > 255 {
			c.badArgument(i+1, "invalid value")
		}
		b[i] = byte(n)
	}
	return c.push(lua.LString(b))
}

func stringRep(c call) int {
	s, n := c.str(1), c.int(2)
	if n <= 0 || s == "" {
		return c.push(lua.LString(""))
	}
	if n > stringBytesMax/len(s) {
		c.fail("resulting string too large")
	}
	return c.push(lua.LString(strings.Repeat(s, n)))
}

func stringReverse(c call) int {
	s := c.str(1)
	b := make([]byte, len(s))
	for i := range b {
		b[i] = s[len(s)-1-i]
	}
	return c.push(lua.LString(b))
}
