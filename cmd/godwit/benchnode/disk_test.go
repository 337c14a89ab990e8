package benchnode

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

func TestDiskIsFull(t *testing.T) {
	d := &Disk{FS: env.OS()}
	name := filepath.Join(t.TempDir(), "file")
	f, err := d.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteAt(make([]byte, 100), 0); err != nil {
		t.Fatal(err)
	}
	d.Set(DiskOrder{Full: true})
	for what, err := range map[string]error{
		"a longer file": second(f.WriteAt(make([]byte, 2), 99)), "preallocated": f.Preallocate(101), "reserved": f.Reserve(101), "created": second(d.Create(name + "2")),
	} {
		if !env.IsDiskFull(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if free, err := d.FreeBytes(filepath.Dir(name)); free != 0 || err != nil {
		t.Errorf("%d bytes are free: %v", free, err)
	}
	if _, err := f.WriteAt(make([]byte, 100), 0); err != nil {
		t.Errorf("written over: %v", err)
	}
	d.Set(DiskOrder{})
	if _, err := f.WriteAt(make([]byte, 2), 99); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestDiskIsSlow(t *testing.T) {
	d := &Disk{FS: env.OS()}
	dir := t.TempDir()
	f, err := d.Create(filepath.Join(dir, "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	const delay = 20 * time.Millisecond
	d.Set(DiskOrder{SyncDelay: delay})
	for what, sync := range map[string]func() error{"file": f.Sync, "folder": func() error { return d.SyncDir(dir) }} {
		began := time.Now()
		if err := sync(); err != nil || time.Since(began) < delay {
			t.Errorf("%s: synced after %v: %v", what, time.Since(began), err)
		}
	}
}
