package script

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// openBase adds the functions of Lua's base library that Redis leaves in place.
// It leaves out getfenv, setfenv and newproxy as Redis's security releases do.
func (s *state) openBase(globals *lua.LTable) {
	for name, f := range map[string]function{
		"assert": baseAssert, "collectgarbage": baseCollectGarbage, "error": baseError,
		"gcinfo":       func(c call) int { return c.pushNumber(heapKiB) },
		"getmetatable": baseGetMetatable, "ipairs": baseIpairs, "load": baseLoad,
		"loadstring": baseLoadString, "next": baseNext, "pairs": basePairs,
		"pcall": basePCall, "rawequal": func(c call) int { return c.push(lua.LBool(c.L.RawEqual(c.any(1), c.any(2)))) },
		"rawget":       func(c call) int { return c.push(c.behind(c.table()).RawGet(c.any(2))) },
		"rawset":       baseRawSet,
		"select":       baseSelect,
		"setmetatable": baseSetMetatable, "tonumber": baseToNumber,
		"tostring": func(c call) int { return c.push(lua.LString(c.tostring(c.any(1)))) },
		"type":     func(c call) int { return c.push(lua.LString(c.any(1).Type().String())) },
		"unpack":   baseUnpack, "xpcall": baseXPCall,
	} {
		globals.RawSetString(name, s.function(name, f))
	}
	s.next = globals.RawGetString("next").(*lua.LFunction)
	globals.RawSetString("_VERSION", lua.LString("Lua 5.1"))
}

// heapKiB is what a script hears of the heap, which it shares with the server.
const heapKiB = 64

func baseCollectGarbage(c call) int {
	if option, _ := toString(c.L.Get(1)); option == "count" {
		return c.pushNumber(heapKiB)
	}
	return c.pushNumber(0)
}

func baseAssert(c call) int {
	if lua.LVIsFalse(c.any(1)) {
		message := "assertion failed!"
		if !c.absent(2) {
			message = c.str(2)
		}
		c.fail("%s", message)
	}
	return c.L.GetTop()
}

func baseError(c call) int {
	level := c.optInt(2, 1)
	v := c.L.Get(1)
	if text, ok := toString(v); ok && level > 0 {
		v = lua.LString(c.where(level) + text)
	}
	c.raise(v)
	return 0
}

func baseGetMetatable(c call) int {
	v := c.any(1)
	if t, ok := v.(*lua.LTable); ok && c.behind(t) != t && t != c.L.G.Global {
		return c.push(lua.LNil) // the one that makes it read-only is not the script's
	}
	return c.push(c.L.GetMetatable(v))
}

func baseSetMetatable(c call) int {
	t := c.writable()
	mt := c.L.Get(2)
	if _, ok := mt.(*lua.LTable); !ok && (mt != lua.LNil || c.L.GetTop() < 2) {
		c.badArgument(2, "nil or table expected")
	}
	if c.metafield(t, "__metatable") != lua.LNil {
		c.fail("cannot change a protected metatable")
	}
	t.Metatable = mt
	return c.push(t)
}

func baseRawSet(c call) int {
	t, key, value := c.writable(), c.any(2), c.any(3)
	if !validKey(key) {
		c.fail("table index is nil or NaN")
	}
	t.RawSet(key, value)
	return c.push(t)
}

func baseNext(c call) int {
	k, v := c.behind(c.table()).Next(c.L.Get(2))
	if k == lua.LNil {
		return c.push(k)
	}
	return c.push(k, v)
}

func basePairs(c call) int { return c.push(c.state.next, c.table(), lua.LNil) }

func baseIpairs(c call) int {
	return c.push(c.function("ipairs", ipairsNext), c.table(), lua.LNumber(0))
}

func ipairsNext(c call) int {
	t, i := c.behind(c.table()), c.int(2)+1
	v := t.RawGet(lua.LNumber(i))
	if v == lua.LNil {
		return c.push(v)
	}
	return c.push(lua.LNumber(i), v)
}

func baseSelect(c call) int {
	count := c.L.GetTop() - 1
	if c.L.Get(1) == lua.LString("#") {
		return c.pushNumber(float64(count))
	}
	n := c.int(1)
	if n < 0 {
		n = count + n + 1
	}
	if n < 1 {
		c.badArgument(1, "index out of range")
	}
	return max(count-n+1, 0) // the last ones are the results
}

