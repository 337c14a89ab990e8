package env_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
)

// eachFS runs a test on the machine's file system and on the one of the tests:
// they have to agree.
func eachFS(t *testing.T, test func(t *testing.T, f env.FS, dir string)) {
	t.Run("os", func(t *testing.T) { test(t, env.OS(), t.TempDir()) })
	t.Run("faultfs", func(t *testing.T) {
		f := faultfs.New(1)
		dir := filepath.Join("some", "dir")
		if err := f.MkdirAll(dir); err != nil {
			t.Fatal(err)
		}
		test(t, f, dir)
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, f env.FS, name string) []byte {
	t.Helper()
	h, err := f.OpenRead(name)
	must(t, err)
	defer h.Close()
	size, err := h.Size()
	must(t, err)
	b, err := io.ReadAll(io.NewSectionReader(h, 0, size))
	must(t, err)
	return b
}

func TestFileReadsWhatWasWritten(t *testing.T) {
	eachFS(t, func(t *testing.T, f env.FS, dir string) {
		name := filepath.Join(dir, "a")
		h, err := f.Create(name)
		must(t, err)
		_, err = h.WriteAt([]byte("world"), 6)
		must(t, err)
		_, err = h.WriteAt([]byte("hello"), 0)
		must(t, err)
		must(t, h.Sync())
		if got := content(t, f, name); string(got) != "hello\x00world" {
			t.Fatalf("read %q", got)
		}
		b := make([]byte, 8)
		if n, err := h.ReadAt(b, 6); n != 5 || !errors.Is(err, io.EOF) {
			t.Fatalf("read past the end: %d, %v", n, err)
		}
		if n, err := h.ReadAt(b, 100); n != 0 || !errors.Is(err, io.EOF) {
			t.Fatalf("read behind the end: %d, %v", n, err)
		}
		must(t, h.Truncate(3))
		must(t, h.Truncate(5))
		if got := content(t, f, name); string(got) != "hel\x00\x00" {
			t.Fatalf("after truncation: %q", got)
		}
		must(t, h.Evict())
		must(t, h.Close())
		if err := h.Close(); !errors.Is(err, fs.ErrClosed) {
			t.Fatalf("second Close: %v", err)
		}
		h, err = f.Create(name)
		must(t, err)
		defer h.Close()
		if size, err := h.Size(); size != 0 || err != nil {
			t.Fatalf("size after Create of an existing file: %d, %v", size, err)
		}
	})
}

func TestPreallocateKeepsContentAndAddsZeros(t *testing.T) {
	testPreallocate(t, func(h env.File, size int64) error { return h.Preallocate(size) })
}

func TestReserveKeepsContentAndAddsZeros(t *testing.T) {
	testPreallocate(t, func(h env.File, size int64) error { return h.Reserve(size) })
}

func testPreallocate(t *testing.T, preallocate func(env.File, int64) error) {
	t.Helper()
	eachFS(t, func(t *testing.T, f env.FS, dir string) {
		name := filepath.Join(dir, "a")
		h, err := f.Create(name)
		must(t, err)
		defer h.Close()
		_, err = h.WriteAt([]byte("abc"), 0)
		must(t, err)
		const size = 6<<20 + 123
		must(t, preallocate(h, size))
		want := make([]byte, size)
		copy(want, "abc")
		if got := content(t, f, name); !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, not what was expected", len(got))
		}
		_, err = h.WriteAt([]byte("xyz"), size-7)
		must(t, err)
		copy(want[size-7:], "xyz")
		if got := content(t, f, name); !bytes.Equal(got, want) {
			t.Fatal("a write behind it is not there")
		}
		must(t, preallocate(h, 10))
		if got, _ := h.Size(); got != size {
			t.Fatalf("preallocating less changed the size to %d", got)
		}
	})
}

func TestReadOnlyHandleRefusesWrites(t *testing.T) {
	eachFS(t, func(t *testing.T, f env.FS, dir string) {
		name := filepath.Join(dir, "a")
		h, err := f.Create(name)
		must(t, err)
		must(t, h.Close())
		h, err = f.OpenRead(name)
		must(t, err)
		defer h.Close()
		if _, err := h.WriteAt([]byte("x"), 0); err == nil {
			t.Fatal("a write through OpenRead's handle went through")
		}
	})
}

func TestNames(t *testing.T) {
	eachFS(t, func(t *testing.T, f env.FS, dir string) {
		sub := filepath.Join(dir, "x", "y")
		must(t, f.MkdirAll(sub))
		must(t, f.MkdirAll(sub))
		for _, name := range []string{"b", "a", "c"} {
			h, err := f.Create(filepath.Join(sub, name))
			must(t, err)
			_, err = h.WriteAt([]byte(name), 0)
			must(t, err)
			must(t, h.Close())
		}
		must(t, f.Rename(filepath.Join(sub, "a"), filepath.Join(sub, "c")))
		must(t, f.SyncDir(sub))
		names, err := f.List(sub)
		must(t, err)
		if want := []string{"b", "c"}; !reflect.DeepEqual(names, want) {
			t.Fatalf("names %q, want %q", names, want)
		}
		if got := content(t, f, filepath.Join(sub, "c")); string(got) != "a" {
			t.Fatalf("the renamed file holds %q", got)
		}
		if err := f.Remove(sub); err == nil {
			t.Fatal("removed a folder with files")
		}
		info, err := f.Stat(filepath.Join(sub, "b"))
		if err != nil || info.IsDir || info.SizeBytes != 1 {
			t.Fatalf("Stat of a file: %+v, %v", info, err)
		}
		if info, err := f.Stat(sub); err != nil || !info.IsDir {
			t.Fatalf("Stat of a folder: %+v, %v", info, err)
		}
		must(t, f.Remove(filepath.Join(sub, "b")))
		must(t, f.Remove(filepath.Join(sub, "c")))
		must(t, f.Remove(sub))
		if names, err := f.List(filepath.Join(dir, "x")); len(names) != 0 || err != nil {
			t.Fatalf("an empty folder lists %q, %v", names, err)
		}
	})
}

func TestMissingFilesAreNotExist(t *testing.T) {
	eachFS(t, func(t *testing.T, f env.FS, dir string) {
		gone := filepath.Join(dir, "gone")
		_, open := f.Open(gone)
		_, openRead := f.OpenRead(gone)
		_, stat := f.Stat(gone)
		_, list := f.List(gone)
		_, create := f.Create(filepath.Join(gone, "a"))
		for what, err := range map[string]error{
			"Open": open, "OpenRead": openRead, "Stat": stat, "List": list, "Create": create,
			"Remove": f.Remove(gone), "Rename": f.Rename(gone, filepath.Join(dir, "b")),
		} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func TestLockIsExclusive(t *testing.T) {
	eachFS(t, func(t *testing.T, f env.FS, dir string) {
		name := filepath.Join(dir, "LOCK")
		first, err := f.Lock(name)
		must(t, err)
		if _, err := f.Lock(name); !errors.Is(err, dberr.ErrLocked) {
			t.Fatalf("second Lock: %v", err)
		}
		must(t, first.Close())
		second, err := f.Lock(name)
		must(t, err)
		must(t, second.Close())
	})
}

func TestSharedLock(t *testing.T) {
	eachFS(t, func(t *testing.T, f env.FS, dir string) {
		name := filepath.Join(dir, "LOCK")
		if _, err := f.LockShared(name); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("LockShared of nothing: %v", err)
		}
		alone, err := f.Lock(name)
		must(t, err)
		if _, err := f.LockShared(name); !errors.Is(err, dberr.ErrLocked) {
			t.Fatalf("LockShared beside Lock: %v", err)
		}
		must(t, alone.Close())
		first, err := f.LockShared(name)
		must(t, err)
		second, err := f.LockShared(name)
		must(t, err)
		must(t, first.Close())
		if _, err := f.Lock(name); !errors.Is(err, dberr.ErrLocked) {
			t.Fatalf("Lock beside LockShared: %v", err)
		}
		must(t, second.Close())
		if err := second.Close(); !errors.Is(err, fs.ErrClosed) {
			t.Fatalf("second Close: %v", err)
		}
		alone, err = f.Lock(name)
		must(t, err)
		must(t, alone.Close())
	})
}

func TestIsDiskFull(t *testing.T) {
	if !env.IsDiskFull(&fs.PathError{Op: "write", Path: "a", Err: syscall.ENOSPC}) {
		t.Error("ENOSPC is a full disk")
	}
	if env.IsDiskFull(fs.ErrNotExist) || env.IsDiskFull(nil) {
		t.Error("not a full disk")
	}
}

func TestRealClock(t *testing.T) {
	c := env.RealClock()
	before := c.Now()
	timer := c.NewTimer(time.Hour)
	timer.Reset(time.Millisecond)
	<-timer.C()
	if waited := c.Now().Sub(before); waited < time.Millisecond {
		t.Fatalf("the timer fired after %v", waited)
	}
	timer.Reset(time.Nanosecond)
	timer.Stop()
	select {
	case <-timer.C():
		t.Fatal("a stopped timer fired")
	default:
	}
}

// A file that is written past the system's memory holds the same, however it is written
// and read.
func TestDirect(t *testing.T) {
	eachFS(t, func(t *testing.T, f env.FS, dir string) {
		name := filepath.Join(dir, "a")
		h, err := f.Create(name)
		must(t, err)
		must(t, h.Reserve(1<<20))
		h.Direct()
		want := make([]byte, 1<<20)
		buf := make([]byte, 256<<10) // that large, it is where a page begins
		write := func(at, bytes, shift int) {
			t.Helper()
			p := buf[shift:][:bytes]
			for i := range p {
				p[i] = byte(at>>12 + i + 1)
			}
			n, err := h.WriteAt(p, int64(at))
			must(t, err)
			if n != bytes {
				t.Fatalf("%d of %d bytes were written", n, bytes)
			}
			copy(want[at:], p)
		}
		check := func(what string) {
			t.Helper()
			must(t, h.Sync())
			if !bytes.Equal(content(t, f, name), want) {
				t.Fatalf("%s: it holds something else", what)
			}
		}
		write(0, 4<<10, 0)
		write(4<<10, 128<<10, 0)
		check("whole blocks")
		write(64<<10, 100, 0)
		check("a part of a block")
		h.Direct()
		write(8<<10+1, 4<<10, 0)
		check("at another place")
		h.Direct()
		write(16<<10, 4<<10, 1)
		check("from another place")
		h.Direct()
		write(20<<10, 4<<10, 0)
		got := make([]byte, 100)
		_, err = h.ReadAt(got, 20<<10+1)
		must(t, err)
		if !bytes.Equal(got, want[20<<10+1:][:100]) {
			t.Fatal("it reads something else")
		}
		check("read")
		must(t, h.Close())
	})
}
