package godwit

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/folder"
)

// restoreRun restores to disks that die on the way.
type restoreRun struct {
	t      *testing.T
	rng    *rand.Rand
	backup []byte
	want   content
	// halves and wholes count the disks with half a restore, and with all of it.
	halves, wholes int
}

func (r *restoreRun) open(f *faultfs.FS) (*DB, error) {
	o := onFaults(f)
	o.LogSegmentBytes = 32 << 10 // quickly made
	return openBare(proofDir, *o)
}

// interrupt runs restore on f, and returns what is left of the disk by power losses and
// by the death of the process before every change.
func (r *restoreRun) interrupt(f *faultfs.FS, losses int, restore func(f *faultfs.FS)) map[string]*faultfs.FS {
	left := map[string]*faultfs.FS{}
	f.SetHook(func(op faultfs.Op) error {
		if op.Kind.Changes() {
			left[fmt.Sprintf("process dead before %v", op)] = f.Clone()
			for i := range losses {
				left[fmt.Sprintf("power loss %d before %v", i, op)] = f.Crash(r.rng)
			}
		}
		return nil
	})
	restore(f)
	f.SetHook(nil)
	return left
}

// settle demands of what is left that Open and Check tell whether it is whole, and that
// it is after another restore at the latest.
func (r *restoreRun) settle(what string, f *faultfs.FS) {
	t := r.t
	names := map[string]bool{}
	for _, name := range f.Names() {
		names[filepath.Base(name)] = true
	}
	whole := false
	switch db, err := r.open(f.Clone()); {
	case errors.Is(err, ErrHalfRestored):
		r.halves++
		if _, err := check(t.Context(), f, proofDir); !errors.Is(err, ErrHalfRestored) {
			t.Errorf("%s: check: %v", what, err)
		}
	case err != nil:
		t.Errorf("%s: open: %v", what, err)
	default:
		got := mustDump(t, db)
		whole = len(got) > 0
		if whole {
			r.wholes++
			if d := r.want.diff(got); d != "" {
				t.Errorf("%s: opened, but %s", what, d)
			}
			r.lose(what, db)
		} else if names[folder.Restoring] || names[checkpoint.ManifestFile] {
			t.Errorf("%s: half of a restore was taken for a new database", what)
		}
		must(t, db.Close())
	}
	err := restore(t.Context(), f, proofDir, bytes.NewReader(r.backup))
	if whole != (err != nil) {
		t.Errorf("%s: restored again: %v", what, err)
	}
	if whole {
		return
	}
	db, err := r.open(f.Crash(r.rng))
	if err != nil {
		t.Errorf("%s: restored again, and opened: %v", what, err)
		return
	}
	if d := r.want.diff(mustDump(t, db)); d != "" {
		t.Errorf("%s: restored again, but %s", what, d)
	}
	must(t, db.Close())
}

// lose demands that what is written to a restored database survives a power loss, though
// the restore has not come to its end.
func (r *restoreRun) lose(what string, db *DB) {
	table, err := db.Table("t")
	must(r.t, err)
	must(r.t, db.Update(r.t.Context(), func(tx *Tx) error { return tx.Put(table, []byte("new"), nil) }))
	again, err := r.open(db.opts.fs.(*faultfs.FS).Crash(r.rng))
	if err != nil {
		r.t.Errorf("%s: opened, written to, and after a power loss: %v", what, err)
		return
	}
	if _, ok := mustDump(r.t, again)["t"]["new"]; !ok {
		r.t.Errorf("%s: opened, and after a power loss what was written is gone", what)
	}
	must(r.t, again.Close())
}

// A restore that dies, and one that dies while it begins anew in what another has left,
// leave a folder that is whole or is known not to be, and can be restored to.
func TestProofRestoreDies(t *testing.T) {
	source := memDB(t)
	table := mustTable(t, source, "t", Ordered)
	must(t, source.Update(t.Context(), func(tx *Tx) error {
		return errors.Join(tx.Put(table, []byte("k"), make([]byte, 5000)), tx.Put(table, []byte("l"), nil))
	}))
	var backup bytes.Buffer
	must(t, source.Backup(t.Context(), &backup))
	r := &restoreRun{t: t, rng: rand.New(rand.NewPCG(1, 1)), backup: backup.Bytes(), want: mustDump(t, source)}
	good := func(f *faultfs.FS) { _ = restore(t.Context(), f, proofDir, bytes.NewReader(r.backup)) }
	damaged := bytes.Clone(r.backup)
	damaged[len(damaged)-1] ^= 1
	bad := func(f *faultfs.FS) { _ = restore(t.Context(), f, proofDir, bytes.NewReader(damaged)) }
	for _, first := range []func(*faultfs.FS){good, bad} {
		left := r.interrupt(faultfs.New(1), 2, first)
		for i, what := range slices.Sorted(maps.Keys(left)) {
			again := left[what].Clone()
			r.settle(what, left[what])
			if i%40 != 0 {
				continue
			}
			more := r.interrupt(again, 1, good)
			for _, then := range slices.Sorted(maps.Keys(more)) {
				r.settle(what+", then "+then, more[then])
			}
		}
	}
	if r.halves < 20 || r.wholes < 3 {
		t.Errorf("%d were left half, %d whole", r.halves, r.wholes)
	}
}
