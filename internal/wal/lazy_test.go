package wal

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

// spendingFS counts how files are made ready to be written to.
type spendingFS struct {
	env.FS
	filled, reserved, direct atomic.Int32
}

func (s *spendingFS) Create(name string) (env.File, error) {
	f, err := s.FS.Create(name)
	return spendingFile{f, s}, err
}

func (s *spendingFS) Open(name string) (env.File, error) {
	f, err := s.FS.Open(name)
	return spendingFile{f, s}, err
}

type spendingFile struct {
	env.File
	fs *spendingFS
}

func (s spendingFile) Preallocate(bytes int64) error {
	s.fs.filled.Add(1)
	return s.File.Preallocate(bytes)
}

func (s spendingFile) Reserve(bytes int64) error {
	s.fs.reserved.Add(1)
	return s.File.Reserve(bytes)
}

func (s spendingFile) Direct() {
	s.fs.direct.Add(1)
	s.File.Direct()
}

// TestFilesOfALogThatNobodyWaitsFor: they are not filled with zeros. Those whose syncs somebody
// waits for are, so that a sync is short. All are written past the system's memory.
func TestFilesOfALogThatNobodyWaitsFor(t *testing.T) {
	for _, interval := range []time.Duration{0, time.Millisecond} {
		f := &spendingFS{FS: newFS(t)}
		o := testOptions(f, 1)
		o.SyncInterval = interval
		l := openLog(t, o)
		for range 3 * o.SegmentBytes / 4096 {
			appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut, Value: make([]byte, 3000)}})
			must(t, l.Sync(background()))
		}
		must(t, l.Close())
		filled, reserved, direct := f.filled.Load(), f.reserved.Load(), f.direct.Load()
		lazy := interval > 0
		if lazy != (filled == 0) || lazy != (reserved > 2) || direct < 3 {
			t.Errorf("synced every %v: %d files filled, %d reserved, %d direct", interval, filled, reserved, direct)
		}
	}
}
