package script

import (
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// toLua is what a script sees of a command's reply.
func (s *state) toLua(v Value) lua.LValue {
	switch v.Kind {
	case KindInt:
		return lua.LNumber(v.Int)
	case KindBulk:
		return lua.LString(v.Str)
	case KindStatus:
		return s.field("ok", lua.LString(v.Str))
	case KindError:
		t := s.errorTable("-" + string(v.Str))
		t.RawSetString("ignore_error_stats_update", lua.LTrue) // Redis counted it when the command ran
		return t
	case KindArray:
		t := s.L.CreateTable(len(v.Elems), 0)
		for i, e := range v.Elems {
			t.RawSetInt(i+1, s.toLua(e))
		}
		return t
	case KindDouble:
		return s.field("double", lua.LNumber(v.Double))
	case KindBool:
		return lua.LBool(v.Int != 0)
	case KindMap:
		t := s.L.NewTable()
		for i := 0; i+1 < len(v.Elems); i += 2 {
			if key := s.toLua(v.Elems[i]); validKey(key) {
				t.RawSet(key, s.toLua(v.Elems[i+1]))
			}
		}
		return s.field("map", t)
	case KindSet:
		t := s.L.NewTable()
		for _, e := range v.Elems {
			if key := s.toLua(e); validKey(key) {
				t.RawSet(key, lua.LTrue)
			}
		}
		return s.field("set", t)
	case KindBigNumber:
		return s.field("big_number", lua.LString(v.Str))
	case KindVerbatim:
		format, text, _ := strings.Cut(string(v.Str), ":")
		t := s.field("string", lua.LString(text))
		t.RawSetString("format", lua.LString(format))
		return s.field("verbatim_string", t)
	}
	if s.proto == 2 {
		return lua.LFalse
	}
	return lua.LNil
}

// validKey says that a value can be a key of a table.
func validKey(v lua.LValue) bool {
	n, ok := v.(lua.LNumber)
	return v != lua.LNil && !(ok && math.IsNaN(float64(n)))
}

func (s *state) field(name string, v lua.LValue) *lua.LTable {
	t := s.L.CreateTable(0, 1)
	t.RawSetString(name, v)
	return t
}

// errorTable is how scripts see an error: "-CODE text", or a text that gets the
// code ERR.
func (s *state) errorTable(text string) *lua.LTable {
	code := "ERR"
	if rest, ok := strings.CutPrefix(text, "-"); ok {
		if c, t, found := strings.Cut(rest, " "); found {
			code, text = c, t
		} else {
			text = rest
		}
	}
	return s.field("err", lua.LString(code+" "+strings.Trim(text, "\r\n")))
}

// toReply is what a client sees of a value that a script returns.
func (s *state) toReply(v lua.LValue, depth int) Value {
	if depth > ReplyDepthMax {
		return errorValue("ERR reached lua stack limit")
	}
	switch v := v.(type) {
	case lua.LString:
		return Value{Kind: KindBulk, Str: []byte(v)}
	case lua.LNumber:
		return Value{Kind: KindInt, Int: toInt64(float64(v))}
	case lua.LBool:
		if s.proto == 2 {
			if v {
				return Value{Kind: KindInt, Int: 1}
			}
			return Value{}
		}
		reply := Value{Kind: KindBool}
		if v {
			reply.Int = 1
		}
		return reply
	case *lua.LTable:
		return s.tableReply(s.behind(v), depth)
	}
	return Value{}
}

func (s *state) tableReply(t *lua.LTable, depth int) Value {
	if text, ok := t.RawGetString("err").(lua.LString); ok {
		return errorValue(oneLine(string(text)))
	}
	if text, ok := t.RawGetString("ok").(lua.LString); ok {
		return Value{Kind: KindStatus, Str: []byte(oneLine(string(text)))}
	}
	if f, ok := t.RawGetString("double").(lua.LNumber); ok {
		return Value{Kind: KindDouble, Double: float64(f)}
	}
	if text, ok := t.RawGetString("big_number").(lua.LString); ok {
		return Value{Kind: KindBigNumber, Str: []byte(oneLine(string(text)))}
	}
	if verbatim, ok := t.RawGetString("verbatim_string").(*lua.LTable); ok {
		format, ok1 := verbatim.RawGetString("format").(lua.LString)
		text, ok2 := verbatim.RawGetString("string").(lua.LString)
		if ok1 && ok2 {
			format = (format + "   ")[:3]
			return Value{Kind: KindVerbatim, Str: []byte(format + ":" + text)}
		}
	}
	if m, ok := t.RawGetString("map").(*lua.LTable); ok {
		reply := Value{Kind: KindMap}
		s.each(m, func(key, value lua.LValue) {
			reply.Elems = append(reply.Elems, s.toReply(key, depth+1), s.toReply(value, depth+1))
		})
		return reply
	}
	if m, ok := t.RawGetString("set").(*lua.LTable); ok {
		reply := Value{Kind: KindSet}
		s.each(m, func(key, _ lua.LValue) { reply.Elems = append(reply.Elems, s.toReply(key, depth+1)) })
		return reply
	}
	reply := Value{Kind: KindArray}
	for i := 1; ; i++ {
		e := t.RawGet(lua.LNumber(i))
		if e == lua.LNil {
			return reply
		}
		reply.Elems = append(reply.Elems, s.toReply(e, depth+1))
	}
}

// each visits a table in the order of next.
func (s *state) each(t *lua.LTable, visit func(key, value lua.LValue)) {
	t = s.behind(t)
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		visit(k, v)
	}
}

// oneLine keeps a text from breaking the protocol.
func oneLine(text string) string {
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(text)
}
