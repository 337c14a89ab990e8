package godwit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/folder"
)

// faultLoad has goroutines write keys of their own, in two tables, until
// they are told to stop or get an error that they do not expect.
type faultLoad struct {
	t    *testing.T
	db   *DB
	o, h *Table

	stop atomic.Bool
	wg   sync.WaitGroup
	mu   sync.Mutex
	// outcome of each key: nil is released, ErrOutcomeUnknown may be there, other
	// errors must not be.
	outcome map[string]error
	// Transactions that were released, and that were not executed.
	released, refused int
	pace              *time.Ticker
	slow              bool // one transaction per tick: memory is soon full else
}

func startFaultLoad(t *testing.T, db *DB, goroutines int, slow bool) *faultLoad {
	l := &faultLoad{t: t, db: db, slow: slow, o: mustTable(t, db, "o", Ordered), h: mustTable(t, db, "h", Hashed), outcome: map[string]error{}, pace: time.NewTicker(time.Millisecond)}
	t.Cleanup(l.pace.Stop)
	for g := range goroutines {
		l.wg.Go(func() { l.write(g) })
	}
	return l
}

func (l *faultLoad) write(g int) {
	for i := 0; !l.stop.Load(); i++ {
		key := fmt.Sprintf("%d-%06d", g, i)
		run := func(tx *Tx) error {
			v := []byte(key + strings.Repeat("v", i*7%6000))
			return errors.Join(tx.Put(l.o, []byte(key), v), tx.Put(l.h, []byte(key), v))
		}
		var err error
		if g%2 == 0 {
			err = l.db.Update(context.Background(), run)
		} else {
			var p *Pending
			if p, err = l.db.UpdateAsync(context.Background(), run); err == nil {
				err = p.Wait(context.Background())
			}
		}
		l.mu.Lock()
		if err == nil {
			l.released++
		} else if !errors.Is(err, ErrOutcomeUnknown) && !errors.Is(err, ErrMemoryFull) {
			l.refused++
		}
		l.outcome[key] = err
		l.mu.Unlock()
		if errors.Is(err, ErrLogFailed) && !errors.Is(err, ErrOutcomeUnknown) && i > 10 {
			return
		}
		if err != nil || l.slow {
			<-l.pace.C
		}
	}
}

// await returns when a count has grown by a few since the call.
func (l *faultLoad) await(what string, count *int) {
	l.t.Helper()
	get := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return *count
	}
	from := get()
	poll(l.t, func() error {
		if n := get() - from; n < 5 {
			return fmt.Errorf("only %d are %s", n, what)
		}
		return nil
	})
}

// verify checks the tables against what the callers were told.
func (l *faultLoad) verify(c content) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, err := range l.outcome {
		o, inO := c["o"][key]
		h, inH := c["h"][key]
		switch {
		case inO != inH || o != h:
			l.t.Fatalf("%s is half there: %v %v", key, inO, inH)
		case err == nil && !inO:
			l.t.Fatalf("%s was released and is lost", key)
		case err != nil && !errors.Is(err, ErrOutcomeUnknown) && inO:
			l.t.Fatalf("%s is there, but Update had said: %v", key, err)
		}
	}
	if len(c["o"]) > len(l.outcome) {
		l.t.Fatalf("%d keys, written were %d", len(c["o"]), len(l.outcome))
	}
}

// readable returns an error if a released key cannot be read.
func (l *faultLoad) readable() error {
	l.mu.Lock()
	var key string
	for k, err := range l.outcome {
		if err == nil {
			key = k
			break
		}
	}
	l.mu.Unlock()
	if key == "" {
		return nil // the disk was full before anything was released
	}
	return l.db.View(l.t.Context(), func(tx *Tx) error {
		_, err := tx.Get(l.o, []byte(key))
		_, err2 := tx.Get(l.h, []byte(key))
		return errors.Join(err, err2)
	})
}

