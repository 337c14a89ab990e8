package godwit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/folder"
)

func TestProofAMillionWrites(t *testing.T) {
	n := 1_000_000
	if raceBuild || testing.Short() {
		n = 20_000
	}
	dir := t.TempDir()
	o := &Options{MemoryLimit: 256 << 20, Workers: 2, CheckpointBytes: -1}
	if raceBuild {
		o.MemoryLimit = 32 << 20
	}
	db, err := Open(dir, o)
	must(t, err)
	table := mustTable(t, db, "t", Ordered)
	must(t, db.Update(t.Context(), func(tx *Tx) error {
		var k [8]byte
		for i := range n {
			binary.BigEndian.PutUint64(k[:], uint64(i)*0x9e3779b97f4a7c15) // in no order
			if err := tx.Put(table, k[:], k[4:]); err != nil {
				return err
			}
		}
		return nil
	}))
	must(t, db.Close())
	db = openDB(t, dir, o)
	table, err = db.Table("t")
	must(t, err)
	must(t, db.Update(t.Context(), func(tx *Tx) error {
		found := 0
		var last []byte
		for k, v := range tx.Scan(table, Range{}) {
			if !bytes.Equal(k[4:], v) || found > 0 && bytes.Compare(last, k) >= 0 {
				return fmt.Errorf("%x = %x after %x", k, v, last)
			}
			last = append(last[:0], k...)
			found++
		}
		if found != n {
			return fmt.Errorf("%d keys, want %d", found, n)
		}
		deleted, err := tx.DeleteRange(table, nil, nil)
		if deleted != n {
			return fmt.Errorf("%d deleted, want %d", deleted, n)
		}
		return err
	}))
	if s := db.Stats(); s.Records != 2 { // of the catalog
		t.Fatalf("%d records are left", s.Records)
	}
}

func TestProofLargestKeysAndValues(t *testing.T) {
	size := 64 << 20
	limit := int64(512 << 20)
	if raceBuild {
		size, limit = 8<<20, 64<<20
	}
	ctx := t.Context()
	dir := t.TempDir()
	o := &Options{MemoryLimit: limit, Workers: 2, LogSegmentBytes: 1 << 20, CheckpointBytes: -1}
	value := make([]byte, size)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := 0; i < size; i += 8 {
		binary.LittleEndian.PutUint64(value[i:], rng.Uint64())
	}
	key := bytes.Repeat([]byte{0xff}, 4096)
	db, err := Open(dir, o)
	must(t, err)
	both := func() []*Table { return db.Tables() }
	mustTable(t, db, "h", Hashed)
	mustTable(t, db, "o", Ordered)
	verify := func(what string) {
		t.Helper()
		must(t, db.View(ctx, func(tx *Tx) error {
			for i, table := range both() {
				v, err := tx.Get(table, key)
				if err != nil || i == 1 && !bytes.Equal(v, value) || i == 0 && string(v) != "small" {
					return fmt.Errorf("%s: table %s has %d bytes, %w", what, table.Name(), len(v), err)
				}
				if v, err = tx.Get(table, nil); err != nil || len(v) != 0 {
					return fmt.Errorf("%s: the empty key has %q, %w", what, v, err)
				}
			}
			return nil
		}))
	}
	must(t, db.Update(ctx, func(tx *Tx) error {
		return errors.Join(tx.Put(both()[1], key, value), tx.Put(both()[0], key, []byte("small")), tx.Put(both()[0], nil, nil), tx.Put(both()[1], nil, nil))
	}))
	err = db.Update(ctx, func(tx *Tx) error {
		if err := tx.Put(both()[0], append(key, 0), nil); !errors.Is(err, ErrTooLarge) {
			t.Errorf("a key of %d bytes: %v", len(key)+1, err)
		}
		return tx.Put(both()[0], key, make([]byte, 64<<20+1))
	})
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("a value that is too large: %v", err)
	}
	verify("written")
	must(t, db.Close())
	db, err = Open(dir, o)
	must(t, err)
	verify("after the log was read")
	must(t, db.Checkpoint(ctx))
	var backup bytes.Buffer
	must(t, db.Backup(ctx, &backup))
	must(t, db.Close())
	db, err = Open(dir, o)
	must(t, err)
	verify("after the checkpoint was read")
	must(t, db.Close())
	restored := t.TempDir()
	must(t, Restore(ctx, restored, &backup))
	db, err = Open(restored, o)
	must(t, err)
	verify("restored")
	must(t, db.Close())
}

