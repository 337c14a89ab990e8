//go:build race

package sim

// slowdown divides what the tests do where that is long.
const slowdown = 10
