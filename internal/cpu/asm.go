//go:build (amd64 || arm64) && !purego

package cpu

import "unsafe"

// Prefetch1024 asks for the 16 cache lines that begin at p, the size of an
// index node.
//
//go:noescape
func Prefetch1024(p unsafe.Pointer)

// Prefetch192 asks for the 3 cache lines that begin at p: a record's header,
// its key and the start of its value.
//
//go:noescape
func Prefetch192(p unsafe.Pointer)

// Prefetch64 asks for the cache line of p.
//
//go:noescape
func Prefetch64(p unsafe.Pointer)

// Pause tells the processor that this goroutine spins on a memory word.
func Pause()
