//go:build !race

package quorum

// parkedBytesMax is the most that a parked task may cost.
const parkedBytesMax = 4 << 10
