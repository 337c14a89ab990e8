package godwit

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitdb/godwit/internal/env/faultfs"
)

// holdUp makes the operations that which picks wait until the returned function is
// called, which sets the hook for what follows.
func holdUp(f *faultfs.FS, which func(faultfs.Op) bool) (goOn func(next func(faultfs.Op) error)) {
	held := make(chan struct{})
	f.SetHook(func(op faultfs.Op) error {
		if which(op) {
			<-held
		}
		return nil
	})
	return func(next func(faultfs.Op) error) {
		f.SetHook(next)
		close(held)
	}
}

func syncsOfTheLog(op faultfs.Op) bool {
	return op.Kind == faultfs.OpSync && strings.HasSuffix(op.Name, ".seg")
}

func partsOfACheckpoint(op faultfs.Op) bool {
	return op.Kind == faultfs.OpWrite && strings.Contains(op.Name, "part-")
}

// The folder is another's as soon as Close has returned: nothing of this database
// works on it any more.
func TestCloseEndsACheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := faultfs.New(1)
		db, err := Open(proofDir, onFaults(f))
		must(t, err)
		mustTable(t, db, "t", Ordered)
		goOn := holdUp(f, partsOfACheckpoint)
		var all sync.WaitGroup
		all.Go(func() {
			if err := db.Checkpoint(context.Background()); !errors.Is(err, ErrClosed) {
				t.Errorf("a checkpoint when the database is closed: %v", err)
			}
		})
		synctest.Wait()
		var closed atomic.Bool
		all.Go(func() {
			must(t, db.Close())
			closed.Store(true)
		})
		synctest.Wait() // everybody waits, the checkpoint for the disk
		if closed.Load() {
			t.Error("closed, while a checkpoint is being written")
		}
		goOn(nil)
		all.Wait()
	})
}

// Nobody hears that a table is gone before its drop is released, even if the one who dropped it waits no
// longer.
func TestDropIsNotToldBeforeItsRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := faultfs.New(1)
		db := openDB(t, proofDir, onFaults(f))
		dropped, hasty := mustTable(t, db, "dropped", Ordered), mustTable(t, db, "hasty", Ordered)
		goOn := holdUp(f, syncsOfTheLog)
		var all sync.WaitGroup
		all.Go(func() { must(t, db.DropTable(t.Context(), "dropped")) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := db.DropTable(ctx, "hasty"); !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("dropped on a disk that hangs: %v", err)
		}
		if n := len(db.Tables()); n != 2 {
			t.Errorf("%d tables, with two whose drops are not released", n)
		}
		for _, table := range []*Table{dropped, hasty} {
			if _, err := db.Table(table.Name()); err != nil {
				t.Errorf("it is not found any more: %v", err)
			}
			for name, call := range map[string]func(context.Context) error{
				"View": func(ctx context.Context) error {
					return db.View(ctx, func(tx *Tx) error { _, err := tx.Get(table, nil); return err })
				},
				"DropTable": func(ctx context.Context) error { return db.DropTable(ctx, table.Name()) },
				"CreateTable": func(ctx context.Context) error {
					_, err := db.CreateTable(ctx, table.Name(), Ordered)
					return err
				},
			} {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrOutcomeUnknown) {
					t.Errorf("%s of %q on a disk that hangs: %v", name, table.Name(), err)
				}
				cancel()
			}
		}
		goOn(nil)
		all.Wait()
		synctest.Wait()
		if n := db.catalog.count(); n != 0 {
			t.Errorf("all is dropped, and %d tables are known", n)
		}
		for _, name := range []string{"dropped", "hasty"} {
			if _, err := db.Table(name); !errors.Is(err, ErrNoTable) {
				t.Errorf("dropped, and found: %v", err)
			}
			mustTable(t, db, name, Hashed)
		}
	})
}

// A checkpoint may be what makes the room that a drop needs to be released, and does
// not wait for it.
func TestDropLetsCheckpointsPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := faultfs.New(1)
		db := openDB(t, proofDir, onFaults(f))
		mustTable(t, db, "t", Ordered)
		goOn := holdUp(f, syncsOfTheLog)
		var all sync.WaitGroup
		all.Go(func() { must(t, db.DropTable(t.Context(), "t")) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if snap, tables, err := db.snapshotAll(ctx); err != nil {
			t.Errorf("no checkpoint begins while a drop waits for its release: %v", err)
		} else {
			if n := len(tables) - len(withInternal(db.engine, db.catalog.table, nil)); n != 0 {
				t.Errorf("it has %d tables that are dropped", n)
			}
			snap.Close()
		}
		goOn(nil)
		all.Wait()
	})
}

