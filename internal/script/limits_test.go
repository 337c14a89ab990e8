package script

import (
	"strings"
	"testing"
)

// TestLimits has scripts that would take the process down if nothing stopped
// them. Each must come back, with an error that says what happened.
func TestLimits(t *testing.T) {
	for _, tc := range []struct{ script, want string }{
		{"local function f() return 1 + f() end return f()", "stack overflow"},
		{"local function f(n) if n == 0 then return 0 end return 1 + f(n - 1) end return f(10000)", ":10000"},
		{"local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) return t[1]", "stack overflow"},
		{"local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x", "recursions"},
		{"local function f() return pcall(f) end return {f()}", "[:1 "},
		{"local function f() local ok, e = pcall(f) if not ok then error(e, 0) end end f()", "stack overflow"},
		{"local function f() return ('x'):gsub('x', f) end f()", "stack overflow"},
		{"local function f() local co = coroutine.create(f) local ok, e = coroutine.resume(co) if not ok then error(e, 0) end end f()", "stack overflow"},
		{"local function f() coroutine.wrap(f)() end f()", "stack overflow"},
		{"for i = 1, 1e7 do coroutine.create(function() end) end", "too many coroutines"},
		{"local function f() return tostring(setmetatable({}, {__tostring = f})) end return f()", "stack overflow"},
		{"local t = {} for i = 1, 7000 do t[i] = i end local function f(...) return 1 + f(1, ...) end return f(unpack(t))", "stack overflow"},
		{"return ('x'):rep(2^31)", "too large"},
		{"local s = ('x'):rep(2^28) return #(s .. s .. s)", "overflow"},
		{"return unpack({}, -1e17, 1e17)", "too many results"},
		{"return unpack({}, -2^62, 2^62)", "too many results"},
		{"local s = ('x'):rep(2^22) return {s:byte(1, -1)}", "too long"},
		{"return ('x'):rep(1e5):find(('x?'):rep(1e5))", "too complex"},
		{"return ('('):rep(100):find(('('):rep(100))", "captures"},
		{"return loadstring('return ' .. ('('):rep(1e5) .. '1' .. (')'):rep(1e5))", "nil"},
		{"return select(2, loadstring('return ' .. ('-'):rep(1e5):gsub('-', '- ') .. '1'))", "syntax levels"},
		{"return select(2, loadstring('return ' .. ('{'):rep(1e5) .. ('}'):rep(1e5)))", "syntax levels"},
		{"return select(2, loadstring(('if x then '):rep(1e5) .. ('end '):rep(1e5)))", "syntax levels"},
		{"return type(loadstring('return ' .. ('a..'):rep(180) .. 'a'))", "function"},
		{"return type(loadstring('return ' .. ('a..'):rep(1e5) .. 'a'))", "nil"},
		{"return select(2, loadstring(('local a = 1 '):rep(1000)))", "too many local variables"},
		{"return select(2, loadstring('return ' .. ('f('):rep(1e5) .. (')'):rep(1e5)))", "syntax levels"},
		{"return select(2, loadstring('x = ' .. ('function() return '):rep(1e5) .. ('end '):rep(1e5)))", "syntax levels"},
		{"local t = {} for i = 1, 1e5 do t = {t} end return t", "reached lua stack limit"},
		{"local t = {} t[1] = t return t", "reached lua stack limit"},
		{"local t = {} t.map = t return t", "reached lua stack limit"},
		{"local t = {} for i = 1, 1e5 do t = {t} end cjson.encode_max_depth(2^30) return cjson.encode(t)", "excessive nesting"},
		{"cjson.decode_max_depth(2^30) return cjson.decode(('['):rep(1e6))", "too many nested"},
		{"return cmsgpack.unpack(('\\145'):rep(1e6))", "too many nested"},
		{"return cmsgpack.unpack(('\\1'):rep(1e6))", "too many return values"},
		{"return cmsgpack.unpack('\\220\\255\\255' .. ('\\129\\206\\0\\3\\208\\0\\1'):rep(65535))", "far apart"},
		{"return cmsgpack.unpack('\\129\\206\\0\\3\\208\\0\\1')[249856]", ":1"},
		{"return struct.unpack(('b'):rep(1e5), ('x'):rep(1e5))", "too many results"},
		{"return struct.pack('c2147483647', 'x')", "too short"},
		{"return struct.pack(('!8' .. 'b'):rep(10), 1)", "bad argument"},
		{"return #struct.pack(('i32'):rep(100), unpack(loadstring('return {' .. ('1,'):rep(100) .. '}')()))", ":3200"},
		{"local t = {} t[2^40] = 1 t[1e9] = 2 t[5e5] = 3 return {t[2^40], t[1e9], t[5e5], #t}", "[:1 :2 :3 :0]"},
		{"local t = {1, 2} table.insert(t, 2^40, 'x') return #t", ":2"},
		{"local t = {} for i = 1, 3e5 do t[i] = 3e5 - i end table.sort(t) return {t[1], t[300000]}", "[:0 :299999]"},
		{"return math.random(-2^31, 2^31 - 1) ~= nil", ""},
		{"return string.format('%99.99f', 1e308) ~= ''", ":1"},
		{"return select(2^31, 1)", "nil"},
	} {
		var pool Pool
		if got := eval(t, &pool, tc.script); !strings.Contains(got, tc.want) {
			t.Errorf("%s\n got %.300s\nwant %s", tc.script, got, tc.want)
		}
		if got := eval(t, &pool, "return redis.call('ping')"); got != "+PONG" {
			t.Errorf("%s\nafterwards: %s", tc.script, got)
		}
	}
}

func TestProgramTooDeep(t *testing.T) {
	for _, source := range []string{
		"return " + strings.Repeat("(", 1e5) + "1" + strings.Repeat(")", 1e5),
		"return " + strings.Repeat("not ", 1e5) + "1",
		"return 1" + strings.Repeat("^1", 1e5),
		"return 1" + strings.Repeat("+1", 1e5),
		"x" + strings.Repeat(".x", 1e5) + " = 1",
		"x" + strings.Repeat("()", 1e5),
		strings.Repeat("do ", 1e5) + strings.Repeat("end ", 1e5),
		"if x then " + strings.Repeat("elseif x then ", 1e5) + " end",
	} {
		if _, err := Compile([]byte(source)); err != nil && !strings.Contains(err.Error(), "syntax levels") {
			t.Errorf("%.20s... %.200v", source, err)
		}
	}
}
