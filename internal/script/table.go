package script

import (
	"sort"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

func (s *state) openTable() *lua.LTable {
	return s.library(map[string]function{
		"insert": tableInsert, "remove": tableRemove, "concat": tableConcat, "sort": tableSort,
		"foreach": tableForeach, "foreachi": tableForeachI, "maxn": tableMaxN,
		"getn": func(c call) int { return c.pushNumber(float64(c.length(c.table()))) },
		"setn": func(c call) int { c.table(); c.fail("'setn' is obsolete"); return 0 },
	})
}

func tableInsert(c call) int {
	t := c.writable()
	end := c.length(t) + 1
	switch c.L.GetTop() {
	case 2:
		t.RawSet(lua.LNumber(end), c.L.Get(2))
	case 3:
		pos := c.int(2)
		if pos >= 1 && pos < end && end < arrayIndexMax {
			t.Insert(pos, c.L.Get(3))
			return 0
		}
		for i := end; i > pos; i-- {
			t.RawSet(lua.LNumber(i), t.RawGet(lua.LNumber(i-1)))
			c.step(end - i)
		}
		t.RawSet(lua.LNumber(pos), c.L.Get(3))
	default:
		c.fail("wrong number of arguments to 'insert'")
	}
	return 0
}

func tableRemove(c call) int {
	t := c.writable()
	end := c.length(t)
	pos := c.optInt(2, end)
	if pos < 1 || pos > end {
		return 0
	}
	v := t.RawGet(lua.LNumber(pos))
	for i := pos; i < end; i++ {
		t.RawSet(lua.LNumber(i), t.RawGet(lua.LNumber(i+1)))
		c.step(i - pos)
	}
	if end < arrayIndexMax {
		t.Remove(end) // gives the place up, which nil would keep
	} else {
		t.RawSet(lua.LNumber(end), lua.LNil)
	}
	return c.push(v)
}

func tableConcat(c call) int {
	t := c.behind(c.table())
	separator := ""
	if !c.absent(2) {
		separator = c.str(2)
	}
	from := c.optInt(3, 1)
	to := c.optInt(4, c.length(t))
	var b strings.Builder
	for i := from; i <= to; i++ {
		v := t.RawGet(lua.LNumber(i))
		text, ok := toString(v)
		if !ok {
			c.fail("invalid value (%s) at index %d in table for 'concat'", v.Type(), i)
		}
		if b.Len()+len(text)+len(separator) > stringBytesMax {
			c.fail("string length overflow")
		}
		b.WriteString(text)
		if i < to {
			b.WriteString(separator)
		}
		c.step(i)
	}
	return c.push(lua.LString(b.String()))
}

func tableMaxN(c call) int {
	highest := lua.LNumber(0)
	c.each(c.table(), func(key, _ lua.LValue) {
		if n, ok := key.(lua.LNumber); ok && n > highest {
			highest = n
		}
	})
	return c.push(highest)
}

func tableForeach(c call) int {
	t, f := c.behind(c.table()), c.fun(2)
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		if result := c.call1(f, k, v); result != lua.LNil {
			return c.push(result)
		}
	}
	return 0
}

func tableForeachI(c call) int {
	t, f := c.behind(c.table()), c.fun(2)
	for i, n := 1, c.length(t); i <= n; i++ {
		if result := c.call1(f, lua.LNumber(i), t.RawGet(lua.LNumber(i))); result != lua.LNil {
			return c.push(result)
		}
	}
	return 0
}

// tableSort sorts a copy, so that a comparison that changes the table harms
// nothing.
func tableSort(c call) int {
	t := c.writable()
	less := c.L.LessThan
	if !c.absent(2) {
		f := c.fun(2)
		less = func(a, b lua.LValue) bool { return lua.LVAsBool(c.call1(f, a, b)) }
	}
	items := make([]lua.LValue, c.length(t))
	for i := range items {
		items[i] = t.RawGet(lua.LNumber(i + 1))
	}
	comparisons := 0
	sort.Slice(items, func(i, j int) bool {
		comparisons++
		c.step(comparisons)
		return less(items[i], items[j])
	})
	for i, v := range items {
		t.RawSet(lua.LNumber(i+1), v)
	}
	return 0
}

// step ends a long loop of a library function with the context.
func (c call) step(i int) {
	if i%stepsPerCheck == stepsPerCheck-1 && c.ended() {
		c.fail("script has ended")
	}
}
