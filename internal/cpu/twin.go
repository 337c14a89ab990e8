//go:build !(amd64 || arm64) || purego

package cpu

import "unsafe"

// Prefetch1024 does nothing on this processor.
func Prefetch1024(unsafe.Pointer) {}

// Prefetch192 does nothing on this processor.
func Prefetch192(unsafe.Pointer) {}

// Prefetch64 does nothing on this processor.
func Prefetch64(unsafe.Pointer) {}

// Pause does nothing on this processor.
func Pause() {}
