package godwit

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/internal/wal"
)

// filled makes a data folder with a checkpoint and a log behind it.
func filled(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	db, err := Open(dir, small())
	must(t, err)
	table := mustTable(t, db, "t", Ordered)
	put := func(from, to int) {
		for i := from; i < to; i++ {
			must(t, db.Update(t.Context(), func(tx *Tx) error {
				return tx.Put(table, fmt.Appendf(nil, "%06d", i), []byte(strings.Repeat("v", 500)))
			}))
		}
	}
	put(0, 200)
	must(t, db.Checkpoint(t.Context()))
	put(200, 400)
	must(t, db.Close())
	return dir
}

func TestCheckOfAnIntactFolder(t *testing.T) {
	r, err := Check(t.Context(), filled(t))
	must(t, err)
	if len(r.Problems) != 0 || !r.Checkpoint || r.CheckpointRecords < 200 || r.LogTransactions < 200 || !r.Clean {
		t.Fatalf("%+v", r)
	}
}

func TestDamageIsFoundAndNamed(t *testing.T) {
	intact := filled(t)
	var files []string
	must(t, filepath.WalkDir(intact, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != folder.Lock {
			name, _ := filepath.Rel(intact, path)
			files = append(files, name)
		}
		return err
	}))
	found := map[string]int{}
	for _, name := range files {
		content, err := os.ReadFile(filepath.Join(intact, name))
		must(t, err)
		for _, at := range []int{0, 20, 4096, 4100, len(content) / 3, len(content) / 2} {
			if at >= len(content) {
				continue
			}
			dir := t.TempDir()
			must(t, os.CopyFS(dir, os.DirFS(intact)))
			damaged := append([]byte(nil), content...)
			damaged[at] ^= 0x10
			file := filepath.Join(dir, name)
			must(t, os.WriteFile(file, damaged, 0o644))
			if tryDamaged(t, dir, file, at) {
				found[filepath.Dir(name)]++
			}
		}
	}
	for _, part := range []string{".", folder.Log, folder.Checkpoint} {
		if found[part] < 2 {
			t.Errorf("%d damaged places were found in %s, of %v", found[part], part, files)
		}
	}
}

// tryDamaged checks and opens a folder in which a byte of a file was changed. It
// tells whether that byte counts: where nothing is stored, opening has to give
// all data.
func tryDamaged(t *testing.T, dir, file string, at int) bool {
	t.Helper()
	r, err := Check(t.Context(), dir)
	must(t, err)
	db, err := Open(dir, small())
	if len(r.Problems) == 0 {
		if err != nil {
			t.Fatalf("%s, byte %d: check finds nothing, open says %v", file, at, err)
		}
		expectKeys(t, db, 400)
		must(t, db.Close())
		return false
	}
	if err == nil {
		t.Fatalf("%s, byte %d: opened with damage %v", file, at, r.Problems)
	}
	var where *CorruptionError
	switch {
	case errors.As(err, &where):
		if where.File != file {
			t.Errorf("%s, byte %d: the error names %s", file, at, where.File)
		}
	case !errors.Is(err, ErrNewerFormat):
		t.Errorf("%s, byte %d: %v does not name file and offset", file, at, err)
	}
	return true
}

func expectKeys(t *testing.T, db *DB, want int) {
	t.Helper()
	table, err := db.Table("t")
	must(t, err)
	must(t, db.View(t.Context(), func(tx *Tx) error {
		n := 0
		for range tx.Scan(table, Range{}) {
			n++
		}
		if n != want {
			return fmt.Errorf("%d keys, want %d", n, want)
		}
		return nil
	}))
}

func TestCheckRefuses(t *testing.T) {
	if _, err := Check(t.Context(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := Check(t.Context(), t.TempDir()); err == nil {
		t.Error("an empty folder passed")
	}
	dir := t.TempDir()
	db := openDB(t, dir, small())
	if _, err := Check(t.Context(), dir); !errors.Is(err, ErrLocked) {
		t.Error(err)
	}
	if _, err := Open(dir, small()); !errors.Is(err, ErrLocked) {
		t.Error(err)
	}
	must(t, db.Close())
}

// A folder of somebody else's is left as it is, by everything that refuses it.
func TestForeignFolderStaysAsItIs(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "letter"), []byte("dear"), 0o600))
	_, oerr := Open(dir, small())
	_, cerr := Check(t.Context(), dir)
	for what, err := range map[string]error{"Open": oerr, "Check": cerr, "Restore": Restore(t.Context(), dir, strings.NewReader(""))} {
		if err == nil || !strings.Contains(err.Error(), "no database") {
			t.Errorf("%s: %v", what, err)
		}
	}
	names, err := os.ReadDir(dir)
	must(t, err)
	if len(names) != 1 || names[0].Name() != "letter" {
		t.Errorf("the folder holds %v now", names)
	}
	if _, err := Check(t.Context(), filepath.Join(dir, "letter")); err == nil || !strings.Contains(err.Error(), "no folder") {
		t.Errorf("Check of a file: %v", err)
	}
}

