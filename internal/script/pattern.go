package script

// capturesMax bounds the captures of a pattern, as in Lua.
const capturesMax = 32

// What the length of a capture says before and instead of a length.
const (
	captureOpen     = -1
	capturePosition = -2
)

type capture struct{ start, length int }

// matcher matches a Lua pattern against a string by backtracking. Its errors
// are raised through the call.
type matcher struct {
	c        call
	src, pat string
	captures [capturesMax]capture
	level    int
	depth    int
	steps    int
}

// reset prepares for a match at another place.
func (m *matcher) reset() { m.level, m.depth = 0, 0 }

// match matches the pattern from p at the string from s, and returns where the
// match ends, or -1.
func (m *matcher) match(s, p int) int {
	if m.depth++; m.depth > patternDepthMax {
		m.c.fail("pattern too complex")
	}
	defer func() { m.depth-- }()
	for p < len(m.pat) {
		m.steps++
		m.c.step(m.steps)
		switch m.pat[p] {
		case '(':
			if p+1 < len(m.pat) && m.pat[p+1] == ')' {
				return m.openCapture(s, p+2, capturePosition)
			}
			return m.openCapture(s, p+1, captureOpen)
		case ')':
			return m.closeCapture(s, p+1)
		case '$':
			if p+1 == len(m.pat) {
				if s == len(m.src) {
					return s
				}
				return -1
			}
		case '%':
			if p+1 < len(m.pat) {
				switch next := m.pat[p+1]; {
				case next == 'b':
					if s = m.balance(s, p+2); s < 0 {
						return -1
					}
					p += 4
					continue
				case next == 'f':
					end, ok := m.frontier(s, p+2)
					if !ok {
						return -1
					}
					p = end
					continue
				case next >= '0' && next <= '9':
					if s = m.backReference(s, next); s < 0 {
						return -1
					}
					p += 2
					continue
				}
			}
		}
		end := m.classEnd(p)
		var suffix byte
		if end < len(m.pat) {
			suffix = m.pat[end]
		}
		switch suffix {
		case '?':
			if m.single(s, p, end) {
				if r := m.match(s+1, end+1); r >= 0 {
					return r
				}
			}
			p = end + 1
		case '*':
			return m.longest(s, p, end, 0)
		case '+':
			return m.longest(s, p, end, 1)
		case '-':
			return m.shortest(s, p, end)
		default:
			if !m.single(s, p, end) {
				return -1
			}
			s, p = s+1, end
		}
	}
	return s
}

// longest matches as many as it can of the single at p, then the rest.
func (m *matcher) longest(s, p, end, least int) int {
	n := 0
	for m.single(s+n, p, end) {
		n++
		m.steps++
		m.c.step(m.steps)
	}
	for ; n >= least; n-- {
		if r := m.match(s+n, end+1); r >= 0 {
			return r
		}
	}
	return -1
}

// shortest matches as few as it can.
func (m *matcher) shortest(s, p, end int) int {
	for {
		if r := m.match(s, end+1); r >= 0 {
			return r
		}
		if !m.single(s, p, end) {
			return -1
		}
		s++
	}
}

func (m *matcher) openCapture(s, p, length int) int {
	if m.level >= capturesMax {
		m.c.fail("too many captures")
	}
	m.captures[m.level] = capture{s, length}
	m.level++
	r := m.match(s, p)
	if r < 0 {
		m.level--
	}
	return r
}

func (m *matcher) closeCapture(s, p int) int {
	i := m.level - 1
	for i >= 0 && m.captures[i].length != captureOpen {
		i--
	}
	if i < 0 {
		m.c.fail("invalid pattern capture")
	}
	m.captures[i].length = s - m.captures[i].start
	r := m.match(s, p)
	if r < 0 {
		m.captures[i].length = captureOpen
	}
	return r
}

