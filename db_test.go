package godwit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/folder"
)

func memDB(t testing.TB) *DB {
	t.Helper()
	return openDB(t, "", &Options{Durability: DurabilityNone, MemoryLimit: MinMemoryLimit})
}

func openDB(t testing.TB, dir string, opts *Options) *DB {
	t.Helper()
	db, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func mustTable(t testing.TB, db *DB, name string, kind TableKind) *Table {
	t.Helper()
	table, err := db.CreateTable(context.Background(), name, kind)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until check returns nil.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
}

// small are options for databases of tests.
func small() *Options {
	return &Options{MemoryLimit: 64 << 20, LogSegmentBytes: 1 << 20}
}

func TestTables(t *testing.T) {
	db := memDB(t)
	ctx := t.Context()
	a := mustTable(t, db, "a", Ordered)
	b := mustTable(t, db, "b", Hashed)
	if a.Kind() != Ordered || b.Kind() != Hashed || a.Name() != "a" {
		t.Fatal(a, b)
	}
	if _, err := db.CreateTable(ctx, "a", Ordered); !errors.Is(err, ErrExists) {
		t.Fatal(err)
	}
	for _, bad := range []string{"", strings.Repeat("x", TableNameBytesMax+1), "a\x00", "\xff"} {
		if _, err := db.CreateTable(ctx, bad, Ordered); err == nil {
			t.Fatalf("table name %q was taken", bad)
		}
	}
	if _, err := db.Table("c"); !errors.Is(err, ErrNoTable) {
		t.Fatal(err)
	}
	put := func(table *Table) error {
		return db.Update(ctx, func(tx *Tx) error { return tx.Put(table, []byte("k"), []byte("v")) })
	}
	must(t, errors.Join(put(a), put(b)))
	must(t, db.DropTable(ctx, "a"))
	if err := put(a); !errors.Is(err, ErrNoTable) {
		t.Fatal(err)
	}
	if err := put(nil); !errors.Is(err, ErrNoTable) {
		t.Fatal(err)
	}
	a2 := mustTable(t, db, "a", Ordered)
	err := db.View(ctx, func(tx *Tx) error {
		_, err := tx.Get(a2, []byte("k"))
		return err
	})
	if !errors.Is(err, ErrNotFound) {
		t.Fatalf("a new table has the old one's keys: %v", err)
	}
	if names := db.Tables(); len(names) != 2 || names[0].Name() != "a" || names[1].Name() != "b" {
		t.Fatal(names)
	}
	other := memDB(t)
	err = other.Update(ctx, func(tx *Tx) error { return tx.Put(b, nil, nil) })
	if !errors.Is(err, ErrNoTable) {
		t.Fatalf("a table of another database: %v", err)
	}
}

// As many tables as there may be: making one takes no longer the more there are.
func TestAllTables(t *testing.T) {
	db := openDB(t, "", &Options{Durability: DurabilityNone, MemoryLimit: 256 << 20})
	name := func(i int) string { return fmt.Sprintf("table %d", i) }
	most := tablesMax / stride(16)
	for i := range most {
		mustTable(t, db, name(i), TableKind(1+i%2))
	}
	if _, err := db.CreateTable(t.Context(), name(most), Ordered); most == tablesMax && !errors.Is(err, ErrTooLarge) {
		t.Errorf("one table too many: %v", err)
	}
	must(t, db.DropTable(t.Context(), name(7)))
	if n := len(db.Tables()); most == tablesMax && n != most-1 {
		t.Errorf("%d tables, want %d", n, most-1)
	}
}

func TestCounterFromManyGoroutines(t *testing.T) {
	for _, durability := range []Durability{DurabilityDisk, DurabilityBackground, DurabilityNone} {
		t.Run(durability.String(), func(t *testing.T) {
			o := small()
			o.Durability = durability
			dir := t.TempDir()
			if durability == DurabilityNone {
				dir = ""
			}
			db := openDB(t, dir, o)
			table := mustTable(t, db, "t", Ordered)
			var wg sync.WaitGroup
			const goroutines, each = 16, 100
			for range goroutines {
				wg.Go(func() {
					for range each {
						err := db.Update(t.Context(), func(tx *Tx) error {
							v, err := tx.Get(table, []byte("n"))
							if err != nil && !errors.Is(err, ErrNotFound) {
								return err
							}
							return tx.Put(table, []byte("n"), append(bytes.Clone(v), 'x'))
						})
						if err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			check := func(db *DB) {
				t.Helper()
				table, err := db.Table("t")
				must(t, err)
				must(t, db.View(t.Context(), func(tx *Tx) error {
					v, err := tx.Get(table, []byte("n"))
					if len(v) != goroutines*each {
						return fmt.Errorf("%d increments, want %d", len(v), goroutines*each)
					}
					return err
				}))
			}
			check(db)
			if durability != DurabilityNone {
				must(t, db.Close())
				check(openDB(t, dir, o))
			}
		})
	}
}

func TestReopenKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	ctx := t.Context()
	want := map[string]string{}
	for round := range 6 {
		db := openDB(t, dir, small())
		if round == 0 {
			mustTable(t, db, "o", Ordered)
			mustTable(t, db, "h", Hashed)
		}
		o, err := db.Table("o")
		must(t, err)
		h, err := db.Table("h")
		must(t, err)
		must(t, db.View(ctx, func(tx *Tx) error {
			n := 0
			for k, v := range tx.Scan(o, Range{}) {
				hv, err := tx.Get(h, k)
				if err != nil || want[string(k)] != string(v) || !bytes.Equal(v, hv) {
					return fmt.Errorf("round %d: %q = %.20q and %.20q; want %.20q: %w", round, k, v, hv, want[string(k)], err)
				}
				n++
			}
			if n != len(want) {
				return fmt.Errorf("round %d: %d keys, want %d", round, n, len(want))
			}
			return nil
		}))
		// What was dropped before is freed in the background.
		eventually(t, func() error {
			if s := db.Stats(); s.Records != int64(2*len(want)+3) || s.DeletedRecords != 0 {
				return fmt.Errorf("round %d: %d records and %d deleted, want %d and 3 of the catalog", round, s.Records, s.DeletedRecords, 2*len(want))
			}
			return nil
		})
		for i := range 300 {
			k := fmt.Sprint((i*7 + round*100) % 900)
			v := strings.Repeat(string(rune('a'+round)), i*17%4000)
			must(t, db.Update(ctx, func(tx *Tx) error {
				if i%3 == 0 {
					delete(want, k)
					return errors.Join(tx.Delete(o, []byte(k)), tx.Delete(h, []byte(k)))
				}
				want[k] = v
				return errors.Join(tx.Put(o, []byte(k), []byte(v)), tx.Put(h, []byte(k), []byte(v)))
			}))
			if round >= 2 && i == 150 {
				must(t, db.Checkpoint(ctx))
			}
		}
		name := fmt.Sprint("passing", round)
		passing := mustTable(t, db, name, Ordered)
		must(t, db.Update(ctx, func(tx *Tx) error { return tx.Put(passing, []byte("k"), nil) }))
		must(t, db.DropTable(ctx, name))
		must(t, db.Close())
	}
}

func TestBackupAndRestore(t *testing.T) {
	db := openDB(t, t.TempDir(), small())
	ctx := t.Context()
	table := mustTable(t, db, "t", Ordered)
	hashed := mustTable(t, db, "h", Hashed)
	for i := range 500 {
		must(t, db.Update(ctx, func(tx *Tx) error {
			return errors.Join(tx.Put(table, fmt.Append(nil, i), fmt.Append(nil, i)), tx.Put(hashed, fmt.Append(nil, i), nil))
		}))
	}
	var backup bytes.Buffer
	must(t, db.Backup(ctx, &backup))
	dir := t.TempDir()
	must(t, Restore(ctx, dir, bytes.NewReader(backup.Bytes())))
	copied := openDB(t, dir, small())
	ct, err := copied.Table("t")
	must(t, err)
	ch, err := copied.Table("h")
	must(t, err)
	must(t, copied.View(ctx, func(tx *Tx) error {
		n := 0
		for k, v := range tx.Scan(ct, Range{}) {
			if !bytes.Equal(k, v) {
				return fmt.Errorf("%s = %s", k, v)
			}
			if _, err := tx.Get(ch, k); err != nil {
				return err
			}
			n++
		}
		if n != 500 {
			return fmt.Errorf("%d keys", n)
		}
		return nil
	}))
	if err := Restore(ctx, dir, bytes.NewReader(backup.Bytes())); err == nil {
		t.Fatal("restored over an open database")
	}
	damaged := bytes.Clone(backup.Bytes())
	damaged[len(damaged)/2] ^= 1
	bad := t.TempDir()
	if err := Restore(ctx, bad, bytes.NewReader(damaged)); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("restore of a damaged backup: %v", err)
	}
	if names, err := env.OS().List(bad); err != nil || !slices.Equal(names, []string{folder.Lock}) {
		t.Fatalf("what was not restored left %q, %v", names, err)
	}
}

func TestAsync(t *testing.T) {
	db := openDB(t, t.TempDir(), small())
	table := mustTable(t, db, "t", Ordered)
	var all []*Pending
	for i := range 2000 {
		p, err := db.UpdateAsync(t.Context(), func(tx *Tx) error { return tx.Put(table, fmt.Append(nil, i), nil) })
		must(t, err)
		all = append(all, p)
	}
	for i, p := range all {
		if i%2 == 0 {
			must(t, p.Wait(t.Context()))
		} else {
			<-p.Done()
		}
		if !p.Released() {
			t.Fatalf("%d: waited for, but not released", i)
		}
	}
	if s := db.Stats(); s.Log.Syncs >= 2000 {
		t.Fatalf("%d syncs for 2000 transactions: they were not grouped", s.Log.Syncs)
	}
}

func TestSession(t *testing.T) {
	db := openDB(t, t.TempDir(), small())
	table := mustTable(t, db, "t", Hashed)
	s, err := db.NewSession()
	must(t, err)
	defer s.Close()
	var last Timestamp
	for i := range 100 {
		ts, err := s.Update(func(tx *Tx) error { return tx.Put(table, []byte("k"), fmt.Append(nil, i)) })
		must(t, err)
		if ts <= last {
			t.Fatalf("timestamp %d after %d", ts, last)
		}
		last = ts
	}
	deadline := time.Now().Add(10 * time.Second)
	for s.Released() < last {
		if time.Now().After(deadline) {
			t.Fatal("not released for 10 s")
		}
	}
	read, err := s.View(func(tx *Tx) error {
		v, err := tx.Get(table, []byte("k"))
		if string(v) != "99" {
			t.Errorf("%s", v)
		}
		return err
	})
	must(t, err)
	if read != last {
		t.Fatalf("a reader's timestamp is %d, want that of what it read, %d", read, last)
	}
}

func TestClosed(t *testing.T) {
	db, err := Open(t.TempDir(), small())
	must(t, err)
	table := mustTable(t, db, "t", Ordered)
	snap, err := db.Snapshot(t.Context())
	must(t, err)
	session, err := db.NewSession()
	must(t, err)
	must(t, db.Close())
	must(t, db.Close())
	nothing := func(*Tx) error { return nil }
	_, aerr := db.UpdateAsync(t.Context(), nothing)
	_, serr := session.Update(nothing)
	_, cerr := db.CreateTable(t.Context(), "u", Ordered)
	_, nerr := db.Snapshot(t.Context())
	for name, err := range map[string]error{
		"Update": db.Update(t.Context(), func(tx *Tx) error { return tx.Put(table, nil, nil) }), "View": db.View(t.Context(), nothing),
		"UpdateAsync": aerr, "Session.Update": serr, "CreateTable": cerr, "DropTable": db.DropTable(t.Context(), "t"),
		"Snapshot": nerr, "Snapshot.View": snap.View(t.Context(), nothing), "Checkpoint": db.Checkpoint(t.Context()),
		"Backup": db.Backup(t.Context(), &bytes.Buffer{}),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s on a closed database: %v", name, err)
		}
	}
	snap.Close()
	session.Close()
	db.Stats()
}

func TestPanicsAndErrorsOfTheFunction(t *testing.T) {
	db := memDB(t)
	table := mustTable(t, db, "t", Ordered)
	boom := errors.New("boom")
	if err := db.Update(t.Context(), func(tx *Tx) error { return errors.Join(tx.Put(table, nil, nil), boom) }); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if r := recover(); r != "boom" {
				t.Fatalf("recovered %v", r)
			}
		}()
		_ = db.Update(t.Context(), func(tx *Tx) error {
			_ = tx.Put(table, nil, nil)
			panic("boom")
		})
	}()
	// A panic, or an error, over a state that was overtaken is run again.
	runs := 0
	must(t, db.Update(t.Context(), func(tx *Tx) error {
		runs++
		if _, err := tx.Get(table, nil); err == nil {
			return nil
		}
		must(t, db.Update(t.Context(), func(tx *Tx) error { return tx.Put(table, nil, nil) }))
		panic("over nothing")
	}))
	if runs != 2 {
		t.Fatalf("%d runs, want 2", runs)
	}
	var kept *Tx
	must(t, db.View(t.Context(), func(tx *Tx) error { kept = tx; return nil }))
	if _, err := kept.Get(table, nil); !errors.Is(err, ErrTxDone) {
		t.Fatalf("use after the end: %v", err)
	}
	if err := db.View(t.Context(), func(tx *Tx) error { return tx.Put(table, nil, nil) }); !errors.Is(err, ErrReadOnly) {
		t.Fatal(err)
	}
	hashed := mustTable(t, db, "h", Hashed)
	err := db.View(t.Context(), func(tx *Tx) error {
		for range tx.Scan(hashed, Range{}) {
			t.Error("shown")
		}
		return nil
	})
	if !errors.Is(err, ErrNoOrder) {
		t.Fatalf("scan of a hashed table: %v", err)
	}
}

