//go:build race

package shardsim

// slowdown divides what the tests do where that is long.
const slowdown = 10