// failLog makes operations of a kind on segments fail from now on.
func failLog(f *faultfs.FS, kind faultfs.OpKind, err error) {
	f.SetHook(func(op faultfs.Op) error {
		if op.Kind == kind && strings.HasSuffix(op.Name, ".seg") {
			return err
		}
		return nil
	})
}

func TestProofFailedLog(t *testing.T) {
	short := &faultfs.ShortWrite{Bytes: 700, Err: syscall.EIO}
	for _, fault := range []struct {
		name string
		kind faultfs.OpKind
		err  error
	}{{"sync", faultfs.OpSync, syscall.EIO}, {"write", faultfs.OpWrite, syscall.EIO}, {"short write", faultfs.OpWrite, short}} {
		t.Run(fault.name, func(t *testing.T) {
			forDurabilities(t, func(t *testing.T, d Durability) {
				forSeeds(t, 3, func(t *testing.T, seed uint64) {
					testFailedLog(t, seed, d, func(f *faultfs.FS) { failLog(f, fault.kind, fault.err) })
				})
			})
		})
	}
}

func testFailedLog(t *testing.T, seed uint64, d Durability, fail func(*faultfs.FS)) {
	ctx := t.Context()
	f := faultfs.New(seed)
	o := onFaults(f)
	o.Durability, o.SyncInterval = d, 2*time.Millisecond
	db, err := Open(proofDir, o)
	must(t, err)
	l := startFaultLoad(t, db, 6, d == DurabilityBackground)
	l.await("released", &l.released)
	if d == DurabilityBackground {
		must(t, db.log.Sync(ctx)) // l.readable needs one
	}
	fail(f)
	l.await("refused", &l.refused)
	f.SetHook(nil) // the disk is well again, but what is on it is not known
	l.wg.Wait()
	unknown := 0
	for key, err := range l.outcome {
		switch {
		case err == nil:
		case errors.Is(err, ErrOutcomeUnknown) && errors.Is(err, ErrLogFailed):
			unknown++
		case !errors.Is(err, ErrLogFailed):
			t.Fatalf("%s: %v", key, err)
		}
	}
	if (unknown > 0) != (d == DurabilityDisk) {
		t.Fatalf("%d transactions were told that their outcome is unknown", unknown)
	}
	must(t, l.readable())
	session, err := db.NewSession()
	must(t, err)
	defer session.Close()
	run := func(tx *Tx) error { t.Error("run"); return tx.Put(l.o, []byte("late"), nil) }
	_, aerr := db.UpdateAsync(ctx, run)
	_, serr := session.Update(run)
	_, cerr := db.CreateTable(ctx, "late", Ordered)
	for what, err := range map[string]error{
		"Update": db.Update(ctx, run), "UpdateAsync": aerr, "Session": serr, "CreateTable": cerr,
		"DropTable": db.DropTable(ctx, "o"), "Checkpoint": db.Checkpoint(ctx), "Backup": db.Backup(ctx, &bytes.Buffer{}),
	} {
		if !errors.Is(err, ErrLogFailed) || errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("%s on a failed log: %v", what, err)
		}
	}
	if err := db.Stats().Log.Failed; !errors.Is(err, ErrLogFailed) {
		t.Errorf("Stats: %v", err)
	}
	if _, err := db.Table("o"); err != nil {
		t.Error("the table is gone after a drop that was refused")
	}
	must(t, l.readable())
	if err := db.Close(); !errors.Is(err, ErrLogFailed) {
		t.Errorf("Close: %v", err)
	}
	rng := rand.New(rand.NewPCG(seed, 3))
	for what, left := range map[string]*faultfs.FS{"process": f.Clone(), "power": f.Crash(rng), "process, then power": nil} {
		if left == nil {
			left = f.Clone().Crash(rng)
		}
		o.fs = left
		again, err := Open(proofDir, o)
		if err != nil {
			t.Fatalf("after the loss of %s: %v", what, err)
		}
		c := mustDump(t, again)
		if _, there := c["late"]; there || c["o"]["late"] != "" {
			t.Error("a refused change is there")
		}
		if d == DurabilityDisk {
			l.verify(c)
		}
		at, err := again.Table("o")
		must(t, err)
		must(t, again.Update(ctx, func(tx *Tx) error { return tx.Put(at, []byte("new"), nil) }))
		must(t, again.Close())
		o.fs = left.Crash(rng)
		again, err = Open(proofDir, o)
		must(t, err)
		c["o"]["new"] = ""
		if diff := c.diff(mustDump(t, again)); diff != "" {
			t.Fatalf("after the loss of %s and once more of power: %s", what, diff)
		}
		must(t, again.Close())
	}
}