// Whatever waits, for a release or for others, ends with its context.
func TestEveryWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := faultfs.New(1)
		db := openDB(t, proofDir, onFaults(f))
		table := mustTable(t, db, "t", Ordered)
		put := func(tx *Tx) error { return tx.Put(table, []byte("k"), nil) }
		must(t, db.Update(t.Context(), put))
		goOn := holdUp(f, func(op faultfs.Op) bool { return syncsOfTheLog(op) || partsOfACheckpoint(op) })
		var all sync.WaitGroup
		all.Go(func() { must(t, db.Checkpoint(t.Context())) })
		synctest.Wait()
		all.Go(func() {
			if _, err := db.CreateTable(t.Context(), "new", Ordered); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if _, err := db.Table("new"); !errors.Is(err, ErrNoTable) {
			t.Errorf("a table whose creation is not released is there: %v", err)
		}
		if n := len(db.Tables()); n != 1 {
			t.Errorf("%d tables, one of them not released", n)
		}
		pending, err := db.UpdateAsync(t.Context(), put)
		must(t, err)
		snap, err := db.Snapshot(t.Context())
		must(t, err)
		get := func(tx *Tx) error { _, err := tx.Get(table, []byte("k")); return err }
		for name, call := range map[string]func(context.Context) error{
			"Update":        func(ctx context.Context) error { return db.Update(ctx, put) },
			"View":          func(ctx context.Context) error { return db.View(ctx, get) },
			"Snapshot.View": func(ctx context.Context) error { return snap.View(ctx, get) },
			"Pending.Wait":  pending.Wait,
			"Checkpoint":    db.Checkpoint,
			"Backup":        func(ctx context.Context) error { return db.Backup(ctx, io.Discard) },
			"DropTable":     func(ctx context.Context) error { return db.DropTable(ctx, "new") },
			"CreateTable of one that is there": func(ctx context.Context) error {
				_, err := db.CreateTable(ctx, "new", Ordered)
				return err
			},
			"CreateTable": func(ctx context.Context) error {
				_, err := db.CreateTable(ctx, "other", Ordered)
				return err
			},
		} {
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s on a disk that hangs: %v", name, err)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("%s went on for %v after its context had ended", name, took-time.Second)
			}
			cancel()
		}
		snap.Close()
		goOn(nil)
		all.Wait()
		if _, err := db.CreateTable(t.Context(), "other", Ordered); !errors.Is(err, ErrExists) {
			t.Errorf("what was executed before its caller stopped waiting: %v", err)
		}
	})
}

// A checkpoint makes room for what has none in the log, also if that is a new table.
func TestCheckpointReleasesATable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f := faultfs.New(1)
		o := onFaults(f)
		o.LogSegmentBytes = 32 << 10 // too small for room to be kept
		db, err := openBare(proofDir, *o)
		must(t, err)
		defer db.Close()
		table := mustTable(t, db, "t", Ordered)
		put := func(bytes int) error {
			return db.Update(ctx, func(tx *Tx) error { return tx.Put(table, []byte("k"), make([]byte, bytes)) })
		}
		must(t, put(1))
		synctest.Wait() // until the next segment is prepared
		var all sync.WaitGroup
		run := func(name string, call func() error) {
			all.Go(func() {
				if err := call(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
			synctest.Wait()
		}
		goOn := holdUp(f, syncsOfTheLog)
		run("a transaction", func() error { return put(1) })
		// These come into one round, for which there is no room.
		run("a new table", func() error { _, err := db.CreateTable(ctx, "new", Ordered); return err })
		run("a large transaction", func() error { return put(60_000) })
		goOn(func(op faultfs.Op) error {
			grows := strings.HasSuffix(op.Name, ".seg") && op.Offset >= o.LogSegmentBytes
			if op.Kind == faultfs.OpWrite && (grows || strings.Contains(op.Name, "spare-")) {
				return syscall.ENOSPC
			}
			return nil
		})
		synctest.Wait()
		if n := db.Stats().Waiting; n != 2 {
			t.Fatalf("%d wait for room", n)
		}
		must(t, db.Checkpoint(ctx))
		all.Wait()
		if _, err := db.Table("new"); err != nil {
			t.Error(err)
		}
		f.SetHook(nil)
		poll(t, func() error { return put(1) })
	})
}
