//go:build !linux

package env

import "errors"

// syncData is what package os does: on darwin F_FULLFSYNC, because fsync stops
// at the disk's cache there, on Windows FlushFileBuffers.
func (f *osFile) syncData() error { return f.File.Sync() }

// reserve leaves it to the zeros to take the disk space.
func (f *osFile) reserve(int64) error { return nil }

// Evict does nothing: the system offers no way.
func (f *osFile) Evict() error { return nil }

// setDirect is not done.
func (f *osFile) setDirect(bool) error { return errors.ErrUnsupported }

// writeDurably is errors.ErrUnsupported.
func (f *osFile) writeDurably([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }
