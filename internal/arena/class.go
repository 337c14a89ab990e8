package arena

import "math/bits"

const (
	// classStepBytes is the distance of the small size classes.
	classStepBytes = 16
	// classLinearMax is where the small classes end; above it there are eight
	// classes for each doubling, so that at most an eighth is wasted.
	classLinearMax = 256
	// classMax is the largest object that shares a span with others.
	classMax = 16 << 10

	classCount = classLinearMax/classStepBytes + 8*6 // 256 B to 16 KiB: six doublings
)

// classOf returns the size class of an object of n bytes, 1 ≤ n ≤ classMax.
func classOf(n int) int {
	if n <= classLinearMax {
		return (n+classStepBytes-1)/classStepBytes - 1
	}
	doubling := bits.Len(uint(n-1)) - 1 // n-1 in [2^doubling, 2^(doubling+1))
	eighth := (n - 1) >> (doubling - 3) & 7
	return classLinearMax/classStepBytes + (doubling-8)*8 + eighth
}

// classBytes returns the size of the objects of class c.
func classBytes(c int) int {
	const linear = classLinearMax / classStepBytes
	if c < linear {
		return (c + 1) * classStepBytes
	}
	c -= linear
	doubling, eighth := c/8+8, c%8
	return 1<<doubling + (eighth+1)<<(doubling-3)
}

// RoundUp returns how many bytes an object of n bytes takes in the arena.
func RoundUp(n int) int {
	if n <= classMax {
		return classBytes(classOf(max(n, 1)))
	}
	return (n + pageBytes - 1) &^ (pageBytes - 1)
}
