package script

import (
	"math"

	lua "github.com/yuin/gopher-lua"
)

// jsonConfig is what the functions of cjson configure. Redis keeps it from one
// script to the next; here each run starts with the defaults.
type jsonConfig struct {
	sparseConvert, keepBuffer      bool
	sparseRatio, sparseSafe        int
	encodeDepthMax, decodeDepthMax int
	encodeInvalid                  int // 0 refuse, 1 write, 2 write null
	decodeInvalid                  bool
	digits                         int
}

func defaultJSONConfig() jsonConfig {
	return jsonConfig{
		keepBuffer: true, sparseRatio: 2, sparseSafe: 10, encodeDepthMax: 1000, decodeDepthMax: 1000,
		decodeInvalid: true, digits: numberDigits,
	}
}

// openJSON is the library cjson on a configuration.
func (s *state) openJSON(cfg *jsonConfig) *lua.LTable {
	t := s.library(map[string]function{
		"encode": func(c call) int { c.onlyArgument(); return c.pushString(c.encodeJSON(cfg, c.L.Get(1))) },
		"decode": func(c call) int { c.onlyArgument(); return c.push(c.decodeJSON(cfg, c.str(1))) },
		"encode_sparse_array": func(c call) int {
			c.atMost(3)
			return c.boolOption(1, &cfg.sparseConvert) + c.intOption(2, &cfg.sparseRatio, 0, math.MaxInt32) +
				c.intOption(3, &cfg.sparseSafe, 0, math.MaxInt32)
		},
		"encode_max_depth": func(c call) int {
			c.atMost(1)
			return c.intOption(1, &cfg.encodeDepthMax, 1, math.MaxInt32)
		},
		"decode_max_depth": func(c call) int {
			c.atMost(1)
			return c.intOption(1, &cfg.decodeDepthMax, 1, math.MaxInt32)
		},
		"encode_number_precision": func(c call) int { c.atMost(1); return c.intOption(1, &cfg.digits, 1, 14) },
		"encode_keep_buffer":      func(c call) int { c.atMost(1); return c.boolOption(1, &cfg.keepBuffer) },
		"decode_invalid_numbers":  func(c call) int { c.atMost(1); return c.boolOption(1, &cfg.decodeInvalid) },
		"encode_invalid_numbers":  func(c call) int { c.atMost(1); return c.invalidOption(&cfg.encodeInvalid) },
		"new": func(c call) int {
			fresh := defaultJSONConfig()
			return c.push(c.openJSON(&fresh))
		},
	})
	t.RawSetString("null", s.null)
	t.RawSetString("_NAME", lua.LString("cjson"))
	t.RawSetString("_VERSION", lua.LString("2.1.0"))
	return t
}

func (c call) onlyArgument() {
	if c.L.GetTop() != 1 {
		c.badArgument(1, "expected 1 argument")
	}
}

func (c call) atMost(n int) {
	if c.L.GetTop() > n {
		c.badArgument(n+1, "found too many arguments")
	}
}

// intOption sets an option from an argument, if there is one, and pushes it.
func (c call) intOption(n int, option *int, least, most int) int {
	if !c.absent(n) {
		v := c.int(n)
		if v < least || v > most {
			c.badArgument(1, "expected integer between %d and %d", least, most)
		}
		*option = v
	}
	return c.pushNumber(float64(*option))
}

func (c call) boolOption(n int, option *bool) int {
	switch v := c.L.Get(n); v {
	case lua.LNil:
	case lua.LTrue, lua.LFalse:
		*option = v == lua.LTrue
	default:
		*option = c.oneOf(n, "off", "on") == 1
	}
	return c.push(lua.LBool(*option))
}

func (c call) invalidOption(option *int) int {
	switch v := c.L.Get(1); v {
	case lua.LNil:
	case lua.LFalse:
		*option = 0
	case lua.LTrue:
		*option = 1
	default:
		*option = c.oneOf(1, "off", "on", "null")
	}
	if *option == 2 {
		return c.push(lua.LString("null"))
	}
	return c.push(lua.LBool(*option == 1))
}

func (c call) oneOf(n int, options ...string) int {
	text := c.str(n)
	for i, option := range options {
		if text == option {
			return i
		}
	}
	c.badArgument(n, "invalid option '%s'", text)
	return 0
}