func TestContextEndsTransactions(t *testing.T) {
	db := memDB(t)
	table := mustTable(t, db, "t", Ordered)
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Update(ctx, func(tx *Tx) error {
		cancel()
		for i := 0; ; i++ {
			if err := tx.Put(table, fmt.Append(nil, i), nil); err != nil {
				return err
			}
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := db.View(ctx, func(*Tx) error { t.Error("run"); return nil }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// What is executed in a burst is released behind its end, whoever sees to that.
func TestBurst(t *testing.T) {
	for _, d := range []Durability{DurabilityDisk, DurabilityBackground} {
		db := openDB(t, t.TempDir(), &Options{Durability: d})
		table := mustTable(t, db, "t", Ordered)
		for i := range 10 {
			b := db.Burst()
			var executed []*Pending
			for n := range i {
				p, err := db.UpdateAsync(t.Context(), func(tx *Tx) error { return tx.Put(table, []byte{byte(n)}, nil) })
				if err != nil {
					t.Fatal(err)
				}
				executed = append(executed, p)
			}
			if quick := b.Quick(time.Minute); i > 1 && quick != (d == DurabilityDisk) {
				t.Errorf("%s: its end is quick: %v", d, quick)
			}
			b.End(i%2 == 0)
			for _, p := range executed {
				if err := p.Wait(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
	}
}
