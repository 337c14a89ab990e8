package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
)

// problems runs Check and returns what it reports, and the error of Load.
func problems(t testing.TB, fsys env.FS, dir string) (found []error, load error) {
	t.Helper()
	m, _, load := Latest(fsys, dir)
	if load == nil {
		_, load = loadAll(fsys, dir, &m, 2)
	}
	checked, err := Check(fsys, dir, DatabaseID{}, func(problem error) { found = append(found, problem) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if checked.Problems != len(found) {
		t.Fatalf("%d problems counted, %d reported", checked.Problems, len(found))
	}
	return found, load
}

func TestDamagedFiles(t *testing.T) {
	fsys, dir := faultfs.New(1), "data/checkpoint"
	m := smallCheckpoint(t, fsys, dir)
	for _, name := range []string{ManifestFile, filepath.Join(m.Folder, PartFile(0)), filepath.Join(m.Folder, PartFile(1))} {
		path := filepath.Join(dir, name)
		whole, err := fsys.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		expect := func(what string, content []byte, at int) {
			t.Helper()
			if err := fsys.WriteFile(path, content); err != nil {
				t.Fatal(err)
			}
			found, load := problems(t, fsys, dir)
			for _, err := range append(found[:min(1, len(found))], load) {
				var corrupt *dberr.CorruptionError
				if !errors.As(err, &corrupt) || corrupt.File != path || corrupt.Offset > int64(at) {
					t.Fatalf("%s, %s at %d: %v", name, what, at, err)
				}
			}
			if len(found) == 0 {
				t.Fatalf("%s, %s at %d: Check finds nothing", name, what, at)
			}
		}
		for n := range whole {
			expect("cut", whole[:n], n)
		}
		for i := range whole {
			damaged := bytes.Clone(whole)
			damaged[i] ^= 1 << (i % 8)
			expect("flip", damaged, i)
		}
		expect("longer", append(bytes.Clone(whole), 0), len(whole))
		if err := fsys.WriteFile(path, whole); err != nil {
			t.Fatal(err)
		}
	}
	if found, load := problems(t, fsys, dir); len(found) > 0 || load != nil {
		t.Errorf("repaired: %v, %v", found, load)
	}
}

func TestWrongParts(t *testing.T) {
	fsys := faultfs.New(1)
	other := testOptions(9)
	other.Database[0]++
	older := testOptions(8)
	otherTables := testOptions(9)
	otherTables.Tables = slices.Clone(testTables)
	otherTables.Tables[0].Kind++
	one := []testEntry{{7, []byte("a"), []byte("1")}}
	for name, c := range map[string]struct {
		opts  Options
		part  int
		want  error
		parts [][]testEntry
	}{
		"other database": {other, 0, ErrForeignDatabase, [][]testEntry{one}},
		"older":          {older, 0, dberr.ErrCorrupt, [][]testEntry{one}},
		"other number":   {testOptions(9), 1, dberr.ErrCorrupt, [][]testEntry{one, one}},
		"other content":  {testOptions(9), 0, dberr.ErrCorrupt, [][]testEntry{{{7, []byte("a"), []byte("2")}}}},
		"other tables":   {otherTables, 0, dberr.ErrCorrupt, [][]testEntry{one}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, otherDir := "a/"+name, "b/"+name
			m := mustBuild(t, fsys, dir, testOptions(9), one)
			mOther := mustBuild(t, fsys, otherDir, c.opts, c.parts...)
			b, err := fsys.ReadFile(filepath.Join(otherDir, mOther.Folder, PartFile(c.part)))
			if err != nil {
				t.Fatal(err)
			}
			if err := fsys.WriteFile(filepath.Join(dir, m.Folder, PartFile(0)), b); err != nil {
				t.Fatal(err)
			}
			found, load := problems(t, fsys, dir)
			if len(found) == 0 || !errors.Is(found[0], c.want) || !errors.Is(load, c.want) {
				t.Errorf("Check: %v, Load: %v", found, load)
			}
			// What the header tells is noticed before anything is applied.
			var corrupt *dberr.CorruptionError
			if early := c.opts.Timestamp != m.Timestamp || c.part != 0; early && (!errors.As(load, &corrupt) || corrupt.Offset != 0) {
				t.Errorf("Load: %v, want offset 0", load)
			}
		})
	}
	t.Run("tables of the manifest", func(t *testing.T) {
		dir := t.Name()
		m := mustBuild(t, fsys, dir, testOptions(9), one)
		m.Tables = otherTables.Tables
		if _, err := loadAll(fsys, dir, &m, 1); !errors.Is(err, dberr.ErrCorrupt) {
			t.Errorf("Load: %v", err)
		}
	})
	t.Run("missing", func(t *testing.T) {
		dir := t.Name()
		m := smallCheckpoint(t, fsys, dir)
		path := filepath.Join(dir, m.Folder, PartFile(1))
		if err := fsys.Remove(path); err != nil {
			t.Fatal(err)
		}
		found, load := problems(t, fsys, dir)
		var corrupt *dberr.CorruptionError
		if len(found) != 1 || !errors.As(found[0], &corrupt) || corrupt.File != path || !errors.Is(load, dberr.ErrCorrupt) {
			t.Errorf("Check: %v, Load: %v", found, load)
		}
	})
	t.Run("foreign checkpoint", func(t *testing.T) {
		dir := t.Name()
		m := smallCheckpoint(t, fsys, dir)
		if err := m.ExpectDatabase(DatabaseID{9}); !errors.Is(err, ErrForeignDatabase) {
			t.Error(err)
		}
		if err := m.ExpectDatabase(testHeader.Database); err != nil {
			t.Error(err)
		}
		var found []error
		if _, err := Check(fsys, dir, DatabaseID{9}, func(p error) { found = append(found, p) }, nil); err != nil ||
			len(found) != 1 || !errors.Is(found[0], ErrForeignDatabase) {
			t.Errorf("Check: %v, %v", found, err)
		}
	})
}

// Check finds all damaged blocks of a part, not only the first.
func TestCheckGoesOn(t *testing.T) {
	fsys, dir := faultfs.New(1), "data/checkpoint"
	var entries []testEntry
	for i := range 20 {
		entries = append(entries, testEntry{7, []byte{byte(i)}, bytes.Repeat([]byte{byte(i)}, BlockTargetBytes/2+1)})
	}
	m := mustBuild(t, fsys, dir, testOptions(1), entries, entries)
	var want []string
	for part := range 2 {
		path := filepath.Join(dir, m.Folder, PartFile(part))
		b, err := fsys.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := streamBlocks(t, b)
		for _, i := range []int{0, 1, 7, 20 + part} { // 0 is the table directory, 21 the footer
			b[at[i]+blockHeaderBytes+3] ^= 1
			want = append(want, fmt.Sprintf("%s is corrupt at offset %d", path, at[i]))
		}
		if err := fsys.WriteFile(path, b); err != nil {
			t.Fatal(err)
		}
	}
	found, _ := problems(t, fsys, dir)
	if len(found) != len(want) {
		t.Fatalf("%d problems, want %d: %v", len(found), len(want), found)
	}
	for i := range want {
		if !strings.Contains(found[i].Error(), want[i]) {
			t.Errorf("problem %d is %v, want %s", i, found[i], want[i])
		}
	}
	checked, err := Check(fsys, dir, DatabaseID{}, func(error) {}, nil)
	if err != nil || checked.Blocks != 40-5 || checked.Bytes != m.Total().Bytes {
		t.Errorf("checked %+v of %+v, error %v", checked, m.Total(), err)
	}

	// Behind a damaged block header nothing can be found, and that is said.
	path := filepath.Join(dir, m.Folder, PartFile(0))
	b, err := fsys.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := streamBlocks(t, b)[10]
	b[at] ^= 1
	if err := fsys.WriteFile(path, b); err != nil {
		t.Fatal(err)
	}
	found, _ = problems(t, fsys, dir)
	text := fmt.Sprint(found)
	if !strings.Contains(text, fmt.Sprintf("corrupt at offset %d", at)) || !strings.Contains(text, fmt.Sprintf("%d bytes from offset %d on", int64(len(b))-at, at)) {
		t.Errorf("problems %v, want offset %d", text, at)
	}
}

func TestCheckCanBeEnded(t *testing.T) {
	fsys, dir := faultfs.New(1), "data/checkpoint"
	smallCheckpoint(t, fsys, dir)
	if _, err := Check(fsys, dir, DatabaseID{}, func(p error) { t.Error(p) }, func(bytes, entries int64) error { return errTest }); !errors.Is(err, errTest) {
		t.Errorf("error %v", err)
	}
	if checked, err := Check(fsys, "nothing", DatabaseID{}, func(p error) { t.Error(p) }, nil); err != nil || checked.Found {
		t.Errorf("nothing to check: %+v, %v", checked, err)
	}
}

func TestCheckBackup(t *testing.T) {
	whole := smallStream(t)
	check := func(b []byte, id DatabaseID) (found []error) {
		checked, err := CheckBackup(bytes.NewReader(b), "backup", id, func(p error) { found = append(found, p) }, nil)
		if err != nil || checked.Problems != len(found) {
			t.Fatalf("checked %+v, error %v", checked, err)
		}
		if len(found) == 0 && (checked.Entries != 4 || checked.Blocks != 3 || checked.Bytes != int64(len(whole))) {
			t.Fatalf("checked %+v", checked)
		}
		return found
	}
	if found := check(whole, testHeader.Database); len(found) != 0 {
		t.Fatal(found)
	}
	if found := check(whole, DatabaseID{9}); len(found) != 1 || !errors.Is(found[0], ErrForeignDatabase) {
		t.Fatal(found)
	}
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 0x10
		if found := check(b, DatabaseID{}); len(found) == 0 || !errors.Is(found[0], dberr.ErrCorrupt) {
			t.Fatalf("byte %d damaged: %v", i, found)
		}
		if found := check(whole[:i], DatabaseID{}); len(found) == 0 || !errors.Is(found[0], dberr.ErrCorrupt) {
			t.Fatalf("cut after %d bytes: %v", i, found)
		}
	}
	// All damaged bodies are found.
	b := bytes.Clone(whole)
	at := streamBlocks(t, b)
	for i := range len(at) - 1 {
		b[at[i]+blockHeaderBytes] ^= 1
	}
	if found := check(b, DatabaseID{}); len(found) != len(at)-1 {
		t.Errorf("%d of %d damaged blocks found: %v", len(found), len(at)-1, found)
	}
}

