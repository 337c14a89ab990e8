package script

import (
	lua "github.com/yuin/gopher-lua"
)

const (
	redisVersion    = "7.0.15"
	redisVersionNum = 0x0007000f
)

// openRedis is the table redis.
func (s *state) openRedis() *lua.LTable {
	t := s.library(map[string]function{
		"call":  func(c call) int { return c.command(true) },
		"pcall": func(c call) int { return c.command(false) },
		"error_reply": func(c call) int {
			text, ok := c.onlyString()
			if !ok {
				return 1
			}
			if len(text) == 0 || text[0] != '-' {
				text = "-" + text
			}
			return c.push(c.errorTable(text))
		},
		"status_reply": func(c call) int {
			text, ok := c.onlyString()
			if !ok {
				return 1
			}
			return c.push(c.field("ok", lua.LString(text)))
		},
		"sha1hex": func(c call) int {
			if c.L.GetTop() != 1 {
				c.redisError("wrong number of arguments")
			}
			text, _ := toString(c.L.Get(1))
			return c.push(lua.LString(SHA([]byte(text))))
		},
		"log": redisLog, "setresp": redisSetResp, "set_repl": redisSetRepl,
		"replicate_commands": func(c call) int { return c.push(lua.LTrue) },
		"breakpoint":         func(c call) int { return c.push(lua.LFalse) },
		"debug":              func(call) int { return 0 },
		"acl_check_cmd":      redisACLCheck,
	})
	for name, n := range map[string]int{
		"LOG_DEBUG": 0, "LOG_VERBOSE": 1, "LOG_NOTICE": 2, "LOG_WARNING": 3,
		"REPL_NONE": 0, "REPL_AOF": 1, "REPL_SLAVE": 2, "REPL_REPLICA": 2, "REPL_ALL": 3,
		"REDIS_VERSION_NUM": redisVersionNum,
	} {
		t.RawSetString(name, lua.LNumber(n))
	}
	t.RawSetString("REDIS_VERSION", lua.LString(redisVersion))
	return t
}

// redisError raises an error table, which has no position in its text.
func (c call) redisError(text string) { c.raise(c.errorTable(text)) }

// onlyString is the one argument of a function that answers a wrong one with
// an error table instead of raising it.
func (c call) onlyString() (string, bool) {
	text, ok := c.L.Get(1).(lua.LString)
	if c.L.GetTop() != 1 || !ok {
		c.push(c.errorTable("wrong number or type of arguments"))
		return "", false
	}
	return string(text), true
}

// commandArgs are the arguments of redis.call and its like, or what is wrong
// with them.
func (c call) commandArgs() (args [][]byte, problem string) {
	n := c.L.GetTop()
	if n == 0 {
		return nil, "Please specify at least one argument for this redis lib call"
	}
	args = make([][]byte, n)
	for i := range args {
		switch v := c.L.Get(i + 1).(type) {
		case lua.LString:
			args[i] = []byte(v)
		case lua.LNumber:
			args[i] = []byte(formatNumber(float64(v), 17)) // %.17g loses no precision
		default:
			return nil, "Lua redis lib command arguments must be strings or integers"
		}
	}
	return args, ""
}

func (c call) command(raise bool) int {
	args, problem := c.commandArgs()
	failed := problem != ""
	var result lua.LValue
	if failed {
		result = c.errorTable(problem)
	} else {
		reply, err := c.env.Call(args)
		if err != nil {
			c.fatal = err
			c.fail("script has ended")
		}
		failed = reply.Kind == KindError
		result = c.toLua(reply)
	}
	if failed && raise {
		c.raise(result)
	}
	return c.push(result)
}

func redisLog(c call) int {
	n := c.L.GetTop()
	if n < 2 {
		c.redisError("redis.log() requires two arguments or more.")
	}
	f, ok := toNumber(c.L.Get(1))
	if !ok {
		c.redisError("First argument must be a number (log level).")
	}
	level := int(toInt64(f))
	if level < 0 || level > 3 {
		c.redisError("Invalid debug level.")
	}
	if c.env.Log == nil {
		return 0
	}
	message := ""
	for i := 2; i <= n; i++ {
		if text, ok := toString(c.L.Get(i)); ok {
			if i > 2 {
				message += " "
			}
			message += text
		}
	}
	c.env.Log(level, message)
	return 0
}

func redisSetResp(c call) int {
	if c.L.GetTop() != 1 {
		c.redisError("redis.setresp() requires one argument.")
	}
	version, _ := toNumber(c.L.Get(1))
	if version = float64(toInt64(version)); version != 2 && version != 3 {
		c.redisError("RESP version must be 2 or 3.")
	}
	c.state.proto = int(version)
	if c.env.SetProto != nil {
		c.env.SetProto(c.proto)
	}
	return 0
}

// redisSetRepl checks its argument and does nothing: a transaction is
// replicated whole.
func redisSetRepl(c call) int {
	if c.L.GetTop() != 1 {
		c.redisError("redis.set_repl() requires two arguments.")
	}
	flags, _ := toNumber(c.L.Get(1))
	if toInt64(flags)&^3 != 0 {
		c.redisError("Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
	}
	return 0
}

func redisACLCheck(c call) int {
	args, problem := c.commandArgs()
	if problem != "" {
		c.redisError(problem)
	}
	allowed, known := true, true
	if c.env.ACLCheck != nil {
		allowed, known = c.env.ACLCheck(args)
	}
	if !known {
		c.redisError("Invalid command passed to redis.acl_check_cmd()")
	}
	return c.push(lua.LBool(allowed))
}
