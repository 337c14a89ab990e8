package script

import (
	"errors"
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

// locateError is the handler of an error that no script caught: it makes a
// table of it, with the place it came from.
func locateError(c call) int {
	failure := c.L.Get(1)
	t, ok := failure.(*lua.LTable)
	if !ok {
		t = c.L.NewTable()
		t.RawSetString("err", lua.LString("ERR "+luaMessage(c.tostring(failure))))
	}
	if d, ok := c.caller(); ok {
		t.RawSetString("source", lua.LString("@"+d.Source))
		t.RawSetString("line", lua.LNumber(d.CurrentLine))
	}
	return c.push(t)
}

// located says that an error went through locateError, with the stack in order.
func located(failure error) bool {
	var apiErr *lua.ApiError
	if !errors.As(failure, &apiErr) {
		return false
	}
	_, ok := apiErr.Object.(*lua.LTable)
	return ok
}

// caller finds the innermost Lua function on the stack that the error came
// from: the function that failed, or the one that called the library function.
func (c call) caller() (*lua.Debug, bool) {
	for level := 1; level <= 2; level++ {
		d, ok := c.L.GetStack(level)
		if !ok {
			return nil, false
		}
		if _, err := c.L.GetInfo("Sl", d, lua.LNil); err == nil && d.Source != "" {
			return d, true
		}
	}
	return nil, false
}

// failureText is the error reply for a failed run.
func (s *state) failureText(prog *Program, failure error) string {
	var apiErr *lua.ApiError
	if !errors.As(failure, &apiErr) {
		return "ERR Error running script " + prog.SHA + ", " + failure.Error()
	}
	t, ok := apiErr.Object.(*lua.LTable)
	if !ok {
		return "ERR " + luaMessage(apiErr.Object.String())
	}
	text, _ := toString(t.RawGetString("err"))
	source, ok1 := toString(t.RawGetString("source"))
	line, ok2 := toString(t.RawGetString("line"))
	if ok1 && ok2 {
		text += fmt.Sprintf(" script: %s, on %s:%s.", prog.SHA, source, line)
	}
	return oneLine(text)
}
