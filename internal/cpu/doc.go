// Package cpu holds the few machine instructions that Go has no words for:
// prefetching memory that will be read soon, and telling the processor that a
// loop spins. Each routine in assembly has a pure Go twin, used on the
// processors without an assembly file and with the build tag purego; a twin
// does nothing, because both instructions are hints.
package cpu

// CacheLineBytes is the unit that the processors we tune for move between
// memory and cache.
const CacheLineBytes = 64
