package godwit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/folder"
)

// Nothing that anybody concludes from what is not released gets out before it is
// (Invariants I2 and I3): neither a value nor an error, in none of the ways.
func TestProofNothingUnreleasedGetsOut(t *testing.T) {
	errSeen := errors.New("seen")
	see := func(table *Table, key string) func(*Tx) error {
		return func(tx *Tx) error {
			if _, err := tx.Get(table, []byte(key)); err != nil {
				return err
			}
			return errSeen
		}
	}
	read := func(table *Table) func(*Tx) error {
		return func(tx *Tx) error { _, err := tx.Get(table, []byte("new")); return err }
	}
	ways := map[string]struct {
		run  func(ctx context.Context, db *DB, table *Table) error
		want error
	}{
		"a value from View":       {func(ctx context.Context, db *DB, table *Table) error { return db.View(ctx, read(table)) }, nil},
		"a value from Update":     {func(ctx context.Context, db *DB, table *Table) error { return db.Update(ctx, read(table)) }, nil},
		"an error of View":        {func(ctx context.Context, db *DB, table *Table) error { return db.View(ctx, see(table, "new")) }, errSeen},
		"an error of Update":      {func(ctx context.Context, db *DB, table *Table) error { return db.Update(ctx, see(table, "new")) }, errSeen},
		"a missing key of Update": {func(ctx context.Context, db *DB, table *Table) error { return db.Update(ctx, see(table, "gone")) }, ErrNotFound},
		"a missing key of View":   {func(ctx context.Context, db *DB, table *Table) error { return db.View(ctx, see(table, "gone")) }, ErrNotFound},
		"an error of UpdateAsync": {func(ctx context.Context, db *DB, table *Table) error {
			_, err := db.UpdateAsync(ctx, see(table, "new"))
			return err
		}, errSeen},
		"a present key of Insert": {func(ctx context.Context, db *DB, table *Table) error {
			return db.Update(ctx, func(tx *Tx) error { return tx.Insert(table, []byte("new"), nil) })
		}, ErrExists},
		"a value from a snapshot": {func(ctx context.Context, db *DB, table *Table) error {
			s, err := db.Snapshot(ctx)
			if err != nil {
				return err
			}
			defer s.Close()
			return s.View(ctx, read(table))
		}, nil},
		"a backup":     {func(ctx context.Context, db *DB, _ *Table) error { return db.Backup(ctx, &strings.Builder{}) }, nil},
		"a checkpoint": {func(ctx context.Context, db *DB, _ *Table) error { return db.Checkpoint(ctx) }, nil},
		"a released Pending": {func(ctx context.Context, db *DB, table *Table) error {
			p, err := db.UpdateAsync(ctx, read(table))
			if err != nil {
				return err
			}
			return p.Wait(ctx)
		}, nil},
	}
	for _, kind := range []TableKind{Ordered, Hashed} {
		for what, way := range ways {
			t.Run(fmt.Sprint(kind, " ", what), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx := t.Context()
					f := faultfs.New(1)
					db, err := Open(proofDir, onFaults(f))
					must(t, err)
					table := mustTable(t, db, "t", kind)
					must(t, db.Update(ctx, func(tx *Tx) error { return tx.Put(table, []byte("gone"), nil) }))
					disk := make(chan struct{})
					f.SetHook(func(op faultfs.Op) error {
						if op.Kind == faultfs.OpSync && strings.HasSuffix(op.Name, ".seg") {
							<-disk
						}
						return nil
					})
					p, err := db.UpdateAsync(ctx, func(tx *Tx) error {
						return errors.Join(tx.Put(table, []byte("new"), nil), tx.Delete(table, []byte("gone")))
					})
					must(t, err)
					got := make(chan error, 1)
					go func() { got <- way.run(ctx, db, table) }()
					synctest.Wait()
					select {
					case err := <-got:
						t.Errorf("it got out before the release: %v", err)
					default:
					}
					if p.Released() {
						t.Error("released while the disk is blocked")
					}
					close(disk)
					if err := <-got; !errors.Is(err, way.want) {
						t.Errorf("after the release: %v, want %v", err, way.want)
					}
					must(t, db.Close())
				})
			})
		}
	}
}

// A power loss after Restore or Open has returned leaves the database there.
func TestProofNewFolderIsDurable(t *testing.T) {
	forSeeds(t, 10, func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 17))
		source, want := storedOnFaults(t, seed)
		db, err := Open(proofDir, onFaults(source))
		must(t, err)
		var backup bytes.Buffer
		must(t, db.Backup(t.Context(), &backup))
		must(t, db.Close())
		restored := faultfs.New(seed)
		must(t, restore(t.Context(), restored, proofDir, &backup))
		opened := faultfs.New(seed)
		db, err = Open(proofDir, onFaults(opened))
		must(t, err)
		for range 20 {
			if err := tryOpen(t, "restored", restored.Crash(rng), want); err != nil {
				t.Fatalf("a power loss after Restore: %v", err)
			}
			left := opened.Crash(rng)
			if _, err := left.Stat(filepath.Join(proofDir, folder.IdentityFile)); err != nil {
				t.Fatalf("a power loss after Open: %v", err)
			}
		}
		must(t, db.Close())
	})
}
