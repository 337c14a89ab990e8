package script

import (
	"math"

	lua "github.com/yuin/gopher-lua"
)

// jsonWriter encodes a Lua value.
type jsonWriter struct {
	call
	cfg   *jsonConfig
	b     []byte
	steps int
}

func (c call) encodeJSON(cfg *jsonConfig, v lua.LValue) string {
	w := &jsonWriter{call: c, cfg: cfg}
	w.value(v, 0)
	return string(w.b)
}

func (w *jsonWriter) value(v lua.LValue, depth int) {
	w.steps++
	w.step(w.steps)
	if len(w.b) > stringBytesMax {
		w.fail("string length overflow")
	}
	switch v := v.(type) {
	case lua.LString:
		w.string(string(v))
	case lua.LNumber:
		w.number(v)
	case lua.LBool:
		w.b = append(w.b, v.String()...)
	case *lua.LTable:
		w.table(v, depth+1)
	default:
		if v != lua.LNil && v != w.null {
			w.refuse(v, "type not supported")
		}
		w.b = append(w.b, "null"...)
	}
}

func (w *jsonWriter) refuse(v lua.LValue, why string) {
	w.fail("Cannot serialise %s: %s", v.Type(), why)
}

func (w *jsonWriter) table(t *lua.LTable, depth int) {
	if depth > min(w.cfg.encodeDepthMax, dataDepthMax) {
		w.fail("Cannot serialise, excessive nesting (%d)", depth)
	}
	if n := w.arrayLength(t); n > 0 {
		w.array(t, n, depth)
	} else {
		w.object(t, depth)
	}
}

// arrayLength is the highest index of a table with integer keys alone, or -1
// for one that is an object.
func (w *jsonWriter) arrayLength(t *lua.LTable) int {
	highest, items, pure := 0.0, 0, true
	w.each(t, func(key, _ lua.LValue) {
		n, ok := key.(lua.LNumber)
		if !ok || float64(n) < 1 || math.Floor(float64(n)) != float64(n) {
			pure = false
			return
		}
		highest = max(highest, float64(n))
		items++
	})
	if !pure {
		return -1
	}
	if w.cfg.sparseRatio > 0 && highest > float64(items*w.cfg.sparseRatio) && highest > float64(w.cfg.sparseSafe) {
		if !w.cfg.sparseConvert {
			w.refuse(t, "excessively sparse array")
		}
		return -1
	}
	return int(min(highest, math.MaxInt32))
}

func (w *jsonWriter) array(t *lua.LTable, n, depth int) {
	t = w.behind(t)
	w.b = append(w.b, '[')
	for i := 1; i <= n; i++ {
		if i > 1 {
			w.b = append(w.b, ',')
		}
		w.value(t.RawGet(lua.LNumber(i)), depth)
	}
	w.b = append(w.b, ']')
}

func (w *jsonWriter) object(t *lua.LTable, depth int) {
	w.b = append(w.b, '{')
	first := true
	w.each(t, func(key, value lua.LValue) {
		if !first {
			w.b = append(w.b, ',')
		}
		first = false
		switch key := key.(type) {
		case lua.LNumber:
			w.b = append(w.b, '"')
			w.number(key)
			w.b = append(w.b, '"')
		case lua.LString:
			w.string(string(key))
		default:
			w.refuse(key, "table key must be a number or string")
		}
		w.b = append(w.b, ':')
		w.value(value, depth)
	})
	w.b = append(w.b, '}')
}

func (w *jsonWriter) number(n lua.LNumber) {
	f := float64(n)
	switch {
	case !math.IsInf(f, 0) && !math.IsNaN(f):
		w.b = append(w.b, formatNumber(f, w.cfg.digits)...)
	case w.cfg.encodeInvalid == 0:
		w.refuse(n, "must not be NaN or Inf")
	case w.cfg.encodeInvalid == 2:
		w.b = append(w.b, "null"...)
	case math.IsNaN(f):
		w.b = append(w.b, "nan"...)
	default:
		w.b = append(w.b, formatNumber(f, w.cfg.digits)...)
	}
}

func (w *jsonWriter) string(s string) {
	const hex = "0123456789abcdef"
	w.b = append(w.b, '"')
	for i := range len(s) {
		switch ch := s[i]; ch {
		case '"', '\\', '/':
			w.b = append(w.b, '\\', ch)
		case '\b':
			w.b = append(w.b, `\b`...)
		case '\t':
			w.b = append(w.b, `\t`...)
		case '\n':
			w.b = append(w.b, `\n`...)
		case '\f':
			w.b = append(w.b, `\f`...)
		case '\r':
			w.b = append(w.b, `\r`...)
		default:
			if ch < 0x20 || ch == 0x7f {
				w.b = append(w.b, '\\', 'u', '0', '0', hex[ch>>4], hex[ch&15])
			} else {
				w.b = append(w.b, ch)
			}
		}
	}
	w.b = append(w.b, '"')
}
