//go:build amd64

package env

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// openDirect returns a file of blocks that are written, which is written directly. Only where
// temporary files are in memory, whose file system may not know that (tmpfs before Linux 6.6, say),
// it skips the test.
func openDirect(t *testing.T, fs FS) *osFile {
	t.Helper()
	h, err := fs.Create(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	if err := h.Preallocate(64 << 10); err != nil {
		t.Fatal(err)
	}
	h.Direct()
	f := h.(*osFile)
	if f.direct.Load() {
		return f
	}
	const why = "the file system of temporary files knows no direct writes: set TMPDIR to a folder on a disk"
	var s unix.Statfs_t
	if err := retry(func() error { return unix.Statfs(f.Name(), &s) }); err != nil {
		t.Fatal(err)
	}
	if s.Type != unix.TMPFS_MAGIC && s.Type != unix.RAMFS_MAGIC {
		t.Fatal(why)
	}
	t.Skip("in memory: " + why)
	return nil
}

// directBlock returns bytes where direct writes want them.
func directBlock(n int, fill byte) []byte {
	b := make([]byte, n+directBytes)
	for !aligned(b[:n], 0) {
		b = b[1:]
	}
	copy(b[:n], bytes.Repeat([]byte{fill}, n))
	return b[:n]
}

// A syncer writes what it is given, and says so: who polls, and if nobody does, who waits.
func TestSyncer(t *testing.T) {
	fs := OS()
	f := openDirect(t, fs)
	woken := make(chan struct{}, 1)
	s, err := fs.(SyncerFS).NewSyncer(func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatal("the system has none: ", err)
	}
	for i := range 20 {
		p := directBlock(8<<10, byte('a'+i))
		at := int64(i%4) * int64(len(p))
		if !s.Start(f, p, at, true) {
			t.Fatal("the file system cannot")
		}
		for i%2 == 0 && !s.Poll() {
			select {
			case <-woken: // has seen it before
			default:
				continue
			}
			break
		}
		for {
			done, err := s.Done()
			if err != nil {
				t.Fatal(err)
			}
			if done {
				break
			}
			<-woken
		}
		if f.unsynced.Load() {
			t.Fatal("what it has written counts as not synced")
		}
		if done, err := s.Done(); done || err != nil {
			t.Fatalf("done twice: %v", err)
		}
		got, err := os.ReadFile(f.Name())
		if err != nil || !bytes.Equal(got[at:at+int64(len(p))], p) || len(got) != 64<<10 {
			t.Fatalf("write %d is not in the file: %v", i, err)
		}
	}
	if !s.Start(f, directBlock(directBytes, 'z'), 0, true) {
		t.Error("nothing is started any more")
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if got, err := os.ReadFile(f.Name()); err != nil || got[0] != 'z' {
		t.Errorf("Close has not waited: %v", err)
	}
}

// It leaves to others what it could not do without waiting, or not make durable.
func TestSyncerDeclines(t *testing.T) {
	fs := OS()
	f := openDirect(t, fs)
	s, err := fs.(SyncerFS).NewSyncer(func() {})
	if err != nil {
		t.Fatal("the system has none: ", err)
	}
	defer s.Close()
	p := directBlock(directBytes, 'x')
	declines := func(why string, f File, p []byte, at int64) {
		t.Helper()
		if s.Start(f, p, at, true) {
			t.Errorf("started: %s", why)
			for done := false; !done; {
				done, _ = s.Done()
			}
		}
	}
	declines("nothing", f, p[:0], 0)
	declines("an offset within a block", f, p, 1)
	declines("a part of a block", f, p[:100], 0)
	if _, err := f.WriteAt(p, directBytes); err != nil {
		t.Fatal(err)
	}
	declines("behind a write that was not synced", f, p, 0)
	if !s.Start(f, p, 0, false) {
		t.Error("a write that is not to be durable is not started behind one that is not")
	}
	for done := false; !done; {
		if done, err = s.Done(); err != nil {
			t.Fatal(err)
		}
	}
	declines("behind a write of its own that was not synced", f, p, 0)
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	r, err := fs.OpenRead(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.Direct()
	declines("in a file that is open for reading", r, p, 0)
	if _, err := f.ReadAt(make([]byte, 10), 0); err != nil {
		t.Fatal(err)
	}
	declines("a file that is not written directly", f, p, 0)
}

// A result that says that the file's system cannot is no failure, and asked for once. Others are.
func TestSyncerResults(t *testing.T) {
	f := openDirect(t, OS())
	s := &syncer{durable: true}
	p := directBlock(2*directBytes, 'x')
	for _, c := range []struct {
		result          int64
		fails, waitOnly bool
	}{{directBytes, false, false}, {-int64(unix.EINVAL), false, true}, {-int64(unix.EIO), true, false}} {
		f.unsynced.Store(true)
		f.waitsOnly.Store(false)
		s.file, s.p, s.offset = f, p, 0
		if err := s.finish(c.result); err != nil != c.fails || f.waitsOnly.Load() != c.waitOnly || f.unsynced.Load() != c.fails {
			t.Errorf("result %d: %v, waits only %v, unsynced %v", c.result, err, f.waitsOnly.Load(), f.unsynced.Load())
		}
	}
	if got, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(got[:len(p)], p) {
		t.Errorf("what was not written is not there: %v", err)
	}
}

// A durable write is one call where the file can do that, and a write and a sync elsewhere.
func TestWriteDurably(t *testing.T) {
	f := openDirect(t, OS())
	write := func(p []byte, at int64) {
		t.Helper()
		if err := f.WriteDurablyAt(p, at); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(f.Name())
		if err != nil || !bytes.Equal(got[at:at+int64(len(p))], p) {
			t.Fatalf("what was written at %d is not there: %v", at, err)
		}
		if f.unsynced.Load() {
			t.Fatal("what is durable counts as not synced")
		}
	}
	write(directBlock(directBytes, 'a'), 0)
	if f.waitsOnly.Load() {
		t.Fatal("the system does not know such a write")
	}
	if _, err := f.WriteAt(directBlock(directBytes, 'b'), directBytes); err != nil {
		t.Fatal(err)
	}
	write(directBlock(directBytes, 'c'), 0) // and what was written before
	f.waitsOnly.Store(true)
	write(directBlock(directBytes, 'd'), 2*directBytes)
	f.waitsOnly.Store(false)
	write([]byte("a part of a block"), 5)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if f.WriteDurablyAt([]byte("x"), 0) == nil {
		t.Error("a file that is closed was written to")
	}
}
