//go:build !race

package raftsim

// slowdown divides what the tests do where that is long.
const slowdown = 1
