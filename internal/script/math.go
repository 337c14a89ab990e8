package script

import (
	"math"

	lua "github.com/yuin/gopher-lua"
)

func (s *state) openMath() *lua.LTable {
	functions := map[string]function{
		"random": mathRandom,
		"randomseed": func(c call) int {
			c.seed(int32(c.int(1)))
			return 0
		},
		"max": func(c call) int { return c.fold(math.Max) },
		"min": func(c call) int { return c.fold(math.Min) },
		"modf": func(c call) int {
			f := c.num(1)
			if math.IsInf(f, 0) {
				return c.push(lua.LNumber(f), lua.LNumber(0))
			}
			whole, fraction := math.Modf(f)
			return c.push(lua.LNumber(whole), lua.LNumber(fraction))
		},
		"frexp": func(c call) int {
			fraction, exponent := math.Frexp(c.num(1))
			return c.push(lua.LNumber(fraction), lua.LNumber(exponent))
		},
		"ldexp": func(c call) int {
			return c.pushNumber(math.Ldexp(c.num(1), int(int32(c.int(2)))))
		},
	}
	for name, f := range map[string]func(float64) float64{
		"abs": math.Abs, "ceil": math.Ceil, "floor": math.Floor, "sqrt": math.Sqrt, "exp": math.Exp,
		"log": math.Log, "log10": math.Log10, "sin": math.Sin, "cos": math.Cos, "tan": math.Tan,
		"asin": math.Asin, "acos": math.Acos, "atan": math.Atan, "sinh": math.Sinh, "cosh": math.Cosh,
		"tanh": math.Tanh,
		"deg":  func(f float64) float64 { return f / (math.Pi / 180) },
		"rad":  func(f float64) float64 { return f * (math.Pi / 180) },
	} {
		functions[name] = func(c call) int { return c.pushNumber(f(c.num(1))) }
	}
	for name, f := range map[string]func(a, b float64) float64{
		"pow": math.Pow, "atan2": math.Atan2, "fmod": math.Mod, "mod": math.Mod,
	} {
		functions[name] = func(c call) int { return c.pushNumber(f(c.num(1), c.num(2))) }
	}
	t := s.library(functions)
	t.RawSetString("pi", lua.LNumber(math.Pi))
	t.RawSetString("huge", lua.LNumber(math.Inf(1)))
	return t
}

func (c call) fold(f func(a, b float64) float64) int {
	v := c.num(1)
	for i := 2; i <= c.L.GetTop(); i++ {
		v = f(v, c.num(i))
	}
	return c.pushNumber(v)
}

// seed and draw are the generator of drand48, which Redis has for the same
// sequence in every run and on every machine.
func (s *state) seed(n int32) { s.random = uint64(uint32(n))<<16 + 0x330E }

func (s *state) draw() float64 {
	const bits = 1<<48 - 1
	s.random = (s.random*0x5DEECE66D + 0xB) & bits
	return float64((s.random>>17)%math.MaxInt32) / math.MaxInt32
}

func mathRandom(c call) int {
	r := c.draw()
	switch c.L.GetTop() {
	case 0:
		return c.pushNumber(r)
	case 1:
		upper := int(int32(c.int(1)))
		if upper < 1 {
			c.badArgument(1, "interval is empty")
		}
		return c.pushNumber(math.Floor(r*float64(upper)) + 1)
	case 2:
		lower, upper := int(int32(c.int(1))), int(int32(c.int(2)))
		if lower > upper {
			c.badArgument(2, "interval is empty")
		}
		return c.pushNumber(math.Floor(r*float64(upper-lower+1)) + float64(lower))
	}
	c.fail("wrong number of arguments")
	return 0
}
