package script

import (
	"context"
	"fmt"
	"sync"

	lua "github.com/yuin/gopher-lua"
)

// Call runs one command for a script, in the script's transaction. A command
// that refuses answers with a Value of KindError, which the script may catch.
// An error is one of the transaction itself (conflict, memory full, shutdown):
// it ends the script at once, and Run returns it as it is. The arguments are
// the callee's to keep.
type Call func(args [][]byte) (Value, error)

// Env is what a run of a script may reach.
type Env struct {
	// Call is required.
	Call Call
	// Seed starts the sequence of math.random. In Redis it goes on from one
	// script to the next.
	Seed int32
	// Log takes what redis.log writes, with its level (0 debug to 3 warning).
	Log func(level int, message string)
	// SetProto hears of redis.setresp: Call answers in this version of RESP
	// from then on (2 at the start).
	SetProto func(version int)
	// ACLCheck answers redis.acl_check_cmd; known is false if there is no such
	// command.
	ACLCheck func(args [][]byte) (allowed, known bool)
}

// Pool keeps Lua states, which are costly to make. Its zero value is ready.
type Pool struct{ states sync.Pool }

// Run runs a program. What the script returns is the Value, also an error that
// it raised. An error is one of Call, or the context's.
func (p *Pool) Run(ctx context.Context, prog *Program, keys, argv [][]byte, env Env) (Value, error) {
	s, _ := p.states.Get().(*state)
	if s == nil {
		s = newState()
	}
	v, reusable, err := s.run(ctx, prog, keys, argv, env)
	if reusable {
		p.states.Put(s)
	}
	return v, err
}

// state is a Lua state with the sandbox in it, and the run that it is in.
type state struct {
	L       *lua.LState
	globals *lua.LTable // behind the read-only L.G.Global
	// frozen maps the read-only tables that scripts see to those behind them.
	frozen map[*lua.LTable]*lua.LTable
	next   *lua.LFunction
	onFail *lua.LFunction
	null   *lua.LUserData // cjson.null

	// What follows belongs to one run.
	ctx     context.Context
	env     Env
	proto   int   // RESP version of replies to the script
	fatal   error // ends the script, whatever it catches
	random  uint64
	json    jsonConfig
	threads int // coroutines made
	nested  int // coroutines within one another
	native  int // library functions within one another that call Lua
	// yieldable is native where the running coroutine was resumed.
	yieldable int
}

func newState() *state {
	s := &state{
		L: lua.NewState(lua.Options{
			SkipOpenLibs: true, MinimizeStackMemory: true, CallStackSize: callDepthMax,
			RegistrySize: registrySlotsMin, RegistryMaxSize: registrySlotsMax, RegistryGrowStep: registryGrowth,
		}),
		frozen: map[*lua.LTable]*lua.LTable{},
	}
	s.null = s.L.NewUserData()
	s.openSandbox()
	s.onFail = s.function("error handler", locateError)
	return s
}

// run runs a program once. The state is not reusable if it ended in the middle
// of something.
func (s *state) run(ctx context.Context, prog *Program, keys, argv [][]byte, env Env) (v Value, reusable bool, err error) {
	s.ctx, s.env, s.proto, s.json = ctx, env, 2, defaultJSONConfig()
	s.seed(env.Seed)
	s.globals.RawSetString("KEYS", stringArray(s.L, keys))
	s.globals.RawSetString("ARGV", stringArray(s.L, argv))
	if ctx.Done() != nil {
		s.L.SetContext(ctx)
	}
	defer func() {
		if r := recover(); r != nil { // not even the error handler could run
			v, err = s.end(prog, fmt.Errorf("%v", r))
		}
		s.ctx, s.env, s.fatal, s.threads, s.nested, s.native, s.yieldable = nil, Env{}, nil, 0, 0, 0, 0
	}()
	s.L.Push(s.L.NewFunctionFromProto(prog.proto))
	if failure := s.L.PCall(0, 1, s.onFail); failure != nil {
		if v, err = s.end(prog, failure); err != nil || !located(failure) {
			return v, false, err
		}
	} else {
		v = s.toReply(s.L.Get(-1), 0)
	}
	s.L.SetTop(0)
	if ctx.Done() != nil {
		s.L.RemoveContext()
	}
	return v, true, nil
}

// end is the outcome of a run that failed.
func (s *state) end(prog *Program, failure error) (Value, error) {
	if s.ended() {
		if s.fatal != nil {
			return Value{}, s.fatal
		}
		return Value{}, context.Cause(s.ctx)
	}
	return errorValue(s.failureText(prog, failure)), nil
}

// ended says that the script must stop, whatever it catches.
func (s *state) ended() bool { return s.fatal != nil || s.ctx.Err() != nil }

func stringArray(L *lua.LState, items [][]byte) *lua.LTable {
	t := L.CreateTable(len(items), 0)
	for i, item := range items {
		t.RawSetInt(i+1, lua.LString(item))
	}
	return t
}
