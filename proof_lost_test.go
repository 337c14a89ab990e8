package godwit

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/internal/env/faultfs"
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
	for _, name := range []string{in(reachName), in(logFolder)} {
		f := closed.Clone()
		removeAll(t, f, name)
		expectMissing(t, name, f, name)
	}
	for _, name := range []string{in(checkpointFolder, "MANIFEST"), in(checkpointFolder)} {
		f := closed.Clone()
		removeAll(t, f, name)
		expectMissing(t, name, f, in(checkpointFolder, "MANIFEST"))
	}
	f := closed.Clone()
	must(t, f.FlipBit(in(checkpointFolder, "MANIFEST"), 50, 1))
	expectMissing(t, "a bit of the manifest", f, in(checkpointFolder, "MANIFEST"))
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
		removeAll(t, f, filepath.Join(proofDir, checkpointFolder))
		expectMissing(t, fmt.Sprintf("the checkpoint, used %v,", used), f, filepath.Join(proofDir, checkpointFolder, "MANIFEST"))
	}
}

// makeFormat1 makes of a folder what the format before had.
func makeFormat1(t *testing.T, f *faultfs.FS) {
	t.Helper()
	s := &store{fs: f, dir: proofDir}
	must(t, s.identify())
	must(t, f.Remove(filepath.Join(proofDir, reachName)))
	must(t, f.WriteFile(filepath.Join(proofDir, identityName), formatIdentity(1, s.id)))
}

// Open brings a folder of the format before to this one, whenever a power loss
// interrupts it.
func TestProofUpgrade(t *testing.T) {
	f, want := storedOnFaults(t, 1)
	makeFormat1(t, f)
	if r, err := checkOn(t, f); err != nil || len(r.Problems) > 0 || r.LogTransactions == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var left []*faultfs.FS
	f.SetHook(func(op faultfs.Op) error {
		if op.Kind.Changes() {
			left = append(left, f.Crash(rng), f.Clone())
		}
		return nil
	})
	db, err := openBare(proofDir, *onFaults(f))
	must(t, err)
	f.SetHook(nil)
	must(t, db.Close())
	formats := map[int]int{}
	for _, f := range append(left, f) {
		s := &store{fs: f, dir: proofDir}
		must(t, s.identify())
		formats[s.format]++
		must(t, tryOpen(t, fmt.Sprintf("format %d", s.format), f, want))
		must(t, s.identify())
		if s.format != folderFormat {
			t.Fatalf("it has format %d after it was opened", s.format)
		}
		removeAll(t, f, filepath.Join(proofDir, logFolder))
		expectMissing(t, "the log", f, filepath.Join(proofDir, logFolder))
	}
	if formats[1] < 5 || formats[2] < 5 {
		t.Errorf("formats when the power was lost: %v", formats)
	}
}
