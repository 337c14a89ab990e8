package script

import (
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// call is one call of a library function: the thread that called, its
// arguments, the function's name for errors.
type call struct {
	*state
	L    *lua.LState
	name string
}

// function is a library function: it reads its arguments from the call, pushes
// its results and returns their number.
type function func(c call) int

func (s *state) function(name string, f function) *lua.LFunction {
	return s.L.NewFunction(func(L *lua.LState) int { return f(call{s, L, name}) })
}

// library makes the table of a library.
func (s *state) library(functions map[string]function) *lua.LTable {
	t := s.L.NewTable()
	for name, f := range functions {
		t.RawSetString(name, s.function(name, f))
	}
	return t
}

// where is the prefix of an error at a level of the call stack, level 0 being
// the library function itself.
func (c call) where(level int) string {
	d, ok := c.L.GetStack(level)
	if !ok {
		return ""
	}
	if _, err := c.L.GetInfo("Sl", d, lua.LNil); err != nil || d.CurrentLine < 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d: ", d.Source, d.CurrentLine)
}

// fail raises an error with the position of the caller in front.
func (c call) fail(format string, args ...any) {
	c.raise(lua.LString(c.where(1) + fmt.Sprintf(format, args...)))
}

// raise raises any value as an error.
func (c call) raise(v lua.LValue) { c.L.Error(v, 0) }

func (c call) badArgument(n int, format string, args ...any) {
	c.fail("bad argument #%d to '%s' (%s)", n, c.name, fmt.Sprintf(format, args...))
}

func (c call) badType(n int, want string) {
	c.badArgument(n, "%s expected, got %s", want, c.typeName(n))
}

func (c call) typeName(n int) string {
	if n > c.L.GetTop() {
		return "no value"
	}
	return c.L.Get(n).Type().String()
}

func (c call) any(n int) lua.LValue {
	if n > c.L.GetTop() {
		c.badArgument(n, "value expected")
	}
	return c.L.Get(n)
}

func (c call) str(n int) string {
	s, ok := toString(c.L.Get(n))
	if !ok {
		c.badType(n, "string")
	}
	return s
}

func (c call) num(n int) float64 {
	f, ok := toNumber(c.L.Get(n))
	if !ok {
		c.badType(n, "number")
	}
	return f
}

func (c call) int(n int) int { return int(toInt64(c.num(n))) }

func (c call) optInt(n, otherwise int) int {
	if c.absent(n) {
		return otherwise
	}
	return c.int(n)
}

func (c call) absent(n int) bool { return c.L.Get(n) == lua.LNil }

// table is the first argument: no library function takes a table elsewhere.
func (c call) table() *lua.LTable {
	t, ok := c.L.Get(1).(*lua.LTable)
	if !ok {
		c.badType(1, "table")
	}
	return t
}

func (c call) fun(n int) *lua.LFunction {
	f, ok := c.L.Get(n).(*lua.LFunction)
	if !ok {
		c.badType(n, "function")
	}
	return f
}

func (c call) push(values ...lua.LValue) int {
	for _, v := range values {
		c.L.Push(v)
	}
	return len(values)
}

func (c call) pushString(s string) int {
	if len(s) > stringBytesMax {
		c.fail("string length overflow")
	}
	return c.push(lua.LString(s))
}

func (c call) pushNumber(f float64) int { return c.push(lua.LNumber(f)) }

// call1 calls a Lua value with arguments and returns its first result.
func (c call) call1(f lua.LValue, args ...lua.LValue) lua.LValue {
	c.L.Push(f)
	return c.call1n(c.push(args...))
}

// call1n calls the function on the stack with n arguments.
func (c call) call1n(n int) lua.LValue {
	depth := c.enter()
	c.L.Call(n, 1)
	c.leave(depth)
	v := c.L.Get(-1)
	c.L.Pop(1)
	return v
}

// metafield finds a field of a value's metatable.
func (c call) metafield(v lua.LValue, event string) lua.LValue {
	return c.L.GetMetaField(v, event)
}

// luaMessage puts the interpreter's own errors in the words of Lua 5.1.
func luaMessage(message string) string {
	where, text, ok := strings.Cut(message, ": ")
	if !ok {
		where, text = "", message
	} else {
		where += ": "
	}
	switch {
	case text == "attempt to call a non-function object":
		text = "attempt to call a nil value"
	case strings.HasPrefix(text, "attempt to index a non-table object("):
		kind, _, _ := strings.Cut(text[len("attempt to index a non-table object("):], ")")
		text = "attempt to index a " + kind + " value"
	case strings.HasPrefix(text, "cannot perform ") && strings.Contains(text, " operation between "):
		_, kinds, _ := strings.Cut(text, " operation between ")
		kind, second, _ := strings.Cut(kinds, " and ")
		if kind == "number" {
			kind = second
		}
		text = "attempt to perform arithmetic on a " + kind + " value"
	case text == "__unm undefined":
		text = "attempt to perform arithmetic on a nil value"
	case text == "__len undefined":
		text = "attempt to get length of a nil value"
	case strings.HasPrefix(text, "attempt to compare "):
		a, b, _ := strings.Cut(text[len("attempt to compare "):], " with ")
		if a == b {
			text = "attempt to compare two " + a + " values"
		}
	case text == "for statement init must be a number":
		text = "'for' initial value must be a number"
	case text == "for statement limit must be a number":
		text = "'for' limit must be a number"
	case text == "for statement step must be a number":
		text = "'for' step must be a number"
	case text == "can not resume a dead thread":
		text = "cannot resume dead coroutine"
	case text == "can not yield from outside of a coroutine":
		text = yieldAcross
	case text == "registry overflow", text == "lua callstack overflow":
		text = "stack overflow"
	default:
		return message
	}
	return where + text
}
