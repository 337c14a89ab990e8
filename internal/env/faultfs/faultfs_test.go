package faultfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/godwitdb/godwit/internal/env"
)

var errInjected = errors.New("injected")

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, f *FS, name string) env.File {
	t.Helper()
	h, err := f.Create(name)
	must(t, err)
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func write(t *testing.T, h env.File, offset int64, b []byte) {
	t.Helper()
	if _, err := h.WriteAt(b, offset); err != nil {
		t.Fatal(err)
	}
}

func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

// fill is n sectors of one byte.
func fill(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n*SectorBytes) }

// TestCrashSectors crashes a file with a synced part, a part that was written
// once since and a part that was written twice, and demands that what survives
// is what a disk may hold, and that all of that comes up.
func TestCrashSectors(t *testing.T) {
	f := New(1)
	h := create(t, f, "a")
	write(t, h, 0, fill('o', 8))
	must(t, h.Sync())
	must(t, f.SyncDir("."))
	write(t, h, 4*SectorBytes, fill('1', 4))
	write(t, h, 6*SectorBytes, fill('2', 2))

	seen := map[string]bool{}
	for seed := range uint64(600) {
		got, err := f.Crash(rng(seed)).ReadFile("a")
		must(t, err)
		if len(got) != 8*SectorBytes {
			t.Fatalf("seed %d: %d bytes", seed, len(got))
		}
		if !bytes.Equal(got[:4*SectorBytes], fill('o', 4)) {
			t.Fatalf("seed %d: a synced sector has changed", seed)
		}
		var kinds []string
		for i := 4; i < 8; i++ {
			s := string(slices.Compact(slices.Clone(got[i*SectorBytes : (i+1)*SectorBytes])))
			allowed := []string{"o", "1", "1o"}
			if i >= 6 {
				allowed = append(allowed, "2", "2o")
			}
			if !slices.Contains(allowed, s) {
				t.Fatalf("seed %d: sector %d holds %q", seed, i, s)
			}
			kinds = append(kinds, s)
			seen[s] = true
		}
		seen[strings.Join(kinds, " ")] = true
	}
	for _, want := range []string{
		"o", "1", "2", "1o", "2o", // whole, torn, as it was in between
		"o o o o", "1 1 2 2", // nothing, everything
		"o 1 o 2", "1 o 2 o", // reordered
	} {
		if !seen[want] {
			t.Errorf("%q never came up", want)
		}
	}
}

func TestCrashSizes(t *testing.T) {
	f := New(1)
	h := create(t, f, "a")
	write(t, h, 0, fill('x', 2))
	must(t, h.Sync())
	must(t, f.SyncDir("."))
	write(t, h, 2*SectorBytes, fill('y', 2))
	short := create(t, f, "b")
	write(t, short, 0, fill('x', 2))
	must(t, short.Sync())
	must(t, f.SyncDir("."))
	must(t, short.Truncate(SectorBytes))
	sizes := map[int]int{}
	for seed := range uint64(200) {
		c := f.Crash(rng(seed))
		a, err := c.ReadFile("a")
		must(t, err)
		if len(a) < 2*SectorBytes || len(a) > 4*SectorBytes || !bytes.HasPrefix(a, fill('x', 2)) {
			t.Fatalf("seed %d: %d bytes, beginning with %q", seed, len(a), a[:1])
		}
		sizes[len(a)]++
		b, err := c.ReadFile("b")
		must(t, err)
		if len(b) < SectorBytes || len(b) > 2*SectorBytes || b[0] != 'x' {
			t.Fatalf("seed %d: the truncated file has %d bytes", seed, len(b))
		}
	}
	if sizes[2*SectorBytes] == 0 || sizes[4*SectorBytes] == 0 || len(sizes) < 3 {
		t.Errorf("sizes %v: old, new and something in between should come up", sizes)
	}
}

