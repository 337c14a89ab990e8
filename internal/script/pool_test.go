package script

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

func mustCompile(t testing.TB, source string) *Program {
	t.Helper()
	prog, err := Compile([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// eval runs a script on a fresh database and renders the reply.
func eval(t testing.TB, pool *Pool, source string) string {
	t.Helper()
	v, err := pool.Run(context.Background(), mustCompile(t, source), nil, nil, newFakeRedis().env())
	if err != nil {
		t.Fatal(err)
	}
	return render(v)
}

func TestRunsDoNotSeeEachOther(t *testing.T) {
	var pool Pool
	prog := mustCompile(t, `
		local seen = {#KEYS, #ARGV, cjson.encode_max_depth(), math.random(1000)}
		KEYS[#KEYS + 1] = 'left' ARGV.left = true
		cjson.encode_max_depth(7) math.randomseed(99)
		redis.setresp(3)
		local co = coroutine.wrap(function() coroutine.yield() end) co()
		return seen`)
	for range 3 {
		v, err := pool.Run(context.Background(), prog, nil, nil, newFakeRedis().env())
		if err != nil || render(v) != "[:0 :0 :1000 :171]" {
			t.Fatalf("%s, %v", render(v), err)
		}
	}
}

func TestNothingReachableIsWritable(t *testing.T) {
	s := newState()
	if k, _ := s.L.G.Global.Next(lua.LNil); k != lua.LNil {
		t.Errorf("the globals that scripts see hold %v themselves, where it can be written", k)
	}
	var pool Pool
	for _, write := range []string{
		"x = 1", "_G.x = 1", "redis.x = 1", "string.rep = nil", "cjson.null = 1", "coroutine.wrap = nil",
		"getmetatable(_G).x = 1", "getmetatable('').x = 1", "getmetatable('').__index.x = 1",
		"rawset(string, 'x', 1)", "rawset(_G, 'KEYS', 1)", "table.insert(bit, 1)", "table.remove(math)",
		"table.sort(_G)", "setmetatable(struct, nil)", "setmetatable(_G, nil)", "KEYS = 1",
		"getmetatable(_G).__index = nil",
	} {
		if got := eval(t, &pool, write); !strings.Contains(got, "Attempt to modify a readonly table") {
			t.Errorf("%s: %s", write, got)
		}
	}
}

var errConflict = errors.New("conflict")

func TestInfrastructureErrorCannotBeCaught(t *testing.T) {
	for _, source := range []string{
		"redis.call('x')",
		"redis.pcall('x') return 'caught'",
		"pcall(redis.call, 'x') return 'caught'",
		"while true do pcall(redis.call, 'x') end",
		"xpcall(function() redis.call('x') end, function() while true do end end) return 'caught'",
		"coroutine.resume(coroutine.create(function() redis.call('x') end)) return 'caught'",
		"pcall(coroutine.wrap(function() redis.call('x') end)) return 'caught'",
		"('x'):gsub('x', function() pcall(redis.call, 'x') end) return 'caught'",
		"local t = setmetatable({}, {__index = function() pcall(redis.call, 'x') end}) local x = t.x return 'caught'",
	} {
		var pool Pool
		for range 2 {
			calls := 0
			v, err := pool.Run(context.Background(), mustCompile(t, source), nil, nil, Env{Call: func([][]byte) (Value, error) {
				calls++
				return Value{}, errConflict
			}})
			if !errors.Is(err, errConflict) || calls != 1 {
				t.Errorf("%s: %s, %v after %d calls", source, render(v), err, calls)
			}
		}
		if got := eval(t, &pool, "return 1"); got != ":1" {
			t.Errorf("after %s: %s", source, got)
		}
	}
}

// TestContextEndsScript cancels from within, so that no clock is needed.
func TestContextEndsScript(t *testing.T) {
	for _, source := range []string{
		"redis.call('cancel') while true do end",
		"redis.call('cancel') while true do pcall(function() while true do end end) end",
		"redis.call('cancel') return ('a'):rep(1e7):find(('a-'):rep(50) .. 'b')",
		"redis.call('cancel') local f = function() while true do end end while true do coroutine.wrap(f)() end",
		"redis.call('cancel') local t = {} for i = 1, 1e9 do t[i % 10] = i end",
	} {
		var pool Pool
		ctx, cancel := context.WithCancelCause(context.Background())
		v, err := pool.Run(ctx, mustCompile(t, source), nil, nil, Env{Call: func([][]byte) (Value, error) {
			cancel(errConflict)
			return Value{}, nil
		}})
		if !errors.Is(err, errConflict) {
			t.Errorf("%s: %s, %v", source, render(v), err)
		}
	}
}

func TestProgramsAreShared(t *testing.T) {
	var pool Pool
	prog := mustCompile(t, "local s = 0 for i = 1, 100 do s = s + i end return s .. ARGV[1]")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			want := fmt.Sprintf("\"5050%d\"", i)
			for range 50 {
				v, err := pool.Run(context.Background(), prog, nil, [][]byte{fmt.Append(nil, i)}, Env{})
				if err != nil || render(v) != want {
					t.Errorf("%s, %v", render(v), err)
				}
			}
		})
	}
	wg.Wait()
}