// Of a format of another version only that is said.
func TestFoldersOfOtherVersions(t *testing.T) {
	dir := filled(t)
	name := filepath.Join(dir, folder.IdentityFile)
	text, err := os.ReadFile(name)
	must(t, err)
	log := filepath.Join(dir, folder.Log, "0000000000000001.seg")
	was, err := os.ReadFile(log)
	must(t, err)
	for format, want := range map[string]error{"format 1": ErrOlderFormat, "format 2": ErrOlderFormat, "format 5": ErrNewerFormat} {
		must(t, os.WriteFile(name, []byte(strings.Replace(string(text), "format 4", format, 1)), 0o600))
		r, err := Check(t.Context(), dir)
		must(t, err)
		if len(r.Problems) != 1 || !errors.Is(r.Problems[0], want) {
			t.Errorf("%v", r.Problems)
		}
		if db, err := Open(dir, nil); !errors.Is(err, want) {
			t.Errorf("%s: %v, %v", format, db, err)
		}
		if is, err := os.ReadFile(log); err != nil || !bytes.Equal(is, was) {
			t.Errorf("%s: the log has changed: %v", format, err)
		}
	}
}

// A replica's folder is no embedded database's.
func TestFolderOfAReplica(t *testing.T) {
	dir := t.TempDir()
	f, err := folder.Hold(env.OS(), dir)
	must(t, err)
	must(t, f.Name(folder.Identity{ID: [16]byte{1}, Node: 2}))
	must(t, f.Close())
	if db, err := Open(dir, nil); !errors.Is(err, ErrForeignFolder) || !strings.Contains(err.Error(), "node 2") {
		t.Errorf("%v, %v", db, err)
	}
	if r, err := Check(t.Context(), dir); err != nil || r.Replica == nil || len(r.Problems) != 2 { // BALLOT and REACH are missing
		t.Errorf("check: %+v, %v", r, err)
	}
	if err := Restore(t.Context(), dir, strings.NewReader("")); !errors.Is(err, ErrForeignFolder) {
		t.Errorf("restore: %v", err)
	}
}

// checkOn checks the folder on f, which that must not change.
func checkOn(t *testing.T, f *faultfs.FS) (*CheckReport, error) {
	t.Helper()
	names := f.Names()
	before := diskContent(t, f)
	f.SetHook(func(op faultfs.Op) error {
		if op.Kind.Changes() {
			t.Errorf("check does %v", op)
		}
		return nil
	})
	defer f.SetHook(nil)
	r, err := check(t.Context(), f, proofDir)
	must(t, sameDisk(before, diskContent(t, f)))
	if now := f.Names(); !slices.Equal(now, names) {
		t.Errorf("check changed the files from %v to %v", names, now)
	}
	return r, err
}

func TestCheckChangesNothing(t *testing.T) {
	f, _ := storedOnFaults(t, 1)
	for _, locked := range []bool{true, false} {
		if !locked {
			must(t, f.Remove(filepath.Join(proofDir, folder.Lock)))
		}
		r, err := checkOn(t, f)
		if err != nil || len(r.Problems) > 0 || r.LogTransactions == 0 || r.CheckpointRecords == 0 {
			t.Errorf("with a lock file %v: %+v, %v", locked, r, err)
		}
	}
}

