package faultfs

import (
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/env"
)

var _ env.SyncerFS = (*FS)(nil)

// syncer is an env.Syncer. What it does are a write, when it is started, and a sync, if it is
// to be durable, when it is found done: a crash in between leaves what it leaves of a write.
type syncer struct {
	wake    func()
	file    *file
	durable bool
	failed  error // of the write
	arrived atomic.Bool
}

// NewSyncer implements env.SyncerFS.
func (f *FS) NewSyncer(wake func()) (env.Syncer, error) { return &syncer{wake: wake}, nil }

// Start implements env.Syncer.
func (s *syncer) Start(f env.File, p []byte, offset int64, durable bool) bool {
	h, ok := f.(*file)
	if !ok {
		return false
	}
	s.file, s.durable = h, durable
	_, s.failed = h.WriteAt(p, offset)
	go func() {
		s.arrived.Store(true)
		s.wake()
	}()
	return true
}

// Done implements env.Syncer.
func (s *syncer) Done() (bool, error) {
	if !s.arrived.CompareAndSwap(true, false) {
		return false, nil
	}
	h := s.file
	s.file = nil
	if s.failed != nil || !s.durable {
		return true, s.failed
	}
	return true, h.Sync()
}

// Poll implements env.Syncer.
func (s *syncer) Poll() bool { return s.arrived.Load() }

// Close implements env.Syncer.
func (s *syncer) Close() error { return nil }
