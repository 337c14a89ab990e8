package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/hlc"
)

const faultDir = "data/checkpoint"

// newFaultFS returns a file system with a data folder, which is durable.
func newFaultFS(t testing.TB, seed uint64) *faultfs.FS {
	t.Helper()
	fsys := faultfs.New(seed)
	if err := errors.Join(fsys.MkdirAll(filepath.Dir(faultDir)), fsys.SyncDir(".")); err != nil {
		t.Fatal(err)
	}
	return fsys
}

// version is what a checkpoint of these tests holds: parts of several blocks,
// with contents that tell versions apart.
func version(n byte) [][]testEntry {
	small := []testEntry{{1, []byte("version"), []byte{n}}}
	large := []testEntry{{7, []byte("a"), bytes.Repeat([]byte{n}, 3000)}, {1, []byte("w"), bytes.Repeat([]byte{n}, 5000)}, {7, []byte("b"), nil}}
	return [][]testEntry{small, large}
}

// current returns which version the checkpoint in fsys holds, 0 if there is
// none. Whatever it is, it has to be whole.
func current(t testing.TB, fsys env.FS) byte {
	t.Helper()
	m, found, err := Latest(fsys, faultDir)
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		return 0
	}
	got, err := loadAll(fsys, faultDir, &m, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 || len(got[0].value) != 1 {
		t.Fatalf("checkpoint has %d entries", len(got))
	}
	n := got[0].value[0]
	if !slices.EqualFunc(got, sorted(version(n)...), equalEntries) {
		t.Fatalf("checkpoint of version %d has something else", n)
	}
	checked, err := Check(fsys, faultDir, testHeader.Database, func(p error) { t.Fatal(p) }, nil)
	if err != nil || checked.Bytes != m.Total().Bytes {
		t.Fatalf("checked %+v of %+v, error %v", checked, m.Total(), err)
	}
	return n
}

// carryOn cleans up, demands that only the current checkpoint is left, and
// writes another.
func carryOn(t testing.TB, fsys *faultfs.FS, ts hlc.Timestamp) {
	t.Helper()
	before := current(t, fsys)
	if _, err := Cleanup(fsys, faultDir); err != nil {
		t.Fatal(err)
	}
	if after := current(t, fsys); after != before {
		t.Fatalf("Cleanup has replaced version %d by %d", before, after)
	}
	names, err := fsys.List(faultDir)
	if err != nil && before != 0 || len(names) > 2 || before == 0 && len(names) > 0 {
		t.Fatalf("Cleanup left %v, error %v", names, err)
	}
	mustBuild(t, fsys, faultDir, testOptions(ts), version(9)...)
	if n := current(t, fsys); n != 9 {
		t.Fatalf("a new checkpoint was written, the current one is version %d", n)
	}
}

// TestCrashAtEveryStep replaces a checkpoint by another and loses power before
// every operation that changes the disk: the old or the new one is there, whole,
// and the database goes on.
func TestCrashAtEveryStep(t *testing.T) {
	for name, c := range map[string]struct {
		old    bool
		ts, to hlc.Timestamp
	}{
		"first":          {false, 5, 6},
		"second":         {true, 5, 6},
		"same timestamp": {true, 5, 5},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := newFaultFS(t, 1)
			want := []byte{0}
			if c.old {
				mustBuild(t, fsys, faultDir, testOptions(c.ts), version(1)...)
				want[0] = 1
			}
			rng := rand.New(rand.NewPCG(11, 12))
			crashes, seen := 0, map[byte]int{}
			crash := func(times int) {
				for range times {
					crashes++
					after := fsys.Crash(rng)
					n := current(t, after)
					if !slices.Contains(want, n) {
						t.Fatalf("version %d after a crash, want one of %d", n, want)
					}
					seen[n]++
					carryOn(t, after, c.to)
				}
				// The death of the process alone loses nothing.
				carryOn(t, fsys.Clone(), c.to)
			}
			fsys.SetHook(func(op faultfs.Op) error {
				switch {
				case op.Kind == faultfs.OpSyncDir:
					crash(25) // the order of names is at stake
				case op.Kind.Changes():
					crash(3)
				}
				return nil
			})
			b, err := buildParts(fsys, faultDir, testOptions(c.to), version(2)...)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, 2)
			if _, err := b.Publish(testCreated); err != nil {
				t.Fatal(err)
			}
			want = []byte{2}
			crash(5)
			if _, err := Cleanup(fsys, faultDir); err != nil {
				t.Fatal(err)
			}
			crash(5)
			if crashes < 100 || len(seen) != 2 {
				t.Errorf("after %d crashes these versions: %v", crashes, seen)
			}
		})
	}
}

