package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/hlc"
)

var testCreated = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func testOptions(ts hlc.Timestamp) Options {
	return Options{Database: testHeader.Database, Timestamp: ts, Tables: testTables, Godwit: "test"}
}

// buildParts begins a checkpoint and writes its parts.
func buildParts(fsys env.FS, dir string, opts Options, parts ...[]testEntry) (*Builder, error) {
	b, err := Begin(fsys, dir, opts)
	if err != nil {
		return nil, err
	}
	for _, entries := range parts {
		if err := buildPart(b, entries); err != nil {
			return b, err
		}
	}
	return b, nil
}

func buildPart(b *Builder, entries []testEntry) error {
	p, err := b.NewPart()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err = p.BeginTable(e.table); err == nil {
			err = p.Add(e.key, e.value)
		}
		if err != nil {
			p.Abort()
			return err
		}
	}
	return p.Close()
}

// build publishes a checkpoint.
func build(fsys env.FS, dir string, opts Options, parts ...[]testEntry) (Manifest, error) {
	b, err := buildParts(fsys, dir, opts, parts...)
	if err != nil {
		return Manifest{}, err
	}
	return b.Publish(testCreated)
}

func mustBuild(t testing.TB, fsys env.FS, dir string, opts Options, parts ...[]testEntry) Manifest {
	t.Helper()
	m, err := build(fsys, dir, opts, parts...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// loadAll returns the entries of a checkpoint in the order of tables and keys.
func loadAll(fsys env.FS, dir string, m *Manifest, workers int) ([]testEntry, error) {
	byWorker := make([][]testEntry, max(workers, 64))
	err := Load(fsys, dir, m, workers, func(worker int, table TableID, e *Entries) error {
		for e.Next() {
			byWorker[worker] = append(byWorker[worker], testEntry{table, bytes.Clone(e.Key()), bytes.Clone(e.Value())})
		}
		return e.Err()
	}, nil)
	all := slices.Concat(byWorker...)
	sortEntries(all)
	return all, err
}

func sortEntries(entries []testEntry) {
	slices.SortFunc(entries, func(a, b testEntry) int {
		if a.table != b.table {
			return int(int64(a.table) - int64(b.table))
		}
		if c := bytes.Compare(a.key, b.key); c != 0 {
			return c
		}
		return bytes.Compare(a.value, b.value)
	})
}

func sorted(parts ...[]testEntry) []testEntry {
	all := slices.Concat(parts...)
	sortEntries(all)
	return all
}

func TestCheckpointRoundTrip(t *testing.T) {
	fsys, dir := env.OS(), filepath.Join(t.TempDir(), "data", "checkpoint")
	if _, found, err := Latest(fsys, dir); found || err != nil {
		t.Fatalf("nothing was written: %v, %v", found, err)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	all := nastyEntries(rng)
	parts := [][]testEntry{all[:4000], nil, all[4000:4100], all[4100:]}
	m := mustBuild(t, fsys, dir, testOptions(77), parts...)

	got, found, err := Latest(fsys, dir)
	if err != nil || !found || !reflect.DeepEqual(got, m) {
		t.Fatalf("manifest %+v, want %+v, error %v", got, m, err)
	}
	if m.Database != testHeader.Database || m.Timestamp != 77 || !m.Created.Equal(testCreated) || m.Godwit != "test" ||
		m.Folder != "000000000000004d" || !slices.Equal(m.Tables, testTables) || m.Total().Entries != int64(len(all)) {
		t.Errorf("manifest %+v", m)
	}
	want := sorted(parts...)
	for _, workers := range []int{0, 1, 2, 3, 9} {
		entries, err := loadAll(fsys, dir, &m, workers)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(entries, want, equalEntries) {
			t.Errorf("%d workers loaded %d entries, not the %d that were written", workers, len(entries), len(want))
		}
	}
	checked, err := Check(fsys, dir, m.Database, func(problem error) { t.Error(problem) }, nil)
	if err != nil || checked.Problems != 0 || !checked.Found || !reflect.DeepEqual(checked.Manifest, m) ||
		checked.Entries != m.Total().Entries || checked.Blocks != m.Total().Blocks || checked.Bytes != m.Total().Bytes {
		t.Errorf("checked %+v, error %v", checked, err)
	}
}

// Parts are written at the same time and loaded while others are.
func TestConcurrentParts(t *testing.T) {
	fsys, dir := env.OS(), t.TempDir()
	const parts, perPart = 4, 20000
	var blocks atomic.Int64
	opts := testOptions(1)
	opts.AfterBlock = func(bytes, entries int64) error { blocks.Add(1); return nil }
	b, err := Begin(fsys, dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			var entries []testEntry
			for j := range perPart {
				key := binary.BigEndian.AppendUint64(nil, uint64(i*perPart+j))
				entries = append(entries, testEntry{7, key, bytes.Repeat(key, 12)})
			}
			if err := buildPart(b, entries); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	m, err := b.Publish(testCreated)
	if err != nil {
		t.Fatal(err)
	}
	if blocks.Load() < m.Total().Blocks {
		t.Errorf("%d calls for %d blocks", blocks.Load(), m.Total().Blocks)
	}
	var seen [parts * perPart]atomic.Bool
	var count, progressed atomic.Int64
	workers := make([]atomic.Int32, 3)
	err = Load(fsys, dir, &m, len(workers), func(worker int, table TableID, e *Entries) error {
		if workers[worker].Add(1) != 1 {
			t.Errorf("worker %d is called twice at a time", worker)
		}
		defer workers[worker].Add(-1)
		for e.Next() {
			i := binary.BigEndian.Uint64(e.Key())
			if table != 7 || seen[i].Swap(true) || !bytes.Equal(e.Value(), bytes.Repeat(e.Key(), 12)) {
				t.Errorf("entry %d is wrong or came twice", i)
			}
			count.Add(1)
		}
		return e.Err()
	}, func(bytes, entries int64) error { progressed.Add(entries); return nil })
	if err != nil || count.Load() != parts*perPart || progressed.Load() != parts*perPart {
		t.Errorf("loaded %d entries, progress of %d, error %v", count.Load(), progressed.Load(), err)
	}
}

func TestLoadStopsAtErrors(t *testing.T) {
	fsys, dir := faultfs.New(1), "data/checkpoint"
	entries := nastyEntries(rand.New(rand.NewPCG(7, 8)))
	m := mustBuild(t, fsys, dir, testOptions(1), entries[:5000], entries[5000:])
	none := func(int, TableID, *Entries) error { return nil }
	// failing fails at the fifth call. A call that the other worker makes at that time returns
	// when all that follows from the error has happened: it is that worker's last.
	var calls atomic.Int32
	failing := func() error {
		switch n := calls.Add(1); {
		case n == 5:
			return errTest
		case n > 5:
			synctest.Wait()
		}
		return nil
	}
	synctest.Test(t, func(t *testing.T) {
		if err := Load(fsys, dir, &m, 2, func(int, TableID, *Entries) error { return failing() }, nil); !errors.Is(err, errTest) {
			t.Errorf("apply failed, Load returns %v", err)
		}
		if n := calls.Swap(0); n > 5+1 {
			t.Errorf("%d blocks were applied after an error", n-5)
		}
		if err := Load(fsys, dir, &m, 2, none, func(bytes, entries int64) error { return failing() }); !errors.Is(err, errTest) {
			t.Errorf("progress failed, Load returns %v", err)
		}
		if n := calls.Load(); n > 5+1 {
			t.Errorf("%d blocks were counted after an error", n-5)
		}
	})
	// Entries that apply does not look at are verified all the same.
	if err := Load(fsys, dir, &m, 2, none, nil); err != nil {
		t.Error(err)
	}
	bad := newForge(Header{Kind: PartStream, Database: m.Database, Timestamp: 1}).tables(testTables...).data(7, 2, []byte{0, 0, 5, 5})
	m.Parts[0].Summary = bad.summary()
	if err := fsys.WriteFile(filepath.Join(dir, m.Folder, PartFile(0)), bad.footer().out); err != nil {
		t.Fatal(err)
	}
	if err := Load(fsys, dir, &m, 2, none, nil); !errors.Is(err, dberr.ErrCorrupt) {
		t.Errorf("malformed block: %v", err)
	}
}

// smallCheckpoint is a checkpoint of two small parts.
func smallCheckpoint(t testing.TB, fsys env.FS, dir string) Manifest {
	return mustBuild(t, fsys, dir, testOptions(9),
		[]testEntry{{7, []byte("a"), []byte("1")}, {1, []byte("b"), bytes.Repeat([]byte("2"), 200)}},
		[]testEntry{{7, []byte("c"), nil}})
}

func TestSuccessionAndCleanup(t *testing.T) {
	fsys, dir := faultfs.New(1), "data/checkpoint"
	if removed, err := Cleanup(fsys, dir); err != nil || removed != nil {
		t.Fatalf("nothing is there: %v, %v", removed, err)
	}
	first := mustBuild(t, fsys, dir, testOptions(5), []testEntry{{7, []byte("a"), []byte("1")}})
	// A foreign file stays whatever happens.
	foreign := filepath.Join(dir, "notes.txt")
	if err := fsys.WriteFile(foreign, []byte("mine")); err != nil {
		t.Fatal(err)
	}
	// An unchanged database has its timestamp again.
	second := mustBuild(t, fsys, dir, testOptions(5), []testEntry{{7, []byte("a"), []byte("2")}})
	if first.Folder == second.Folder {
		t.Fatalf("folder %s is used twice", first.Folder)
	}
	third, err := buildParts(fsys, dir, testOptions(5), []testEntry{{7, []byte("a"), []byte("3")}})
	if err != nil {
		t.Fatal(err)
	}
	if third.folder == second.Folder {
		t.Fatalf("unfinished checkpoint is in the folder of the current one")
	}
	if err := fsys.WriteFile(filepath.Join(dir, manifestTemp), []byte("{")); err != nil {
		t.Fatal(err)
	}
	removed, err := Cleanup(fsys, dir)
	if want := []string{third.folder, manifestTemp}; err != nil || !slices.Equal(removed, want) {
		t.Errorf("removed %v, want %v, error %v", removed, want, err)
	}
	names, err := fsys.List(dir)
	if want := []string{second.Folder, ManifestFile, "notes.txt"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("left %v, want %v, error %v", names, want, err)
	}
	m, _, err := Latest(fsys, dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := loadAll(fsys, dir, &m, 1)
	if err != nil || len(got) != 1 || string(got[0].value) != "2" {
		t.Errorf("loaded %v, error %v", got, err)
	}
	fourth := mustBuild(t, fsys, dir, testOptions(6))
	if removed, err := Cleanup(fsys, dir); err != nil || !slices.Equal(removed, []string{second.Folder}) {
		t.Errorf("removed %v, error %v", removed, err)
	}
	if got, err := loadAll(fsys, dir, &fourth, 2); err != nil || len(got) != 0 {
		t.Errorf("empty checkpoint: %v, %v", got, err)
	}
	// With a manifest that cannot be read nothing is known to be superfluous.
	if err := fsys.WriteFile(filepath.Join(dir, ManifestFile), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if removed, err := Cleanup(fsys, dir); !errors.Is(err, dberr.ErrCorrupt) || len(removed) != 0 {
		t.Errorf("removed %v without a manifest, error %v", removed, err)
	}
}

func TestAbort(t *testing.T) {
	fsys, dir := faultfs.New(1), "data/checkpoint"
	first := smallCheckpoint(t, fsys, dir)
	b, err := buildParts(fsys, dir, testOptions(10), []testEntry{{7, []byte("a"), nil}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.NewPart()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(testCreated); !errors.Is(err, errPartsOpen) {
		t.Errorf("published with a part open: %v", err)
	}
	if err := b.Abort(); !errors.Is(err, errPartsOpen) {
		t.Errorf("aborted with a part open: %v", err)
	}
	p.Abort()
	p.Abort()
	if err := p.Close(); err == nil {
		t.Error("aborted part is closed without error")
	}
	if _, err := b.Publish(testCreated); err == nil {
		t.Error("published with a part aborted")
	}
	if err := b.Abort(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(testCreated); err == nil {
		t.Error("published what was aborted")
	}
	if names, err := fsys.List(dir); err != nil || !slices.Equal(names, []string{first.Folder, ManifestFile}) {
		t.Errorf("left %v, error %v", names, err)
	}

	b, err = buildParts(fsys, dir, testOptions(10), nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := b.Publish(testCreated)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Abort(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.NewPart(); err == nil {
		t.Error("a published checkpoint takes parts")
	}
	if _, err := b.Publish(testCreated); err == nil {
		t.Error("published twice")
	}
	if _, err := loadAll(fsys, dir, &m, 1); err != nil {
		t.Errorf("Abort harmed a published checkpoint: %v", err)
	}
}

func TestPartsAreBounded(t *testing.T) {
	fsys, dir := faultfs.New(1), "data/checkpoint"
	b, err := Begin(fsys, dir, testOptions(1))
	if err != nil {
		t.Fatal(err)
	}
	b.mu.parts = make([]Part, PartsMax-1)
	if err := buildPart(b, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.NewPart(); err == nil {
		t.Error("more parts than a manifest may name")
	}
}

// Many parts do not need as many open files.
func TestManyParts(t *testing.T) {
	fsys, dir := &handleFS{FS: faultfs.New(1)}, "data/checkpoint"
	var parts [][]testEntry
	for i := range 300 {
		parts = append(parts, []testEntry{{7, binary.BigEndian.AppendUint32(nil, uint32(i)), []byte("v")}, {1, []byte{byte(i)}, nil}})
	}
	m := mustBuild(t, fsys, dir, testOptions(1), parts...)
	for _, workers := range []int{1, 3, 64} {
		fsys.peak.Store(0)
		got, err := loadAll(fsys, dir, &m, workers)
		if err != nil || !slices.EqualFunc(got, sorted(parts...), equalEntries) {
			t.Fatalf("%d workers loaded %d entries, error %v", workers, len(got), err)
		}
		if peak := fsys.peak.Load(); peak > int64(workers) || fsys.open.Load() != 0 {
			t.Errorf("%d workers had %d files open, %d still are", workers, peak, fsys.open.Load())
		}
	}
}