// storedOnFaults returns a data folder with a checkpoint, and segments before
// and behind it, and what is in it.
func storedOnFaults(t *testing.T, seed uint64) (*faultfs.FS, content) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 4))
	f := faultfs.New(seed)
	o := *onFaults(f)
	o.LogSegmentBytes = 64 << 10
	db, err := openBare(proofDir, o)
	must(t, err)
	for name, kind := range map[string]TableKind{"o": Ordered, "h": Hashed} {
		mustTable(t, db, name, kind)
	}
	for i := range 300 {
		must(t, db.Update(t.Context(), func(tx *Tx) error {
			for _, table := range db.Tables() {
				if err := tx.Put(table, fmt.Append(nil, rng.IntN(200)), bytes.Repeat([]byte{byte('a' + i%26)}, rng.IntN(1000))); err != nil {
					return err
				}
			}
			return nil
		}))
		if i == 150 {
			must(t, db.Checkpoint(t.Context()))
		}
	}
	c := mustDump(t, db)
	must(t, db.Close())
	return f, c
}

// tryOpen opens what may be damaged: either everything is there, or an error
// is returned and nothing has changed on the disk.
func tryOpen(t *testing.T, what string, f *faultfs.FS, want content) error {
	t.Helper()
	before := diskContent(t, f)
	o := *onFaults(f)
	o.LogSegmentBytes = 64 << 10
	db, err := openBare(proofDir, o)
	if err == nil {
		got := mustDump(t, db)
		_ = db.Close() // a fault may have hit it later
		if d := want.diff(got); d != "" {
			t.Fatalf("%s: it opens without an error: %s", what, d)
		}
		return nil
	}
	if changed := sameDisk(before, diskContent(t, f)); changed != nil {
		t.Fatalf("%s: Open returned %v, but %v", what, err, changed)
	}
	return err
}

func TestProofErrorsAtOpen(t *testing.T) {
	f, want := storedOnFaults(t, 1)
	for _, kind := range []faultfs.OpKind{faultfs.OpRead, faultfs.OpOpen, faultfs.OpList, faultfs.OpStat, faultfs.OpEvict, faultfs.OpLock} {
		probe := f.Clone()
		must(t, tryOpen(t, "no fault", probe, want))
		failed := 0
		for n := 1; n <= probe.Count(kind); n += stride(9) {
			what := fmt.Sprintf("%v %d of %d fails", kind, n, probe.Count(kind))
			at := f.Clone()
			at.Fail(kind, n, 1, syscall.EIO)
			if err := tryOpen(t, what, at, want); err != nil {
				if failed++; !errors.Is(err, syscall.EIO) || errors.Is(err, ErrCorrupt) {
					t.Errorf("%s: %v", what, err)
				}
			}
			at.Heal()
			if err := tryOpen(t, what+", and is well again", at, want); err != nil {
				t.Errorf("%s, and is well again: %v", what, err)
			}
		}
		if failed == 0 {
			t.Errorf("no failing %v, of %d, made Open fail", kind, probe.Count(kind))
		}
	}
}