// A database whose memory is full refuses what needs more, loses nothing, and
// goes on when there is room.
func TestProofMemoryFull(t *testing.T) {
	ctx := t.Context()
	f := faultfs.New(1)
	o := onFaults(f)
	o.MemoryLimit = MinMemoryLimit
	db, err := Open(proofDir, o)
	must(t, err)
	table := mustTable(t, db, "t", Ordered)
	hashed := mustTable(t, db, "h", Hashed)
	kept := content{"t": {}, "h": {}}
	longest := 5000
	if raceBuild {
		longest = 100_000 // few fit
	}
	put := func(i int) error {
		k, v := fmt.Sprintf("%06d", i), strings.Repeat("v", i*37%longest)
		err := db.Update(ctx, func(tx *Tx) error {
			return errors.Join(tx.Put(table, []byte(k), []byte(v)), tx.Put(hashed, []byte(k), []byte(v)))
		})
		if err == nil {
			kept["t"][k], kept["h"][k] = v, v
		}
		return err
	}
	for round := range 3 {
		n := round * 100_000
		for full := 0; full < 20; n++ {
			if err := put(n); errors.Is(err, ErrMemoryFull) {
				full++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if d := kept.diff(mustDump(t, db)); d != "" {
			t.Fatalf("round %d, full: %s", round, d)
		}
		must(t, db.Checkpoint(ctx))
		must(t, db.Close()) // it can be opened again with the limit that it had
		db, err = Open(proofDir, o)
		must(t, err)
		table, err = db.Table("t")
		must(t, err)
		hashed, err = db.Table("h")
		must(t, err)
		if d := kept.diff(mustDump(t, db)); d != "" {
			t.Fatalf("round %d, reopened: %s", round, d)
		}
		i := 0
		for k := range kept["t"] {
			if i++; i%2 == 0 {
				continue
			}
			must(t, db.Update(ctx, func(tx *Tx) error {
				return errors.Join(tx.Delete(table, []byte(k)), tx.Delete(hashed, []byte(k)))
			}))
			delete(kept["t"], k)
			delete(kept["h"], k)
		}
		poll(t, func() error { return put(n) })
	}
	if d := kept.diff(mustDump(t, db)); d != "" {
		t.Fatal(d)
	}
	must(t, db.Close())
}

// Several databases in one process know nothing of each other, and nothing of
// them is left when they are closed.
func TestProofSeveralDatabasesAndNothingLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			if err := liveOnce(t, i); err != nil {
				t.Errorf("database %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	bad := faultfs.New(1)
	must(t, bad.WriteFile(proofDir+"/"+folder.IdentityFile, []byte("something else")))
	if _, err := Open(proofDir, onFaults(bad)); !errors.Is(err, ErrCorrupt) {
		t.Fatal(err)
	}
	poll(t, func() error {
		if n := runtime.NumGoroutine(); n > before {
			stacks := make([]byte, 1<<20)
			return fmt.Errorf("%d goroutines, there were %d:\n%s", n, before, stacks[:runtime.Stack(stacks, true)])
		}
		return nil
	})
}

func liveOnce(t *testing.T, i int) error {
	ctx := t.Context()
	o := onFaults(faultfs.New(uint64(i)))
	o.Durability, o.CheckpointBytes = Durability(i%2), 1<<10
	o.SyncInterval = time.Millisecond
	db, err := Open(proofDir, o) // the same name, on another disk
	if err != nil {
		return err
	}
	table, err := db.CreateTable(ctx, "t", TableKind(1+i%2))
	if err != nil {
		return err
	}
	snap, err := db.Snapshot(ctx)
	if err != nil {
		return err
	}
	session, err := db.NewSession()
	if err != nil {
		return err
	}
	for n := range 300 {
		put := func(tx *Tx) error { return tx.Put(table, fmt.Append(nil, n), fmt.Append(nil, i)) }
		if _, err := db.UpdateAsync(ctx, put); err != nil {
			return err
		}
		if _, err := session.Update(put); err != nil {
			return err
		}
	}
	err = db.View(ctx, func(tx *Tx) error {
		for n := range 300 {
			if v, err := tx.Get(table, fmt.Append(nil, n)); err != nil || string(v) != fmt.Sprint(i) {
				return fmt.Errorf("%d: %q, %w", n, v, err)
			}
		}
		return nil
	})
	// A snapshot and a session that nobody closes do not hold Close up.
	return errors.Join(err, db.Checkpoint(ctx), db.Close(), func() error { snap.Close(); session.Close(); return nil }())
}
