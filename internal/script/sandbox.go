package script

import (
	lua "github.com/yuin/gopher-lua"
)

// Set before anything runs: the interpreter keeps this bound in a variable.
var _ = limitTables()

func limitTables() bool {
	lua.MaxArrayIndex = arrayIndexMax
	return true
}

const readOnly = "Attempt to modify a readonly table"

// openSandbox fills the globals and freezes them. The interpreter has no
// read-only tables. What a script sees as one is an empty table whose
// metatable reads from the real one and refuses to write; the library
// functions that pass by metatables look behind it with (*state).behind.
func (s *state) openSandbox() {
	refuse := s.function("newindex", func(c call) int { c.fail(readOnly); return 0 })
	freeze := func(front, back *lua.LTable) *lua.LTable {
		mt := s.L.NewTable()
		mt.RawSetString("__index", back)
		mt.RawSetString("__newindex", refuse)
		front.Metatable = mt
		s.frozen[front] = back
		return front
	}

	s.globals = s.L.NewTable()
	s.openBase(s.globals)
	libraries := map[string]*lua.LTable{
		"redis": s.openRedis(), "string": s.openString(), "table": s.openTable(), "math": s.openMath(),
		"coroutine": s.openCoroutine(), "bit": s.openBit(), "struct": s.openStruct(),
		"cjson": s.openJSON(&s.json), "cmsgpack": s.openMsgpack(),
	}
	for name, t := range libraries {
		s.globals.RawSetString(name, freeze(s.L.NewTable(), t))
	}

	global := freeze(s.L.G.Global, s.globals)
	s.globals.RawSetString("_G", global)
	missing := s.L.NewTable()
	missing.RawSetString("__index", s.function("index", missingGlobal))
	s.globals.Metatable = missing
	// What getmetatable shows of the globals, and of strings.
	shown := freeze(s.L.NewTable(), missing)
	global.Metatable.(*lua.LTable).RawSetString("__metatable", shown)
	methods := s.stringMetatable(libraries["string"])
	methods.RawSetString("__metatable", freeze(s.L.NewTable(), s.field("__index", s.globals.RawGetString("string"))))
	s.L.SetMetatable(lua.LString(""), methods)
}

func missingGlobal(c call) int {
	name, ok := toString(c.L.Get(2))
	if !ok {
		c.fail("Second argument to luaProtectedTableError must be a string or number")
	}
	c.fail("Script attempted to access nonexistent global variable '%s'", name)
	return 0
}

// behind is the table that reads go to.
func (s *state) behind(t *lua.LTable) *lua.LTable {
	if back, ok := s.frozen[t]; ok {
		return back
	}
	return t
}

// writable is the first argument, a table that a library function is about to
// change.
func (c call) writable() *lua.LTable {
	t := c.table()
	if _, frozen := c.frozen[t]; frozen {
		c.raise(lua.LString(readOnly))
	}
	return t
}

// length is a border of a table: it ends where nil begins.
func (s *state) length(t *lua.LTable) int {
	t = s.behind(t)
	n := t.Len()
	if t.RawGet(lua.LNumber(n+1)) == lua.LNil {
		return n
	}
	// Beyond the array part: double until nil, then halve the distance.
	low, high := n+1, 2*(n+1)
	for t.RawGet(lua.LNumber(high)) != lua.LNil {
		low, high = high, 2*high
	}
	for high-low > 1 {
		if mid := low + (high-low)/2; t.RawGet(lua.LNumber(mid)) == lua.LNil {
			high = mid
		} else {
			low = mid
		}
	}
	return low
}