// Blocks whose checksum is right and whose content is not.
func TestCheckOfForgedBlocks(t *testing.T) {
	one := []byte{1, 1, 'k', 'v'}
	stream := newForge(testHeader).tables(testTables...).data(7, 1, one).data(3, 1, one).data(7, 2, one).data(1, 1, one).footer().out
	at := streamBlocks(t, stream)
	var offsets []int64
	checked, err := CheckBackup(bytes.NewReader(stream), "backup", DatabaseID{}, func(p error) {
		var corrupt *dberr.CorruptionError
		if !errors.As(p, &corrupt) {
			t.Fatal(p)
		}
		offsets = append(offsets, corrupt.Offset)
	}, nil)
	if want := []int64{at[2], at[3]}; err != nil || !slices.Equal(offsets, want) || checked.Blocks != 2 {
		t.Errorf("checked %+v, problems at %v, want %v, error %v", checked, offsets, want, err)
	}
}

func TestLargeManifestIsNotRead(t *testing.T) {
	fsys := newFaultFS(t, 1)
	f, err := fsys.Create(filepath.Join(filepath.Dir(faultDir), ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(manifestBytesMax + 1); err != nil {
		t.Fatal(err)
	}
	reads := fsys.Count(faultfs.OpRead)
	if _, _, err := Latest(fsys, filepath.Dir(faultDir)); !errors.Is(err, dberr.ErrCorrupt) || fsys.Count(faultfs.OpRead) != reads {
		t.Errorf("error %v", err)
	}
}
