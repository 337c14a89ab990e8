package godwit

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/folder"
)

// roomy is a database with so many rows of 100 kB.
func roomy(t *testing.T, rows int) (*faultfs.FS, *DB, func(n int) error) {
	t.Helper()
	f := faultfs.New(1)
	db, err := Open(proofDir, onFaults(f))
	must(t, err)
	table := mustTable(t, db, "t", Ordered)
	put := func(n int) error {
		return db.Update(t.Context(), func(tx *Tx) error { return tx.Put(table, fmt.Append(nil, n%rows), make([]byte, 100_000)) })
	}
	for n := range rows {
		must(t, put(n))
	}
	return f, db, put
}

// goOn writes until nothing is refused any more, or for ever is over.
func goOn(t *testing.T, put func(int) error, forEver time.Duration) error {
	t.Helper()
	from := time.Now()
	for n := 0; ; n++ {
		err := put(n)
		switch {
		case err == nil && n > 0:
			return nil
		case err != nil && !errors.Is(err, ErrDiskFull):
			t.Fatal(err)
		case time.Since(from) > forEver:
			return err
		}
		pass(t.Context(), 20*time.Millisecond)
	}
}

// A full disk has a checkpoint made that would not be due yet for the space that
// is left, and the log has left the room for it.
func TestProofFullDiskStartsACheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, db, put := roomy(t, 120)
		must(t, db.Checkpoint(t.Context()))
		f.SetCapacity(1)
		must(t, db.log.DropSpares()) // they would be room for enough log
		f.SetCapacity(f.UsedBytes() + db.checkpointReserve() + 3<<19)
		made := db.Stats().Checkpoint.Timestamp
		for n := 0; db.Stats().Checkpoint.Timestamp == made; n++ {
			if err := goOn(t, put, time.Minute); err != nil {
				t.Fatalf("after %d writes: %v, with %d bytes of log", n, err, db.unsettledLogBytes())
			}
		}
		must(t, goOn(t, put, time.Minute))
		must(t, db.Close())
	})
}

// Files that the log keeps to use them again go when a checkpoint needs the space.
func TestProofSparesMakeRoomForACheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, db, put := roomy(t, 20)
		for n := range 100 {
			must(t, put(n))
		}
		must(t, db.Checkpoint(t.Context()))
		f.SetCapacity(f.UsedBytes() + 100_000)
		must(t, db.Checkpoint(t.Context()))
		must(t, db.Close())
	})
}

// A log that leaves room for a checkpoint which needs more than that takes it
// in the end.
func TestProofUselessReserveIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, db, put := roomy(t, 60)
		f.SetHook(func(op faultfs.Op) error {
			if op.Kind == faultfs.OpWrite && strings.Contains(op.Name, folder.Checkpoint) {
				return syscall.ENOSPC
			}
			return nil
		})
		f.SetCapacity(f.UsedBytes() + 12<<20)
		for goOn(t, put, 30*time.Second) == nil {
		}
		if free, err := f.FreeBytes(proofDir); err != nil || free >= 2<<20 {
			t.Errorf("writes are refused, and %d bytes are free (%v)", free, err)
		}
		must(t, db.Close())
	})
}

// Close waits for a checkpoint that is being made: whoever opens the folder next has
// it alone.
func TestProofCloseWaitsForACheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, db, _ := roomy(t, 20)
		var closed atomic.Bool
		var wg sync.WaitGroup
		published := false
		f.SetHook(func(op faultfs.Op) error {
			if closed.Load() {
				t.Errorf("after Close: %v", op)
			}
			if op.Kind == faultfs.OpRename && filepath.Base(op.To) == checkpoint.ManifestFile {
				published = true
				wg.Go(func() {
					must(t, db.Close())
					closed.Store(true)
				})
				synctest.Wait()
			}
			return nil
		})
		must(t, db.Checkpoint(t.Context()))
		wg.Wait()
		if !published {
			t.Error("no checkpoint was published")
		}
		if err := db.Checkpoint(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("a checkpoint after Close: %v", err)
		}
	})
}