// balance matches %bxy.
func (m *matcher) balance(s, p int) int {
	if p+1 >= len(m.pat) {
		m.c.fail("unbalanced pattern")
	}
	if s >= len(m.src) || m.src[s] != m.pat[p] {
		return -1
	}
	open, shut, nesting := m.pat[p], m.pat[p+1], 1
	for s++; s < len(m.src); s++ {
		switch m.src[s] {
		case shut:
			if nesting--; nesting == 0 {
				return s + 1
			}
		case open:
			nesting++
		}
	}
	return -1
}

// frontier matches %f[set]: the place where the set begins.
func (m *matcher) frontier(s, p int) (end int, ok bool) {
	if p >= len(m.pat) || m.pat[p] != '[' {
		m.c.fail("missing '[' after '%%f' in pattern")
	}
	end = m.classEnd(p)
	var before, at byte
	if s > 0 {
		before = m.src[s-1]
	}
	if s < len(m.src) {
		at = m.src[s]
	}
	return end, !m.set(before, p, end-1) && m.set(at, p, end-1)
}

func (m *matcher) backReference(s int, digit byte) int {
	i := int(digit) - '1'
	if i < 0 || i >= m.level || m.captures[i].length == captureOpen {
		m.c.fail("invalid capture index")
	}
	start, n := m.captures[i].start, max(m.captures[i].length, 0)
	if len(m.src)-s < n || m.src[start:start+n] != m.src[s:s+n] {
		return -1
	}
	return s + n
}

// classEnd finds the end of the single character class at p.
func (m *matcher) classEnd(p int) int {
	first := m.pat[p]
	p++
	switch first {
	case '%':
		if p == len(m.pat) {
			m.c.fail("malformed pattern (ends with '%%')")
		}
		return p + 1
	case '[':
		if p < len(m.pat) && m.pat[p] == '^' {
			p++
		}
		for start := p; ; {
			if p >= len(m.pat) {
				m.c.fail("malformed pattern (missing ']')")
			}
			if m.pat[p] == ']' && p > start {
				return p + 1
			}
			if m.pat[p] == '%' {
				p++
			}
			p++
		}
	}
	return p
}

// single matches one character with the class from p to end.
func (m *matcher) single(s, p, end int) bool {
	if s >= len(m.src) {
		return false
	}
	ch := m.src[s]
	switch m.pat[p] {
	case '.':
		return true
	case '%':
		return inClass(ch, m.pat[p+1])
	case '[':
		return m.set(ch, p, end-1)
	}
	return ch == m.pat[p]
}

// set matches a character with [set] from p; last is the place of the bracket.
func (m *matcher) set(ch byte, p, last int) bool {
	in := true
	p++
	if p < last && m.pat[p] == '^' {
		in = false
		p++
	}
	for p < last {
		switch {
		case m.pat[p] == '%' && p+1 < last:
			if inClass(ch, m.pat[p+1]) {
				return in
			}
			p += 2
		case p+2 < last && m.pat[p+1] == '-':
			if m.pat[p] <= ch && ch <= m.pat[p+2] {
				return in
			}
			p += 3
		default:
			if m.pat[p] == ch {
				return in
			}
			p++
		}
	}
	return !in
}

// inClass is %a and its like, with the upper case for the complement.
func inClass(ch, class byte) bool {
	letter := ch|0x20 >= 'a' && ch|0x20 <= 'z'
	digit := ch >= '0' && ch <= '9'
	var in bool
	switch class | 0x20 {
	case 'a':
		in = letter
	case 'c':
		in = ch < 0x20 || ch == 0x7f
	case 'd':
		in = digit
	case 'l':
		in = ch >= 'a' && ch <= 'z'
	case 'p':
		in = ch > 0x20 && ch < 0x7f && !letter && !digit
	case 's':
		in = ch == ' ' || ch >= '\t' && ch <= '\r'
	case 'u':
		in = ch >= 'A' && ch <= 'Z'
	case 'w':
		in = letter || digit
	case 'x':
		in = digit || ch|0x20 >= 'a' && ch|0x20 <= 'f'
	case 'z':
		in = ch == 0
	default:
		return class == ch
	}
	if class|0x20 != class { // upper case
		return !in
	}
	if letterClass := class >= 'a' && class <= 'z'; !letterClass {
		return class == ch
	}
	return in
}