// Nobody opens a folder unnoticed while it is checked.
func TestCheckKeepsOthersOut(t *testing.T) {
	for _, locked := range []bool{true, false} {
		f, _ := storedOnFaults(t, 1)
		if !locked {
			must(t, f.Remove(filepath.Join(proofDir, folder.Lock)))
		}
		opened, others := false, 0
		f.SetHook(func(op faultfs.Op) error {
			if op.Kind != faultfs.OpRead || opened {
				return nil
			}
			opened = true
			if _, err := check(t.Context(), f, proofDir); err == nil {
				others++
			}
			db, err := Open(proofDir, onFaults(f))
			if locked != errors.Is(err, ErrLocked) {
				t.Errorf("Open while it is checked, with a lock file %v: %v", locked, err)
			}
			if err == nil {
				must(t, db.Close())
			}
			return nil
		})
		_, err := check(t.Context(), f, proofDir)
		if locked != (err == nil) || !locked && !errors.Is(err, ErrLocked) {
			t.Errorf("with a lock file %v: %v", locked, err)
		}
		if !opened || others != 1 {
			t.Errorf("opened %v, %d other checks", opened, others)
		}
	}
}

// Without the file that says which database it is, the rest is verified as ever.
func TestCheckWithoutIdentity(t *testing.T) {
	intact, _ := storedOnFaults(t, 1)
	want, err := checkOn(t, intact)
	must(t, err)
	name := filepath.Join(proofDir, folder.IdentityFile)
	for what, damage := range map[string]func(*faultfs.FS) error{
		"lost":   func(f *faultfs.FS) error { return f.Remove(name) },
		"rotten": func(f *faultfs.FS) error { return f.FlipBit(name, 40, 2) }, // in the id
	} {
		f := intact.Clone()
		must(t, damage(f))
		r, err := checkOn(t, f)
		must(t, err)
		var c *CorruptionError
		if len(r.Problems) != 1 || !errors.As(r.Problems[0], &c) || c.File != name {
			t.Fatalf("%s: %v", what, r.Problems)
		}
		r.Problems, r.ID = nil, want.ID
		if got, want := fmt.Sprintf("%+v", r), fmt.Sprintf("%+v", want); got != want {
			t.Errorf("%s: %s, and with it %s", what, got, want)
		}
		segment := ""
		for _, name := range f.Names() {
			if strings.HasSuffix(name, ".seg") {
				segment = name
				break
			}
		}
		must(t, f.FlipBit(segment, 5000, 1))
		if r, err = checkOn(t, f); err != nil || len(r.Problems) != 2 {
			t.Errorf("%s, and a bit of %s: %v, %v", what, segment, r.Problems, err)
		}
		if db, err := Open(proofDir, onFaults(f)); err == nil {
			t.Error(what, "it opens", db.Close())
		} else if !strings.Contains(err.Error(), folder.IdentityFile) {
			t.Errorf("%s: Open says %v", what, err)
		}
	}
}

// A replica's folder is verified, too: what is damaged of its log and its ballot is named.
func TestCheckOfAReplica(t *testing.T) {
	dir, id := t.TempDir(), wal.DatabaseID{7}
	f, err := folder.Hold(env.OS(), dir)
	must(t, err)
	must(t, wal.CreateReach(f.FS, f.Path(folder.Reach), id, wal.Reach{}))
	must(t, wal.CreateBallot(f.FS, f.Path(folder.Ballot), id, wal.Ballot{}, rand.New(rand.NewPCG(1, 2))))
	must(t, f.Name(folder.Identity{ID: id, Node: 3}))
	tape, _, err := wal.OpenTape(wal.TapeOptions{FS: f.FS, Rand: rand.New(rand.NewPCG(3, 4)), Dir: f.Path(folder.Log), Reach: f.Path(folder.Reach), ID: id})
	must(t, err)
	for n := wal.RoundNumber(1); n <= 9; n++ {
		must(t, tape.Append([]wal.Round{{Number: n, Epoch: wal.Epoch(n), Kind: wal.RoundOpen}}))
	}
	must(t, errors.Join(tape.Sync(), tape.Close(), f.Close()))
	r, err := Check(t.Context(), dir)
	must(t, err)
	if len(r.Problems) != 0 || r.Replica == nil || r.Replica.Node != 3 || r.LogSegments != 1 {
		t.Fatalf("%+v", r)
	}
	segment := filepath.Join(dir, folder.Log, "0000000000000001.seg")
	for _, name := range []string{segment, filepath.Join(dir, folder.Ballot)} {
		content, err := os.ReadFile(name)
		must(t, err)
		content[4*1024+40] ^= 1
		must(t, os.WriteFile(name, content, 0o600))
	}
	r, err = Check(t.Context(), dir)
	must(t, err)
	if len(r.Problems) != 2 || !strings.Contains(errors.Join(r.Problems...).Error(), "rounds 1 to 1") {
		t.Errorf("%v", r.Problems)
	}
}
