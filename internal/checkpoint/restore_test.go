package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
)

func TestRestore(t *testing.T) {
	fsys := env.OS()
	entries := nastyEntries(rand.New(rand.NewPCG(9, 10)))
	var backup bytes.Buffer
	writeStream(t, &backup, testHeader, testTables, entries)
	want := sorted(entries)
	newID := DatabaseID{42}
	for _, id := range []DatabaseID{{}, newID} {
		dir := filepath.Join(t.TempDir(), "checkpoint")
		blocks := 0
		m, err := Restore(fsys, dir, bytes.NewReader(backup.Bytes()), "backup", RestoreOptions{
			Database: id, Godwit: "test", Created: testCreated,
			AfterBlock: func(bytes, entries int64) error { blocks++; return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		wantID := testHeader.Database
		if id == newID {
			wantID = newID
		}
		if m.Database != wantID || m.Timestamp != testHeader.Timestamp || !slices.Equal(m.Tables, testTables) || int64(blocks) <= m.Total().Blocks {
			t.Errorf("manifest %+v after %d blocks", m, blocks)
		}
		got, err := loadAll(fsys, dir, &m, 2)
		if err != nil || !slices.EqualFunc(got, want, equalEntries) {
			t.Errorf("restored %d entries of %d, error %v", len(got), len(want), err)
		}
		if _, err := Restore(fsys, dir, bytes.NewReader(backup.Bytes()), "backup", RestoreOptions{}); !errors.Is(err, errNotEmpty) {
			t.Errorf("restored over a checkpoint: %v", err)
		}
	}
}

func TestRestoreOfDamagedBackup(t *testing.T) {
	fsys := faultfs.New(1)
	whole := smallStream(t)
	part := testHeader
	part.Kind = PartStream
	var partStream bytes.Buffer
	writeStream(t, &partStream, part, testTables, nil)
	damaged := [][]byte{partStream.Bytes()}
	for i := 0; i < len(whole); i += 7 {
		b := bytes.Clone(whole)
		b[i] ^= 1
		damaged = append(damaged, b, whole[:i])
	}
	for i, b := range damaged {
		dir := fmt.Sprintf("restored%d/checkpoint", i)
		if _, err := Restore(fsys, dir, bytes.NewReader(b), "backup", RestoreOptions{}); !errors.Is(err, dberr.ErrCorrupt) {
			t.Fatalf("error %v", err)
		}
		if _, found, err := Latest(fsys, dir); found || err != nil {
			t.Fatalf("damaged backup was published: %v, %v", found, err)
		}
		if names, err := fsys.List(dir); err == nil && len(names) > 0 {
			t.Fatalf("damaged backup left %v", names)
		}
	}
}

// TestRestoreFaults lets each operation of a restore fail: nothing of it is
// left, and it can be done again.
func TestRestoreFaults(t *testing.T) {
	injected := errors.New("injected")
	whole := smallStream(t)
	kinds := []faultfs.OpKind{faultfs.OpCreate, faultfs.OpOpen, faultfs.OpWrite, faultfs.OpSync, faultfs.OpMkdir, faultfs.OpRename, faultfs.OpSyncDir}
	for _, kind := range kinds {
		for n := 1; ; n++ {
			fsys := &handleFS{FS: newFaultFS(t, uint64(n))}
			fsys.Fail(kind, n, 1, injected)
			before := fsys.Count(kind)
			_, err := Restore(fsys, faultDir, bytes.NewReader(whole), "backup", RestoreOptions{})
			if fsys.Count(kind)-before < n {
				if err != nil || n == 1 {
					t.Fatalf("%v fails %d times, error %v", kind, n-1, err)
				}
				break
			}
			if !errors.Is(err, injected) || fsys.open.Load() != 0 {
				t.Fatalf("%v %d failed: %v, %d files open", kind, n, err, fsys.open.Load())
			}
			m, found, err := Latest(fsys, faultDir)
			if err != nil {
				t.Fatal(err)
			}
			if !found {
				if _, err := Cleanup(fsys, faultDir); err != nil {
					t.Fatal(err)
				}
				if m, err = Restore(fsys, faultDir, bytes.NewReader(whole), "backup", RestoreOptions{}); err != nil {
					t.Fatalf("%v %d failed, and then: %v", kind, n, err)
				}
			}
			if got, err := loadAll(fsys, faultDir, &m, 2); err != nil || len(got) != 4 {
				t.Fatalf("%v %d failed, then %d entries, error %v", kind, n, len(got), err)
			}
		}
	}
}

// The error of AfterBlock ends a restore.
func TestRestoreCanBeEnded(t *testing.T) {
	fsys := newFaultFS(t, 1)
	_, err := Restore(fsys, faultDir, bytes.NewReader(smallStream(t)), "backup", RestoreOptions{
		AfterBlock: func(_, entries int64) error {
			if entries == 1 {
				return errTest
			}
			return nil
		},
	})
	if !errors.Is(err, errTest) {
		t.Fatalf("error %v", err)
	}
	if names := fsys.Names(); len(names) > 0 {
		t.Errorf("it left %v", names)
	}
}