func TestSyncedNeedsBothSyncs(t *testing.T) {
	f := New(1)
	must(t, f.MkdirAll("d"))
	h := create(t, f, "d/a")
	write(t, h, 0, fill('x', 1))
	must(t, h.Sync())
	lost := 0
	for seed := range uint64(50) {
		if len(f.Crash(rng(seed)).Names()) == 0 {
			lost++
		}
	}
	if lost == 0 || lost == 50 {
		t.Errorf("a file whose folder was not synced was lost %d of 50 times", lost)
	}
	must(t, f.SyncDir("d"))
	must(t, f.SyncDir("."))
	for seed := range uint64(50) {
		c := f.Crash(rng(seed))
		got, err := c.ReadFile("d/a")
		if err != nil || !bytes.Equal(got, fill('x', 1)) {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// TestCrashNames crashes between directory operations and demands that each
// name leads to something that it has led to, and that a rename is whole.
func TestCrashNames(t *testing.T) {
	f := New(1)
	for _, name := range []string{"a", "b"} {
		must(t, f.WriteFile(name, []byte(name)))
	}
	must(t, f.Rename("a", "c"))
	must(t, f.Remove("b"))
	create(t, f, "b")
	seen := map[string]bool{}
	for seed := range uint64(300) {
		c := f.Crash(rng(seed))
		var state []string
		for _, name := range c.Names() {
			b, err := c.ReadFile(name)
			must(t, err)
			state = append(state, name+"="+string(b))
		}
		seen[strings.Join(state, " ")] = true
	}
	want := map[string]bool{
		"a=a b=b": true, "b=b c=a": true, // remove dropped: create too
		"a=a": true, "c=a": true, // removed
		"a=a b=": true, "b= c=a": true, // and made again
	}
	for s := range seen {
		if !want[s] {
			t.Errorf("impossible: %q", s)
		}
	}
	for s := range want {
		if !seen[s] {
			t.Errorf("never came up: %q", s)
		}
	}
}

func TestSyncDirTakesWhatItBuildsOn(t *testing.T) {
	f := New(1)
	must(t, f.MkdirAll("x"))
	must(t, f.MkdirAll("y"))
	must(t, f.SyncDir("."))
	h := create(t, f, "x/a")
	write(t, h, 0, []byte("1"))
	must(t, h.Sync())
	create(t, f, "x/other")
	must(t, f.Rename("x/a", "y/a"))
	must(t, f.SyncDir("y"))
	other := 0
	for seed := range uint64(50) {
		c := f.Crash(rng(seed))
		names := c.Names()
		if !slices.Contains(names, "y/a") || slices.Contains(names, "x/a") {
			t.Fatalf("seed %d: %q", seed, names)
		}
		if slices.Contains(names, "x/other") {
			other++
		}
	}
	if other == 0 || other == 50 {
		t.Errorf("the file that was not synced survived %d of 50 times", other)
	}
}

func TestCrashLeavesTheOriginalAlone(t *testing.T) {
	f := New(1)
	h := create(t, f, "a")
	write(t, h, 0, fill('x', 4))
	for seed := range uint64(20) {
		c := f.Crash(rng(seed))
		if err := c.WriteFile("a", fill('z', 8)); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := f.ReadFile("a"); !bytes.Equal(got, fill('x', 4)) {
		t.Fatal("the original has changed")
	}
	must(t, h.Sync())
	must(t, f.SyncDir("."))
	if got, _ := f.Crash(rng(1)).ReadFile("a"); !bytes.Equal(got, fill('x', 4)) {
		t.Fatal("a sync after a crash of a copy did not count")
	}
}

func TestSameSeedSameCrash(t *testing.T) {
	f := New(1)
	for _, name := range []string{"a", "b", "c", "d"} {
		write(t, create(t, f, name), 0, fill('x', 30))
	}
	dump := func(seed uint64) string {
		c := f.Crash(rng(seed))
		var b strings.Builder
		for _, name := range c.Names() {
			content, _ := c.ReadFile(name)
			b.WriteString(name)
			b.Write(content)
		}
		return b.String()
	}
	different := 0
	for seed := range uint64(20) {
		if first, second := dump(seed), dump(seed); first != second {
			t.Fatalf("seed %d: two crashes differ", seed)
		}
		if dump(seed) != dump(seed+1) {
			different++
		}
	}
	if different == 0 {
		t.Error("the seed makes no difference")
	}
}

func TestCloneKeepsWhatIsNotSynced(t *testing.T) {
	f := New(1)
	h := create(t, f, "a")
	write(t, h, 0, fill('x', 4))
	if _, err := f.Lock("LOCK"); err != nil {
		t.Fatal(err)
	}
	c := f.Clone()
	if got, _ := c.ReadFile("a"); !bytes.Equal(got, fill('x', 4)) {
		t.Fatal("the clone lacks what was written")
	}
	if _, err := c.Lock("LOCK"); err != nil {
		t.Fatalf("the dead process still holds its lock: %v", err)
	}
	lost := 0
	for seed := range uint64(30) {
		if got, _ := c.Crash(rng(seed)).ReadFile("a"); !bytes.Equal(got, fill('x', 4)) {
			lost++
		}
	}
	if lost == 0 {
		t.Error("what was not synced before the process died can not be lost")
	}
	if c.UsedBytes() != f.UsedBytes() {
		t.Errorf("the clone uses %d bytes, the original %d", c.UsedBytes(), f.UsedBytes())
	}
}

func TestFailedSyncLosesSilently(t *testing.T) {
	f := New(1)
	h := create(t, f, "a")
	must(t, f.SyncDir("."))
	write(t, h, 0, fill('x', 8))
	f.Fail(OpSync, 1, 1, errInjected)
	if err := h.Sync(); !errors.Is(err, errInjected) {
		t.Fatalf("Sync: %v", err)
	}
	must(t, h.Sync()) // claims that all is well
	if got, _ := f.ReadFile("a"); !bytes.Equal(got, fill('x', 8)) {
		t.Fatal("reads do not show what was written")
	}
	lost := 0
	for seed := range uint64(50) {
		if got, _ := f.Crash(rng(seed)).ReadFile("a"); !bytes.Equal(got, fill('x', 8)) {
			lost++
		}
	}
	if lost == 0 {
		t.Error("a second sync has repaired the failed one")
	}
	must(t, h.Evict())
	got, _ := f.ReadFile("a")
	if bytes.Equal(got, fill('x', 8)) {
		t.Error("all of eight sectors made it, of which each had an even chance")
	}
	if again, _ := f.Crash(rng(1)).ReadFile("a"); !bytes.Equal(again, got) {
		t.Error("what Evict shows is not what the disk holds")
	}
	write(t, h, 0, fill('x', 8))
	must(t, h.Sync())
	if again, _ := f.Crash(rng(2)).ReadFile("a"); !bytes.Equal(again, fill('x', 8)) {
		t.Error("writing and syncing again did not help")
	}
}

func TestFaults(t *testing.T) {
	f := New(1)
	h := create(t, f, "a")
	write(t, h, 0, []byte("0123456789"))
	f.Fail(OpWrite, 2, 1, errInjected)
	write(t, h, 0, []byte("a"))
	if _, err := h.WriteAt([]byte("b"), 1); !errors.Is(err, errInjected) {
		t.Fatalf("second write: %v", err)
	}
	write(t, h, 2, []byte("c"))
	f.Fail(OpRead, 1, 1, errInjected)
	if _, err := h.ReadAt(make([]byte, 1), 0); !errors.Is(err, errInjected) {
		t.Fatalf("read: %v", err)
	}
	f.Fail(OpCreate, 1, 2, errInjected)
	for range 2 {
		if _, err := f.Create("b"); !errors.Is(err, errInjected) {
			t.Fatalf("create: %v", err)
		}
	}
	f.Fail(OpRename, 1, 1000, errInjected)
	if err := f.Rename("a", "b"); !errors.Is(err, errInjected) {
		t.Fatalf("rename: %v", err)
	}
	f.Heal()
	must(t, f.Rename("a", "b"))
	f.SetHook(func(op Op) error {
		if op.Kind == OpWrite && op.Name == "a" && op.Offset == 3 {
			return &ShortWrite{Bytes: 2, Err: errInjected}
		}
		return nil
	})
	if n, err := h.WriteAt([]byte("xyz"), 3); n != 2 || !errors.Is(err, errInjected) {
		t.Fatalf("short write: %d, %v", n, err)
	}
	f.SetHook(nil)
	if got, _ := f.ReadFile("b"); string(got) != "a1cxy56789" {
		t.Fatalf("holds %q", got)
	}
	must(t, f.FlipBit("b", 1, 0))
	if got, _ := f.ReadFile("b"); string(got[:2]) != "a0" {
		t.Fatalf("after the flip: %q", got)
	}
	if err := f.FlipBit("b", 100, 0); err == nil {
		t.Error("flipped a bit behind the end")
	}
}

// Damage is on the disk whatever a crash takes, also where something was written
// and not synced, and goes with the file.
func TestDamageOutlastsCrashes(t *testing.T) {
	for seed := range uint64(50) {
		f := New(seed)
		h := create(t, f, "a")
		write(t, h, 0, fill('x', 3))
		must(t, h.Sync())
		must(t, f.SyncDir("."))
		for i := range 6 { // more versions than are kept
			write(t, h, SectorBytes, bytes.Repeat([]byte{byte('a' + i)}, 10))
		}
		if f.Damaged("a") {
			t.Fatal("damaged by writes")
		}
		clone := f.Clone()
		must(t, f.FlipBit("a", SectorBytes+100, 0))
		must(t, f.Misplace("a", 2*SectorBytes+7, []byte("elsewhere")))
		must(t, f.Misplace("a", 4*SectorBytes, []byte("behind")))
		if synced, err := f.Synced("a"); err != nil || synced[SectorBytes] != 'x' || string(synced[4*SectorBytes:]) != "behind" {
			t.Fatalf("%q, %v", synced, err)
		}
		if clone = clone.Crash(rng(seed)); clone.Damaged("a") {
			t.Fatal("a clone is damaged with the original")
		}
		if got, _ := clone.ReadFile("a"); got[SectorBytes+100] != 'x' {
			t.Fatal("a clone has the damage of the original")
		}
		must(t, f.Rename("a", "b"))
		must(t, f.SyncDir("."))
		f = f.Crash(rng(seed)).Clone()
		got, err := f.ReadFile("b")
		must(t, err)
		if !f.Damaged("b") || got[SectorBytes+100] != 'x'^1 || string(got[2*SectorBytes+7:2*SectorBytes+16]) != "elsewhere" ||
			string(got[4*SectorBytes:]) != "behind" {
			t.Fatalf("seed %d: %q", seed, got)
		}
		if create(t, f, "b"); f.Damaged("b") {
			t.Fatal("a new file is damaged")
		}
	}
}

func TestHookMayCrash(t *testing.T) {
	f := New(1)
	var kinds []OpKind
	f.SetHook(func(op Op) error {
		if op.Kind.Changes() {
			kinds = append(kinds, op.Kind)
			f.Crash(rng(uint64(len(kinds))))
		}
		return nil
	})
	h := create(t, f, "a")
	write(t, h, 0, fill('x', 1))
	must(t, h.Sync())
	must(t, f.SyncDir("."))
	if want := []OpKind{OpCreate, OpWrite, OpSync, OpSyncDir}; !slices.Equal(kinds, want) {
		t.Fatalf("%v, want %v", kinds, want)
	}
	if f.Count(OpWrite) != 1 {
		t.Fatalf("%d writes", f.Count(OpWrite))
	}
}

func TestFullDisk(t *testing.T) {
	f := New(1)
	f.SetCapacity(4 * blockBytes)
	a := create(t, f, "a")
	write(t, a, 0, make([]byte, 2*blockBytes))
	b := create(t, f, "b")
	n, err := b.WriteAt(make([]byte, 3*blockBytes), 0)
	if n != 2*blockBytes || !env.IsDiskFull(err) {
		t.Fatalf("wrote %d of 3 blocks to a disk with 2 left: %v", n, err)
	}
	write(t, a, 0, []byte("overwriting needs no space"))
	if err := a.Truncate(3 * blockBytes); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("extending: %v", err)
	}
	if err := a.Preallocate(3 * blockBytes); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("preallocating: %v", err)
	}
	must(t, f.Remove("b"))
	if _, err := a.WriteAt(make([]byte, blockBytes), 2*blockBytes); !env.IsDiskFull(err) {
		t.Fatalf("a removed file gave its space back while it was open: %v", err)
	}
	must(t, b.Close())
	must(t, a.Preallocate(4*blockBytes))
	if f.UsedBytes() != 4*blockBytes {
		t.Fatalf("%d bytes used", f.UsedBytes())
	}
	if c := f.Crash(rng(1)); c.UsedBytes() > 4*blockBytes {
		t.Fatalf("%d bytes used after a crash", c.UsedBytes())
	}
	f.SetCapacity(0)
	must(t, a.Truncate(100*blockBytes))
}

func TestPreallocatedSurvives(t *testing.T) {
	f := New(1)
	h := create(t, f, "a")
	must(t, f.SyncDir("."))
	must(t, h.Preallocate(preallocateStep+5000))
	if got, _ := f.Crash(rng(1)).ReadFile("a"); len(got) != preallocateStep+5000 {
		t.Fatalf("%d bytes survived", len(got))
	}
}

func TestClosedHandle(t *testing.T) {
	f := New(1)
	h, err := f.Create("a")
	must(t, err)
	must(t, h.Close())
	_, read := h.ReadAt(nil, 0)
	_, written := h.WriteAt(nil, 0)
	for what, err := range map[string]error{"read": read, "write": written, "sync": h.Sync(), "truncate": h.Truncate(0), "close": h.Close()} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := io.ReadAll(io.NewSectionReader(h, 0, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("reading: %v", err)
	}
}

// A caller that tries again must not take what was not synced for done.
func TestFailedPreallocateLeavesTheSize(t *testing.T) {
	for _, kind := range []OpKind{OpWrite, OpSync} {
		f := New(1)
		h, err := f.Create("a")
		if err != nil {
			t.Fatal(err)
		}
		f.Fail(kind, 1, 1, syscall.EIO)
		if err := h.Preallocate(10000); !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		if size, err := h.Size(); size != 0 || err != nil {
			t.Fatalf("after a failed %v it has %d bytes, %v", kind, size, err)
		}
		if err := h.Preallocate(10000); err != nil {
			t.Fatal(err)
		}
		for seed := range uint64(20) {
			c, err := f.Crash(rand.New(rand.NewPCG(seed, 1))).ReadFile("a")
			if err == nil && len(c) != 10000 {
				t.Fatalf("a power loss leaves %d bytes", len(c))
			}
		}
	}
}