func baseToNumber(c call) int {
	base := c.optInt(2, 10)
	if base == 10 {
		if f, ok := toNumber(c.any(1)); ok {
			return c.pushNumber(f)
		}
		return c.push(lua.LNil)
	}
	if base < 2 || base > 36 {
		c.badArgument(2, "base out of range")
	}
	text := strings.ToLower(strings.Trim(c.str(1), spaces))
	if base == 16 {
		text = strings.TrimPrefix(text, "0x")
	}
	digits, negative := strings.CutPrefix(text, "-")
	n, err := strconv.ParseUint(digits, base, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || strings.Contains(digits, "_") {
		return c.push(lua.LNil)
	}
	if negative {
		n = -n
	}
	return c.pushNumber(float64(n))
}

// tostring is Lua's tostring of any value.
func (c call) tostring(v lua.LValue) string {
	if f := c.metafield(v, "__tostring"); f != lua.LNil {
		text, ok := toString(c.call1(f, v))
		if !ok {
			c.fail("'tostring' must return a string to 'print'")
		}
		return text
	}
	if text, ok := toString(v); ok {
		return text
	}
	if v == c.null {
		return "userdata: (nil)"
	}
	return v.String()
}

func baseUnpack(c call) int {
	t := c.behind(c.table())
	from := c.optInt(2, 1)
	to := c.optInt(3, c.length(t))
	if from > to {
		return 0
	}
	if count := to - from + 1; count <= 0 || count >= resultsMax {
		c.fail("too many results to unpack")
	}
	for i := from; i <= to; i++ {
		c.L.Push(t.RawGet(lua.LNumber(i)))
	}
	return to - from + 1
}

// enter counts calls from library functions back into Lua, each of which costs
// Go's stack as well.
// The depth is what leave puts back, from wherever a failure went to.
func (c call) enter() (depth int) {
	if c.native >= nativeDepthMax {
		c.fail("stack overflow (too many nested calls of library functions)")
	}
	depth = c.native
	c.native++
	return depth
}

func (c call) leave(depth int) { c.native = depth }

// try calls the function on the stack and says how it failed. A script that
// must end fails again here: it cannot catch that.
func (c call) try(nargs int, handler *lua.LFunction) (failure lua.LValue, ok bool) {
	depth := c.enter()
	err := c.L.PCall(nargs, lua.MultRet, handler)
	c.leave(depth)
	if err == nil {
		return nil, true
	}
	if c.ended() {
		c.fail("script has ended")
	}
	var apiErr *lua.ApiError
	if !errors.As(err, &apiErr) || apiErr.Object == nil {
		return lua.LString(luaMessage(err.Error())), false
	}
	if text, isString := apiErr.Object.(lua.LString); isString {
		return lua.LString(luaMessage(string(text))), false
	}
	return apiErr.Object, false
}

// basePCall gives the text of a command's error, as scripts written for older
// versions of Redis expect, not the table.
func basePCall(c call) int {
	c.any(1)
	failure, ok := c.try(c.L.GetTop()-1, nil)
	if ok {
		c.L.Insert(lua.LTrue, 1)
		return c.L.GetTop()
	}
	if t, isTable := failure.(*lua.LTable); isTable {
		if text, isString := toString(t.RawGetString("err")); isString {
			failure = lua.LString(text)
		}
	}
	return c.push(lua.LFalse, failure)
}

func baseXPCall(c call) int {
	handler := c.any(2)
	f := c.any(1)
	c.L.SetTop(0)
	c.L.Push(f)
	guarded := c.function("xpcall", func(h call) int {
		if h.ended() {
			return h.push(h.L.Get(1))
		}
		failure := h.L.Get(1)
		if text, ok := failure.(lua.LString); ok {
			failure = lua.LString(luaMessage(string(text)))
		}
		return h.push(h.call1(handler, failure))
	})
	failure, ok := c.try(0, guarded)
	if ok {
		c.L.Insert(lua.LTrue, 1)
		return c.L.GetTop()
	}
	return c.push(lua.LFalse, failure)
}

func baseLoad(c call) int {
	f := c.fun(1)
	name := "=(load)"
	if !c.absent(2) {
		name = c.str(2)
	}
	var source strings.Builder
	for {
		piece := c.call1(f)
		text, ok := toString(piece)
		if piece == lua.LNil || ok && text == "" {
			return c.load(source.String(), name)
		}
		if !ok {
			return c.push(lua.LNil, lua.LString("reader function must return a string"))
		}
		if source.WriteString(text); source.Len() > sourceBytesMax {
			return c.push(lua.LNil, lua.LString("chunk is too long"))
		}
	}
}

func baseLoadString(c call) int {
	source := c.str(1)
	name := source
	if !c.absent(2) {
		name = c.str(2)
	}
	return c.load(source, name)
}

// binaryChunk is all there is of binary chunks: Redis dumps functions, but does
// not load them again.
const binaryChunk = "\x1bLua"

func (c call) load(source, name string) int {
	short := sourceName(name)
	if strings.HasPrefix(source, binaryChunk[:1]) {
		return c.push(lua.LNil, lua.LString(fmt.Sprintf("%s: binary chunks are not loaded", short)))
	}
	proto, err := compile(source, short)
	if err != nil {
		return c.push(lua.LNil, lua.LString(err.Error()))
	}
	return c.push(c.L.NewFunctionFromProto(proto))
}
