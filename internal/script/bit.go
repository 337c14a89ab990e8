package script

import (
	"fmt"
	"math"
	"math/bits"

	lua "github.com/yuin/gopher-lua"
)

// openBit is LuaBitOp: operations on 32-bit integers, results signed.
func (s *state) openBit() *lua.LTable {
	return s.library(map[string]function{
		"tobit": func(c call) int { return c.pushBits(c.bits(1)) },
		"bnot":  func(c call) int { return c.pushBits(^c.bits(1)) },
		"band":  func(c call) int { return c.foldBits(func(a, b uint32) uint32 { return a & b }) },
		"bor":   func(c call) int { return c.foldBits(func(a, b uint32) uint32 { return a | b }) },
		"bxor":  func(c call) int { return c.foldBits(func(a, b uint32) uint32 { return a ^ b }) },
		"lshift": func(c call) int {
			return c.pushBits(c.bits(1) << (c.bits(2) & 31))
		},
		"rshift": func(c call) int { return c.pushBits(c.bits(1) >> (c.bits(2) & 31)) },
		"arshift": func(c call) int {
			return c.pushBits(uint32(int32(c.bits(1)) >> (c.bits(2) & 31)))
		},
		"rol":   func(c call) int { return c.pushBits(bits.RotateLeft32(c.bits(1), int(c.bits(2)&31))) },
		"ror":   func(c call) int { return c.pushBits(bits.RotateLeft32(c.bits(1), -int(c.bits(2)&31))) },
		"bswap": func(c call) int { return c.pushBits(bits.ReverseBytes32(c.bits(1))) },
		"tohex": bitToHex,
	})
}

// bits rounds an argument to an integer and takes its low 32 bits, by adding a
// number that leaves them at the end of the mantissa.
func (c call) bits(n int) uint32 {
	const shift = 1<<52 + 1<<51
	return uint32(math.Float64bits(c.num(n) + shift))
}

func (c call) pushBits(b uint32) int { return c.pushNumber(float64(int32(b))) }

func (c call) foldBits(f func(a, b uint32) uint32) int {
	b := c.bits(1)
	for i := 2; i <= c.L.GetTop(); i++ {
		b = f(b, c.bits(i))
	}
	return c.pushBits(b)
}

func bitToHex(c call) int {
	b, digits := c.bits(1), int32(8)
	if c.L.GetTop() >= 2 {
		digits = int32(c.bits(2))
	}
	format := "%08x"
	if digits < 0 {
		digits, format = -digits, "%08X"
	}
	if digits < 0 || digits > 8 {
		digits = 8
	}
	return c.push(lua.LString(fmt.Sprintf(format, b)[8-digits:]))
}
