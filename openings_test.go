package godwit

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/folder"
)

// openOften opens a database so many times, writes a key and closes it, and calls
// between after each.
func openOften(t *testing.T, o *Options, openings int, between func(db *DB)) {
	t.Helper()
	for i := range openings {
		db, err := openBare(proofDir, *o)
		must(t, err)
		table, err := db.Table("t")
		if i == 0 {
			table = mustTable(t, db, "t", Ordered)
		} else {
			must(t, err)
		}
		must(t, db.Update(t.Context(), func(tx *Tx) error {
			keys := 0
			for range tx.Scan(table, Range{}) {
				keys++
			}
			if keys != i {
				t.Errorf("%d keys after %d openings", keys, i)
			}
			return tx.Put(table, fmt.Append(nil, i), nil)
		}))
		must(t, db.Close())
		between(db)
	}
}

func oftenOpened(f *faultfs.FS) *Options {
	o := onFaults(f)
	o.LogSegmentBytes = 32 << 10 // quickly made
	o.CheckpointBytes = 8 * o.LogSegmentBytes
	return o
}

// Each opening that writes begins a file of the log. Many short ones, which write
// far less than CheckpointBytes, leave few files and all data.
func TestOpeningsDoNotPileUpFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("opens and closes a database over and over, which other tests do too")
	}
	synctest.Test(t, func(t *testing.T) { // in which they take no time
		f := faultfs.New(1)
		most := 0
		openOften(t, oftenOpened(f), openingsMax+openingsMax/4, func(db *DB) {
			names, err := f.List(db.store.logDir())
			must(t, err)
			most = max(most, len(names))
		})
		// Beside the segments, the one that is prepared and spares.
		if allowed := 2*8 + openingsMax + 2; most > allowed || most < openingsMax {
			t.Errorf("the openings left up to %d files, expected at most %d", most, allowed)
		}
	})
}

// An opening is not kept waiting by the checkpoint that many of them call for, and does
// not wait for it when it ends. One that is long enough makes it.
func TestOpeningsDoNotWaitForACheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := faultfs.New(1)
		o := oftenOpened(f)
		o.CheckpointBytes = o.LogSegmentBytes
		openOften(t, o, openingsDue+2, func(*DB) {})
		published := func() bool {
			_, err := f.Stat(filepath.Join(proofDir, folder.Checkpoint, checkpoint.ManifestFile))
			return err == nil
		}
		if published() {
			t.Fatal("an opening that took no time has made a checkpoint")
		}
		const slow = time.Minute // what a checkpoint takes at least
		f.SetHook(func(op faultfs.Op) error {
			if strings.Contains(op.Name, folder.Checkpoint) && op.Kind == faultfs.OpCreate {
				pass(t.Context(), slow)
			}
			return nil
		})
		began := time.Now()
		db, err := openBare(proofDir, *o)
		must(t, err)
		if took := time.Since(began); took >= slow {
			t.Errorf("Open took %v", took)
		}
		table, err := db.Table("t")
		must(t, err)
		put := func() error {
			return db.Update(t.Context(), func(tx *Tx) error { return tx.Put(table, []byte("k"), nil) })
		}
		must(t, put())
		pass(t.Context(), slow/2)
		if !db.Stats().Checkpoint.Running {
			t.Error("nobody makes a checkpoint")
		}
		must(t, put())
		must(t, db.Close())
		if published() {
			t.Error("Close has waited for a checkpoint")
		}
		db, err = openBare(proofDir, *o)
		must(t, err)
		pass(t.Context(), 5*slow)
		if n := db.Stats().Log.Segments; !published() || n > 2 {
			t.Errorf("an opening that was long enough has left %d segments", n)
		}
		must(t, db.Close())
	})
}