// TestCrashTwice loses power while what a crash has left is cleaned up.
func TestCrashTwice(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	for step := range 30 {
		fsys := newFaultFS(t, uint64(step))
		mustBuild(t, fsys, faultDir, testOptions(5), version(1)...)
		var left []*faultfs.FS
		changes := 0
		fsys.SetHook(func(op faultfs.Op) error {
			if op.Kind.Changes() {
				if changes++; changes == step {
					left = append(left, fsys.Crash(rng), fsys.Clone())
				}
			}
			return nil
		})
		mustBuild(t, fsys, faultDir, testOptions(5), version(2)...)
		for _, after := range left {
			want := current(t, after)
			after.SetHook(func(op faultfs.Op) error {
				if op.Kind.Changes() {
					again := after.Crash(rng)
					// A clone may have been published but not synced.
					if n := current(t, again); n != 1 && n != 2 {
						t.Fatalf("version %d after the second crash", n)
					}
					carryOn(t, again, 5)
				}
				return nil
			})
			if _, err := Cleanup(after, faultDir); err != nil {
				t.Fatal(err)
			}
			after.SetHook(nil)
			if n := current(t, after.Crash(rng)); n != want {
				t.Fatalf("version %d was there when Cleanup returned, %d after the crash", want, n)
			}
		}
	}
}

// handleFS counts open files.
type handleFS struct {
	*faultfs.FS
	open, peak atomic.Int64
}

type handle struct {
	env.File
	fs *handleFS
}

func (h *handleFS) count(f env.File, err error) (env.File, error) {
	if err != nil {
		return nil, err
	}
	n := h.open.Add(1)
	for peak := h.peak.Load(); n > peak && !h.peak.CompareAndSwap(peak, n); {
		peak = h.peak.Load()
	}
	return &handle{f, h}, nil
}

func (h *handleFS) Create(name string) (env.File, error)   { return h.count(h.FS.Create(name)) }
func (h *handleFS) OpenRead(name string) (env.File, error) { return h.count(h.FS.OpenRead(name)) }

func (h *handle) Close() error {
	h.fs.open.Add(-1)
	return h.File.Close()
}

// replace publishes version 2, and gives it up if that fails.
func replace(fsys env.FS) error {
	b, err := buildParts(fsys, faultDir, testOptions(6), version(2)...)
	if b == nil {
		return err
	}
	if err == nil {
		if _, err = b.Publish(testCreated); err == nil {
			_, err = Cleanup(fsys, faultDir)
			return err
		}
	}
	return errors.Join(err, b.Abort())
}

// TestEveryOperationFails lets each operation of a checkpoint fail, once or for
// good.
func TestEveryOperationFails(t *testing.T) {
	kinds := []faultfs.OpKind{faultfs.OpCreate, faultfs.OpOpen, faultfs.OpRead, faultfs.OpWrite, faultfs.OpSync, faultfs.OpStat,
		faultfs.OpList, faultfs.OpMkdir, faultfs.OpRename, faultfs.OpRemove, faultfs.OpSyncDir}
	rng := rand.New(rand.NewPCG(15, 16))
	injected := errors.New("injected")
	for _, kind := range kinds {
		for _, count := range []int{1, 1 << 20} {
			for n := 1; ; n++ {
				fsys := &handleFS{FS: newFaultFS(t, uint64(n))}
				mustBuild(t, fsys, faultDir, testOptions(5), version(1)...)
				before := fsys.Count(kind)
				fsys.Fail(kind, n, count, injected)
				err := replace(fsys)
				failed := fsys.Count(kind)-before >= n
				fsys.Heal()
				if !failed {
					if err != nil {
						t.Fatal(err)
					}
					if n == 1 {
						t.Errorf("there is no %v", kind)
					}
					break
				}
				name := fmt.Sprintf("%v %d failed, %d times", kind, n, count)
				if err == nil || !errors.Is(err, injected) {
					t.Fatalf("%s: error %v", name, err)
				}
				if open := fsys.open.Load(); open != 0 {
					t.Fatalf("%s: %d files are open", name, open)
				}
				now := current(t, fsys)
				if kind == faultfs.OpSync && now != 1 {
					t.Fatalf("%s: published nevertheless", name)
				}
				for range 3 {
					if n := current(t, fsys.Crash(rng)); n != 1 && n != 2 {
						t.Fatalf("%s: version %d after a crash", name, n)
					}
				}
				carryOn(t, fsys.FS, 6)
			}
		}
	}
}

func TestDiskFull(t *testing.T) {
	fsys := &handleFS{FS: newFaultFS(t, 1)}
	mustBuild(t, fsys, faultDir, testOptions(5), version(1)...)
	used := fsys.UsedBytes()
	refused := 0
	for room := int64(0); ; room += 4 << 10 {
		fsys.SetCapacity(used + room)
		err := replace(fsys)
		if err == nil {
			break
		}
		refused++
		if !env.IsDiskFull(err) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("with room for %d bytes: %v", room, err)
		}
		if n := current(t, fsys); n != 1 {
			t.Fatalf("with room for %d bytes: version %d", room, n)
		}
		if now := fsys.UsedBytes(); now != used || fsys.open.Load() != 0 {
			t.Fatalf("with room for %d bytes: %d bytes in use, %d before, %d files open", room, now, used, fsys.open.Load())
		}
	}
	if n := current(t, fsys); n != 2 || refused < 4 {
		t.Errorf("version %d after %d full disks", n, refused)
	}
}

