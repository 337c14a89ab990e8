//go:build race

package quorum

// parkedBytesMax is for a build in which all stacks are larger.
const parkedBytesMax = 8 << 10
