//go:build !race

package copilotsim

// slowdown divides what the tests do where that is long.
const slowdown = 1
