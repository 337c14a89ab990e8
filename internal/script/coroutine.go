package script

import (
	lua "github.com/yuin/gopher-lua"
)

// openCoroutine has the interpreter's coroutines, bounded in number and depth,
// and unable to hide the end of a script.
func (s *state) openCoroutine() *lua.LTable {
	s.L.Push(s.L.NewFunction(lua.OpenCoroutine))
	s.L.Call(0, 1)
	original := s.L.Get(-1).(*lua.LTable)
	s.L.Pop(1)
	s.L.G.Global.RawSetString(lua.CoroutineLibName, lua.LNil) // where it put itself
	builtin := func(name string) lua.LGFunction { return original.RawGetString(name).(*lua.LFunction).GFunction }
	create, resume := builtin("create"), builtin("resume")

	t := s.library(map[string]function{
		"create": func(c call) int { return c.newThread(create) },
		"resume": func(c call) int { return c.resume(resume) },
		"wrap": func(c call) int {
			c.newThread(create)
			thread := c.L.Get(-1)
			return c.push(c.function("wrap", func(w call) int { return w.resumeWrapped(thread, resume) }))
		},
	})
	yield := builtin("yield")
	t.RawSetString("yield", s.function("yield", func(c call) int {
		if c.native != c.yieldable {
			c.raise(lua.LString(yieldAcross))
		}
		return yield(c.L)
	}))
	for _, name := range []string{"status", "running"} {
		t.RawSetString(name, s.L.NewFunction(builtin(name)))
	}
	return t
}

// yieldAcross is the error of a yield that would have to leave a library
// function in the middle.
const yieldAcross = "attempt to yield across metamethod/C-call boundary"

// newThread makes a coroutine without a context of its own, which would live as
// long as the run's.
func (c call) newThread(create lua.LGFunction) int {
	if f, ok := c.L.Get(1).(*lua.LFunction); !ok || f.IsG {
		c.badArgument(1, "Lua function expected")
	}
	if c.threads++; c.threads > threadsMax {
		c.fail("too many coroutines")
	}
	ctx := c.L.Context()
	callDepth := c.L.Options.CallStackSize
	c.L.Options.CallStackSize = threadDepthMax
	if ctx != nil {
		c.L.RemoveContext()
	}
	create(c.L)
	c.L.Options.CallStackSize = callDepth
	if ctx != nil {
		c.L.SetContext(ctx)
		c.L.Get(-1).(*lua.LState).SetContext(ctx)
	}
	return 1
}

func (c call) resume(resume lua.LGFunction) int {
	if c.nested >= threadNestingMax {
		return c.push(lua.LFalse, lua.LString("C stack overflow"))
	}
	yieldable := c.yieldable
	c.nested++
	c.state.yieldable = c.native
	n := resume(c.L)
	c.native = c.yieldable // a failure in the coroutine left calls behind
	c.state.yieldable = yieldable
	c.nested--
	if c.ended() {
		c.fail("script has ended")
	}
	if first := c.L.GetTop() - n + 1; n == 2 && c.L.Get(first) == lua.LFalse {
		if text, ok := c.L.Get(first + 1).(lua.LString); ok {
			c.L.Replace(first+1, lua.LString(luaMessage(string(text))))
		}
	}
	return n
}

// resumeWrapped resumes and passes an error on.
func (c call) resumeWrapped(thread lua.LValue, resume lua.LGFunction) int {
	c.L.Insert(thread, 1)
	n := c.resume(resume)
	first := c.L.GetTop() - n + 1
	if c.L.Get(first) == lua.LTrue {
		return n - 1
	}
	failure := c.L.Get(first + 1)
	if text, ok := failure.(lua.LString); ok {
		failure = lua.LString(c.where(1) + string(text))
	}
	c.raise(failure)
	return 0
}
