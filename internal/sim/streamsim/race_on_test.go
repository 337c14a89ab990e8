//go:build race

package streamsim

// slowdown divides what the tests do where that is long.
const slowdown = 24