func TestLog(t *testing.T) {
	var pool Pool
	var got string
	_, err := pool.Run(context.Background(), mustCompile(t, "redis.log(redis.LOG_WARNING, 'a', 1, {}, 'b')"), nil, nil, Env{
		Log: func(level int, message string) { got = fmt.Sprint(level, " ", message) },
	})
	if err != nil || got != "3 a 1  b" && got != "3 a 1 b" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestShebang(t *testing.T) {
	prog := mustCompile(t, "#!lua flags=no-writes,allow-oom,allow-cross-slot-keys\nreturn 1")
	if prog.Flags != NoWrites|AllowOOM|AllowCrossSlotKeys || !prog.HasShebang {
		t.Errorf("%b", prog.Flags)
	}
	if prog := mustCompile(t, "return 1"); prog.HasShebang || prog.SHA != "e0e1f9fabfc9d4800c877a703b823ac0578ff8db" {
		t.Errorf("%+v", prog)
	}
}

func BenchmarkGet(b *testing.B) {
	var pool Pool
	prog := mustCompile(b, "return redis.call('get', KEYS[1])")
	value := Value{Kind: KindBulk, Str: []byte("value")}
	env := Env{Call: func([][]byte) (Value, error) { return value, nil }}
	keys := [][]byte{[]byte("key")}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pool.Run(ctx, prog, keys, nil, env); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkError is a script that fails: its Lua state must be of use again.
func BenchmarkError(b *testing.B) {
	var pool Pool
	prog := mustCompile(b, "return redis.call('hget', KEYS[1])")
	env := newFakeRedis().env()
	keys := [][]byte{[]byte("key")}
	b.ReportAllocs()
	for b.Loop() {
		if v, err := pool.Run(context.Background(), prog, keys, nil, env); err != nil || v.Kind != KindError {
			b.Fatal(render(v), err)
		}
	}
}

func TestStateIsSoundAfterError(t *testing.T) {
	var pool Pool
	for _, source := range []string{
		"error('x')", "coroutine.wrap(function() error('x') end)()", "local x = nil x()",
		"coroutine.wrap(function() coroutine.wrap(function() error({}) end)() end)()",
		"pcall(error, 'x') error({err = 'MY x'})", "coroutine.wrap(function() pcall(error) error('x') end)()",
		"('x'):gsub('x', function() error('x') end)", "redis.setresp(3) cjson.encode_max_depth(3) error('x')",
		"local function f() return 1 + f() end f()", "coroutine.yield()",
	} {
		if got := eval(t, &pool, source); got[0] != '-' {
			t.Errorf("%s: %s", source, got)
		}
		got := eval(t, &pool, `
			local main = coroutine.running() == nil
			local co = coroutine.wrap(function() coroutine.yield(1) return 2 end)
			return {main, co(), co(), pcall(error, 'y'), true, cjson.encode_max_depth()}`)
		if got != `[:1 :1 :2 nil :1 :1000]` {
			t.Errorf("after %s: %s", source, got)
		}
	}
}
