package godwit

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/godwitdb/godwit/internal/env/faultfs"
)

// aBackup returns one with a table.
func aBackup(t *testing.T) []byte {
	db := memDB(t)
	table := mustTable(t, db, "t", Ordered)
	must(t, db.Update(t.Context(), func(tx *Tx) error { return tx.Put(table, []byte("k"), make([]byte, 5000)) }))
	var backup bytes.Buffer
	must(t, db.Backup(t.Context(), &backup))
	return backup.Bytes()
}

// A restore that fails leaves the folder as it was, so that it can be tried again.
func TestRestoreCanBeTriedAgain(t *testing.T) {
	backup := aBackup(t)
	damaged := bytes.Clone(backup)
	damaged[len(damaged)/2] ^= 1
	broken := errors.New("of the test")
	for what, c := range map[string]struct {
		from io.Reader
		want error
	}{
		"nothing":            {strings.NewReader(""), ErrCorrupt},
		"half":               {bytes.NewReader(backup[:len(backup)/2]), ErrCorrupt},
		"damaged":            {bytes.NewReader(damaged), ErrCorrupt},
		"more":               {bytes.NewReader(append(bytes.Clone(backup), 0)), ErrCorrupt},
		"twice":              {bytes.NewReader(slices.Concat(backup, backup)), ErrCorrupt},
		"failing":            {io.MultiReader(bytes.NewReader(backup[:len(backup)/2]), iotest.ErrReader(broken)), broken},
		"failing at its end": {io.MultiReader(bytes.NewReader(backup), iotest.ErrReader(broken)), broken},
	} {
		dir := t.TempDir()
		if err := Restore(t.Context(), dir, c.from); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
		if err := Restore(t.Context(), dir, bytes.NewReader(backup)); err != nil {
			t.Errorf("after %s: %v", what, err)
		}
	}
	err := Restore(t.Context(), "", bytes.NewReader(backup))
	if err == nil || !strings.Contains(err.Error(), "no folder given") {
		t.Errorf("restored to no folder: %v", err)
	}
}

// Likewise if an operation on the disk fails.
func TestRestoreCanBeTriedAgainAfterAFault(t *testing.T) {
	backup := aBackup(t)
	broken := errors.New("of the test")
	for n := 1; ; n++ {
		f := faultfs.New(uint64(n))
		seen := 0
		f.SetHook(func(op faultfs.Op) error {
			if seen++; seen == n {
				return broken
			}
			return nil
		})
		err := restore(t.Context(), f, proofDir, bytes.NewReader(backup))
		f.SetHook(nil)
		if seen < n {
			must(t, err)
			break
		}
		if err != nil {
			must(t, restore(t.Context(), f, proofDir, bytes.NewReader(backup)))
		}
		db, err := Open(proofDir, onFaults(f))
		must(t, err)
		_, err = db.Table("t")
		must(t, err)
		must(t, db.Close())
	}
}
