package godwit

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/godwitdb/godwit/internal/folder"
)

// asNobody runs test with the rights to files of a user that owns none, if it may
// take them: for root nothing is read-only.
func asNobody(t *testing.T, test func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		test()
		return
	}
	done := make(chan struct{})
	go func() { // its thread ends with it, and with the thread the rights
		defer close(done)
		runtime.LockOSThread()
		if err := unix.Setfsuid(65534); err != nil {
			t.Error(err)
			return
		}
		test()
	}()
	<-done
}

// Check works where everything can be read and nothing can be written.
func TestCheckOfWhatCanOnlyBeRead(t *testing.T) {
	dir := filled(t)
	t.Chdir(dir) // another user may not get there by its path
	var folders []string
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			folders = append(folders, path)
			return os.Chmod(path, 0o555) //nolint:gosec // see above
		} else if err == nil {
			return os.Chmod(path, 0o444) //nolint:gosec // see above
		}
		return err
	}))
	t.Cleanup(func() {
		for _, f := range folders {
			must(t, os.Chmod(f, 0o755)) //nolint:gosec // so that it can be removed
		}
	})
	ctx := t.Context()
	asNobody(t, func() {
		if f, err := os.OpenFile(folder.Lock, os.O_RDWR, 0); err == nil {
			t.Error("the folder can be written", f.Close())
		}
		r, err := Check(ctx, ".")
		if err != nil || len(r.Problems) > 0 || r.LogTransactions < 200 || r.CheckpointRecords < 200 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}