// A write that fails in the middle of a block.
func TestTornWrite(t *testing.T) {
	injected := errors.New("injected")
	for n := 1; n <= 8; n++ {
		fsys := newFaultFS(t, uint64(n))
		mustBuild(t, fsys, faultDir, testOptions(5), version(1)...)
		fsys.Fail(faultfs.OpWrite, n, 1, &faultfs.ShortWrite{Bytes: 20, Err: injected})
		if err := replace(fsys); !errors.Is(err, injected) {
			t.Fatalf("write %d torn: %v", n, err)
		}
		carryOn(t, fsys, 6)
	}
}

// A read error is told as one, with file and offset, and harms nothing.
func TestEveryReadFails(t *testing.T) {
	injected := errors.New("injected")
	fsys := &handleFS{FS: newFaultFS(t, 1)}
	m := mustBuild(t, fsys, faultDir, testOptions(5), version(1)...)
	reads := func(f func()) int {
		before := fsys.Count(faultfs.OpRead)
		f()
		return fsys.Count(faultfs.OpRead) - before
	}
	all := reads(func() { current(t, fsys) })
	for n := 1; n <= all; n++ {
		fsys.Fail(faultfs.OpRead, n, 1, injected)
		m, _, err := Latest(fsys, faultDir)
		if err == nil {
			_, err = loadAll(fsys, faultDir, &m, 2)
		}
		var found []error
		checked, checkErr := Check(fsys, faultDir, DatabaseID{}, func(p error) { found = append(found, p) }, nil)
		if checkErr != nil || checked.Problems != len(found) {
			t.Fatal(checkErr)
		}
		fsys.Heal()
		if err == nil {
			err = errors.Join(found...)
		}
		if err == nil || !errors.Is(err, injected) || errors.Is(err, dberr.ErrCorrupt) ||
			!strings.Contains(err.Error(), faultDir) || !strings.Contains(err.Error(), "offset") {
			t.Fatalf("read %d of %d failed: %v", n, all, err)
		}
		if fsys.open.Load() != 0 {
			t.Fatalf("read %d failed: %d files are open", n, fsys.open.Load())
		}
	}
	if n := current(t, fsys); n != 1 {
		t.Errorf("version %d", n)
	}
	// A sector that cannot be read hides no other block from Check.
	bad := filepath.Join(faultDir, m.Folder, PartFile(1))
	at := streamBlocks(t, mustRead(t, fsys.FS, bad))[1]
	fsys.SetHook(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpRead && op.Name == bad && op.Offset <= at+1000 && op.Offset+int64(op.Bytes) > at+1000 {
			return injected
		}
		return nil
	})
	var found []error
	checked, err := Check(fsys, faultDir, DatabaseID{}, func(p error) { found = append(found, p) }, nil)
	if err != nil || len(found) != 1 || !errors.Is(found[0], injected) || checked.Blocks != m.Total().Blocks-1 {
		t.Errorf("checked %+v of %+v, found %v", checked, m.Total(), found)
	}
}

func mustRead(t testing.TB, fsys *faultfs.FS, name string) []byte {
	t.Helper()
	b, err := fsys.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRottenBits flips random bits of larger files: what is loaded without error
// is what was written.
func TestRottenBits(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 18))
	for seed := range uint64(200) {
		fsys := newFaultFS(t, seed)
		mustBuild(t, fsys, faultDir, testOptions(5), version(1)...)
		names := fsys.Names()
		name := names[rng.IntN(len(names))]
		offset := int64(rng.IntN(len(mustRead(t, fsys, name))))
		if err := fsys.FlipBit(name, offset, uint(rng.IntN(8))); err != nil {
			t.Fatal(err)
		}
		found, load := problems(t, fsys, faultDir)
		for _, err := range []error{load, errors.Join(found...)} {
			var corrupt *dberr.CorruptionError
			if !errors.As(err, &corrupt) || corrupt.File != name || corrupt.Offset > offset {
				t.Fatalf("byte %d of %s: %v", offset, name, err)
			}
		}
	}
}

// A folder that cannot be listed or opened is no empty one.
func TestUnreadableFolder(t *testing.T) {
	injected := errors.New("injected")
	fsys := newFaultFS(t, 1)
	mustBuild(t, fsys, faultDir, testOptions(5), version(1)...)
	fsys.Fail(faultfs.OpOpen, 1, 1<<20, injected)
	if _, found, err := Latest(fsys, faultDir); found || !errors.Is(err, injected) {
		t.Errorf("found: %v, error %v", found, err)
	}
	if removed, err := Cleanup(fsys, faultDir); !errors.Is(err, injected) || len(removed) > 0 {
		t.Errorf("removed %v, error %v", removed, err)
	}
	fsys.Heal()
	if n := current(t, fsys); n != 1 {
		t.Errorf("version %d", n)
	}
}