// Operations that change the disk may fail while it is opened too; nothing
// is lost then.
func TestProofFailedChangesAtOpen(t *testing.T) {
	f, want := storedOnFaults(t, 2)
	rng := rand.New(rand.NewPCG(1, 1))
	for _, kind := range []faultfs.OpKind{faultfs.OpCreate, faultfs.OpWrite, faultfs.OpSync, faultfs.OpRename, faultfs.OpRemove, faultfs.OpSyncDir, faultfs.OpTruncate, faultfs.OpMkdir} {
		for n := 1; n <= 12; n += stride(6) {
			at := f.Crash(rng)
			at.Fail(kind, n, 1, syscall.EIO)
			o := *onFaults(at)
			o.LogSegmentBytes = 64 << 10
			if db, err := openBare(proofDir, o); err == nil {
				if d := want.diff(mustDump(t, db)); d != "" {
					t.Fatalf("%v %d fails: %s", kind, n, d)
				}
				_ = db.Close()
			}
			at.Heal()
			if err := tryOpen(t, fmt.Sprintf("%v %d failed", kind, n), at.Crash(rng), want); err != nil {
				t.Fatalf("%v %d failed, and a power loss followed: %v", kind, n, err)
			}
		}
	}
}

func TestProofBitRot(t *testing.T) {
	forSeeds(t, 2, func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 5))
		f, want := storedOnFaults(t, seed)
		found := map[string]int{}
		for _, name := range f.Names() {
			whole, err := f.ReadFile(name)
			must(t, err)
			for i := 0; i < 25; i += stride(5) {
				if len(whole) == 0 {
					break
				}
				offset := rng.Int64N(int64(len(whole)))
				if i < 10 {
					offset = rng.Int64N(min(200, int64(len(whole))))
				}
				at := f.Clone()
				must(t, at.FlipBit(name, offset, uint(rng.IntN(8))))
				what := fmt.Sprintf("a bit of %s at %d", name, offset)
				report, cerr := check(t.Context(), at, proofDir)
				err := tryOpen(t, what, at, want)
				if err == nil {
					continue
				}
				if cerr != nil || len(report.Problems) == 0 {
					t.Errorf("%s: Open says %v, check only %+v, %v", what, err, report, cerr)
				}
				if errors.Is(err, ErrNewerFormat) && strings.Contains(err.Error(), name) {
					continue // the bit was in the version
				}
				var c *CorruptionError
				if !errors.As(err, &c) || c.File != name || c.Offset > offset {
					t.Errorf("%s: %v", what, err)
				}
				found[filepath.Base(filepath.Dir(name))]++
			}
		}
		t.Log(found)
		if len(found) < 4 { // base, log, checkpoint and the folder of its parts
			t.Errorf("damage was found in %v only", found)
		}
	})
}

func TestProofMissingAndCutFiles(t *testing.T) {
	f, want := storedOnFaults(t, 1)
	parts, segments := 0, 0
	for _, name := range f.Names() {
		whole, err := f.ReadFile(name)
		must(t, err)
		if len(whole) == 0 {
			continue
		}
		sizes := []int64{-1, 0, 1, 100, int64(len(whole)) / 2, int64(len(whole)) - 1}
		for i := 0; i < len(sizes); i += stride(2) {
			size := sizes[i]
			at := f.Clone()
			what := fmt.Sprintf("%s, %d bytes, cut to %d", name, len(whole), size)
			if size < 0 {
				must(t, at.Remove(name))
			} else {
				h, err := at.Open(name)
				must(t, err)
				must(t, errors.Join(h.Truncate(size), h.Sync(), h.Close()))
			}
			err := tryOpen(t, what, at, want)
			switch part, segment := strings.Contains(name, ".part") || strings.Count(name, "/") == 4, strings.HasSuffix(name, ".seg"); {
			case err == nil:
			case part:
				parts++
				if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), name) {
					t.Errorf("%s: %v", what, err)
				}
			case segment:
				segments++
				if !errors.Is(err, ErrCorrupt) {
					t.Errorf("%s: %v", what, err)
				}
			}
		}
	}
	if parts < 3 || segments < 6 {
		t.Errorf("only %d cuts of checkpoint parts and %d of segments were found\n%s", parts, segments, strings.Join(f.Names(), "\n"))
	}
}

