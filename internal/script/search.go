package script

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

func (c call) matcher(src, pat string) *matcher { return &matcher{c: c, src: src, pat: pat} }

// capture pushes a capture of a match from start to end; capture 0 of a pattern
// without captures is the whole match.
func (m *matcher) capture(i, start, end int) lua.LValue {
	if i >= m.level {
		if i != 0 {
			m.c.fail("invalid capture index")
		}
		return lua.LString(m.src[start:end])
	}
	switch got := m.captures[i]; got.length {
	case captureOpen:
		m.c.fail("unfinished capture")
	case capturePosition:
		return lua.LNumber(got.start + 1)
	default:
		return lua.LString(m.src[got.start : got.start+got.length])
	}
	return lua.LNil
}

// pushCaptures pushes all captures, or the whole match if there are none and
// it is wanted.
func (m *matcher) pushCaptures(start, end int, whole bool) int {
	n := m.level
	if n == 0 && whole {
		n = 1
	}
	for i := range n {
		m.c.L.Push(m.capture(i, start, end))
	}
	return n
}

// find is string.find and string.match.
func (c call) find(positions bool) int {
	src, pat := c.str(1), c.str(2)
	init := c.optInt(3, 1)
	if init < 0 {
		init += len(src) + 1
	}
	from := min(max(init-1, 0), len(src))
	plain := positions && (lua.LVAsBool(c.L.Get(4)) || !strings.ContainsAny(pat, "^$*+?.([%-"))
	if plain {
		at := strings.Index(src[from:], pat)
		if at < 0 {
			return c.push(lua.LNil)
		}
		return c.push(lua.LNumber(from+at+1), lua.LNumber(from+at+len(pat)))
	}
	m := c.matcher(src, pat)
	p := 0
	if strings.HasPrefix(pat, "^") {
		p = 1
	}
	for s := from; s <= len(src); s++ {
		m.reset()
		if end := m.match(s, p); end >= 0 {
			if positions {
				return c.push(lua.LNumber(s+1), lua.LNumber(end)) + m.pushCaptures(s, end, false)
			}
			return m.pushCaptures(s, end, true)
		}
		if p == 1 {
			break
		}
	}
	return c.push(lua.LNil)
}

func stringGmatch(c call) int {
	src, pat := c.str(1), c.str(2)
	at := 0
	return c.push(c.function("gmatch", func(g call) int {
		m := g.matcher(src, pat)
		for s := at; s <= len(src); s++ {
			m.reset()
			if end := m.match(s, 0); end >= 0 {
				at = end
				if end == s {
					at++ // an empty match goes on at the next place
				}
				return m.pushCaptures(s, end, true)
			}
		}
		at = len(src) + 1
		return g.push(lua.LNil)
	}))
}

func stringGsub(c call) int {
	src, pat := c.str(1), c.str(2)
	replacement := c.L.Get(3)
	if text, ok := toString(replacement); ok {
		replacement = lua.LString(text)
	}
	switch replacement.(type) {
	case lua.LString, *lua.LTable, *lua.LFunction:
	default:
		c.badArgument(3, "string/function/table expected")
	}
	limit := c.optInt(4, len(src)+1)
	pat, anchored := strings.CutPrefix(pat, "^")
	m := c.matcher(src, pat)
	var b strings.Builder
	s, count := 0, 0
	for count < limit {
		m.reset()
		end := m.match(s, 0)
		if end >= 0 {
			count++
			b.WriteString(m.replace(replacement, s, end))
		}
		switch {
		case end > s:
			s = end
		case s < len(src):
			b.WriteByte(src[s])
			s++
		default:
			s = len(src) + 1
		}
		if b.Len() > stringBytesMax {
			c.fail("string length overflow")
		}
		if anchored || s > len(src) {
			break
		}
	}
	if s < len(src) {
		b.WriteString(src[s:])
	}
	return c.pushString(b.String()) + c.pushNumber(float64(count))
}

// replace is what gsub puts in the place of a match.
func (m *matcher) replace(replacement lua.LValue, start, end int) string {
	var v lua.LValue
	switch r := replacement.(type) {
	case lua.LString:
		return m.template(string(r), start, end)
	case *lua.LTable:
		v = m.c.L.GetTable(r, m.capture(0, start, end))
	case *lua.LFunction:
		m.c.L.Push(r)
		v = m.c.call1n(m.pushCaptures(start, end, true))
	}
	if lua.LVIsFalse(v) {
		return m.src[start:end]
	}
	text, ok := toString(v)
	if !ok {
		m.c.fail("invalid replacement value (a %s)", v.Type())
	}
	return text
}

// template fills the captures into a replacement.
func (m *matcher) template(text string, start, end int) string {
	if !strings.Contains(text, "%") {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		i++
		switch {
		case i == len(text):
			b.WriteByte(0)
		case text[i] == '0':
			b.WriteString(m.src[start:end])
		case text[i] >= '1' && text[i] <= '9':
			captured, _ := toString(m.capture(int(text[i]-'1'), start, end))
			b.WriteString(captured)
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String()
}
