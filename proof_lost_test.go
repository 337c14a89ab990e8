package godwit

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/folder"
)

// expectMissing opens and checks a folder that something is missing in. Both have
// to name the file, and only that.
func expectMissing(t *testing.T, what string, f *faultfs.FS, file string) {
	t.Helper()
	r, cerr := checkOn(t, f)
	must(t, cerr)
	_, oerr := openBare(proofDir, *onFaults(f))
	for by, err := range map[string]error{"Open": oerr, "check": errors.Join(r.Problems...)} {
		var c *CorruptionError
		if !errors.As(err, &c) || c.File != file {
			t.Errorf("%s is missing: %s says %v", what, by, err)
		}
	}
	if len(r.Problems) > 1 {
		t.Errorf("%s is missing: check says %v", what, r.Problems)
	}
}

// removeAll removes a file, or a folder with what is in it.
func removeAll(t *testing.T, f *faultfs.FS, path string) {
	t.Helper()
	var folders []string
	for _, name := range f.Names() {
		if name == path || strings.HasPrefix(name, path+string(filepath.Separator)) {
			must(t, f.Remove(name))
			if dir := filepath.Dir(name); len(dir) >= len(path) {
				folders = append(folders, dir)
			}
		}
	}
	for _, dir := range append(folders, path) {
		if info, err := f.Stat(dir); err == nil && info.IsDir {
			must(t, f.Remove(dir))
		}
	}
}

// Of a folder that was closed nothing can be lost unnoticed, nor of one that is
// killed, but for a segment that was just begun.
func TestProofWhatIsLostIsMissed(t *testing.T) {
	closed, _ := storedOnFaults(t, 1)
	in := func(names ...string) string { return filepath.Join(append([]string{proofDir}, names...)...) }
	missed := 0
	for _, name := range closed.Names() {
		c, err := closed.ReadFile(name)
		must(t, err)
		if !strings.HasSuffix(name, ".seg") || bytes.Count(c[:4096], []byte{0}) == 4096 {
			continue // it waits to become a segment
		}
		f := closed.Clone()
		must(t, f.Remove(name))
		missed++
		expectMissing(t, name, f, name)
	}
	if missed < 3 {
		t.Errorf("only %d segments", missed)
	}
	for _, name := range []string{in(folder.Reach), in(folder.Log)} {
		f := closed.Clone()
		removeAll(t, f, name)
		expectMissing(t, name, f, name)
	}
	for _, name := range []string{in(folder.Checkpoint, "MANIFEST"), in(folder.Checkpoint)} {
		f := closed.Clone()
		removeAll(t, f, name)
		expectMissing(t, name, f, in(folder.Checkpoint, "MANIFEST"))
	}
	f := closed.Clone()
	must(t, f.FlipBit(in(folder.Checkpoint, "MANIFEST"), 50, 1))
	expectMissing(t, "a bit of the manifest", f, in(folder.Checkpoint, "MANIFEST"))
}

// A database that was restored begins with its checkpoint.
func TestProofRestoredNeedsItsCheckpoint(t *testing.T) {
	f, want := storedOnFaults(t, 1)
	db, err := openBare(proofDir, *onFaults(f))
	must(t, err)
	var backup bytes.Buffer
	must(t, db.Backup(t.Context(), &backup))
	must(t, db.Close())
	for _, used := range []bool{false, true} {
		f := faultfs.New(1)
		must(t, restore(t.Context(), f, proofDir, bytes.NewReader(backup.Bytes())))
		if used {
			db, err := openBare(proofDir, *onFaults(f))
			must(t, err)
			if d := want.diff(mustDump(t, db)); d != "" {
				t.Fatal(d)
			}
			mustTable(t, db, "late", Hashed)
			must(t, db.Close())
		}
		removeAll(t, f, filepath.Join(proofDir, folder.Checkpoint))
		expectMissing(t, fmt.Sprintf("the checkpoint, used %v,", used), f, filepath.Join(proofDir, folder.Checkpoint, "MANIFEST"))
	}
}