// TestMissingFirstSegment: a log whose only segment is gone says so first, and not that the one prepared
// behind it is empty.
func TestMissingFirstSegment(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(dir, small())
	must(t, err)
	mustTable(t, db, "t", Ordered)
	must(t, db.Close())
	segments, err := filepath.Glob(filepath.Join(dir, folder.Log, "*.seg"))
	if must(t, err); len(segments) != 2 {
		t.Fatalf("the segments are %v", segments)
	}
	must(t, os.Remove(segments[0]))
	var damage *CorruptionError
	if db, err = Open(dir, small()); !errors.As(err, &damage) || damage.File != segments[0] {
		t.Errorf("%v, %v", db, err)
	}
}

func TestProofFilesOfAnotherDatabase(t *testing.T) {
	mine, want := storedOnFaults(t, 1)
	other, _ := storedOnFaults(t, 2)
	for _, folder := range []string{folder.Log, folder.Checkpoint} {
		at := mine.Clone()
		in := filepath.Join(proofDir, folder) + string(filepath.Separator)
		for _, name := range at.Names() {
			if strings.HasPrefix(name, in) {
				must(t, at.Remove(name))
			}
		}
		for _, name := range other.Names() {
			if strings.HasPrefix(name, in) {
				c, err := other.ReadFile(name)
				must(t, err)
				must(t, at.WriteFile(name, c))
			}
		}
		if err := tryOpen(t, folder, at, want); err == nil || !strings.Contains(err.Error(), "database") {
			t.Errorf("the %s folder of another database: %v", folder, err)
		}
	}
}

func TestProofNewerFormat(t *testing.T) {
	f, want := storedOnFaults(t, 1)
	name := filepath.Join(proofDir, folder.IdentityFile)
	text, err := f.ReadFile(name)
	must(t, err)
	must(t, f.WriteFile(name, bytes.Replace(text, []byte("format 4"), []byte("format 5"), 1)))
	if err := tryOpen(t, "format 5", f, want); !errors.Is(err, ErrNewerFormat) {
		t.Fatal(err)
	}
}

func TestProofFolderInUse(t *testing.T) {
	f, want := storedOnFaults(t, 1)
	o := onFaults(f)
	db, err := Open(proofDir, o)
	must(t, err)
	_, err = Open(proofDir, o)
	_, cerr := check(t.Context(), f, proofDir)
	for what, err := range map[string]error{"Open": err, "check": cerr, "restore": restore(t.Context(), f, proofDir, &bytes.Buffer{})} {
		if !errors.Is(err, ErrLocked) {
			t.Errorf("%s while it is open: %v", what, err)
		}
	}
	if d := want.diff(mustDump(t, db)); d != "" {
		t.Error(d)
	}
	must(t, db.Close())
	db, err = Open(proofDir, o)
	must(t, err)
	must(t, db.Close())
}

// What an unfinished checkpoint left is removed, but not by an Open that fails.
func TestProofFailedOpenRemovesNothing(t *testing.T) {
	f, want := storedOnFaults(t, 1)
	must(t, f.WriteFile(filepath.Join(proofDir, folder.Checkpoint, "0000000000000001", "part-0000.ckp"), []byte("unfinished")))
	left := len(f.Names())
	damaged := f.Clone()
	for _, name := range damaged.Names() {
		if strings.HasSuffix(name, ".seg") {
			must(t, damaged.FlipBit(name, 20, 1))
			break
		}
	}
	if err := tryOpen(t, "a damaged log", damaged, want); !errors.Is(err, ErrCorrupt) {
		t.Fatal(err)
	}
	must(t, tryOpen(t, "an intact one", f, want))
	for _, name := range f.Names() {
		if strings.Contains(name, "0000000000000001/") {
			t.Errorf("%s is still there, of %d files", name, left)
		}
	}
}
