package godwit

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/godwitdb/godwit/internal/catalog"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/occ"
)

// What the log deletes again takes no memory when it is opened: a database with a
// small limit through which much has gone opens with that limit, and with what was
// in it at the end, whatever of that was deleted and put again.
func TestProofDeletedTakesNoMemoryToOpen(t *testing.T) {
	for kind, durability := range map[TableKind]Durability{Ordered: DurabilityDisk, Hashed: DurabilityBackground} {
		t.Run(kind.String(), func(t *testing.T) {
			o := onFaults(faultfs.New(1))
			o.Durability, o.MemoryLimit, o.CheckpointBytes = durability, MinMemoryLimit, -1
			db, err := Open(proofDir, o)
			must(t, err)
			table := mustTable(t, db, "t", kind)
			kept := content{"t": {}}
			var mu sync.Mutex
			var wg sync.WaitGroup
			for g := range 2 {
				wg.Go(func() {
					runThrough(t, db, table, g, func(key, value string) {
						mu.Lock()
						defer mu.Unlock()
						if kept["t"][key] = value; value == "" {
							delete(kept["t"], key)
						}
					})
				})
			}
			wg.Wait()
			must(t, db.Close())
			db, err = Open(proofDir, o)
			must(t, err)
			if d := kept.diff(mustDump(t, db)); d != "" {
				t.Fatal(d)
			}
			if s := db.Stats(); s.Records != int64(len(kept["t"]))+2 {
				t.Errorf("%d records, want %d and two of the catalog", s.Records, len(kept["t"]))
			}
			must(t, db.Close())
		})
	}
}

// runThrough puts a lot through a table: a queue of long keys, and few keys that are
// deleted and put again all the time. No two goroutines have a key in common. set is
// told what each key is, "" if it is not there.
func runThrough(t *testing.T, db *DB, table *Table, g int, set func(key, value string)) {
	const inQueue, perTx, hot = 20, 20, 50
	long := bytes.Repeat([]byte{'k'}, 4000)
	queued := func(i int) []byte { return fmt.Appendf(nil, "%d queue %08d %s", g, i, long) }
	rng := rand.New(rand.NewPCG(uint64(g), 1))
	rounds := 700
	if raceBuild {
		rounds = 70 // which fits
	}
	for n := range rounds {
		changed := map[string]string{}
		err := db.Update(t.Context(), func(tx *Tx) error {
			clear(changed)
			var errs []error
			for i := n * perTx; i < (n+1)*perTx; i++ {
				if i >= inQueue {
					old := queued(i - inQueue)
					errs = append(errs, tx.Delete(table, old))
					changed[string(old)] = ""
				}
				errs = append(errs, tx.Put(table, queued(i), []byte("queued")))
				changed[string(queued(i))] = "queued"
			}
			for range 10 {
				key, value := fmt.Appendf(nil, "%d hot %d", g, rng.IntN(hot)), fmt.Sprint(n)
				if rng.IntN(2) == 0 {
					value = ""
					errs = append(errs, tx.Delete(table, key))
				} else {
					errs = append(errs, tx.Put(table, key, []byte(value)))
				}
				changed[string(key)] = value
			}
			return errors.Join(errs...)
		})
		if err != nil {
			t.Error(err)
			return
		}
		for key, value := range changed {
			set(key, value)
		}
	}
}

// So it is with tables that were dropped, one after the other.
func TestProofDroppedTablesTakeNoMemoryToOpen(t *testing.T) {
	o := onFaults(faultfs.New(1))
	o.MemoryLimit, o.CheckpointBytes = MinMemoryLimit, -1
	db, err := Open(proofDir, o)
	must(t, err)
	kept := mustTable(t, db, "kept", Ordered)
	last := 11
	if raceBuild {
		last = 2
	}
	for n := range last + 1 {
		name := fmt.Sprint("table", n%3)
		table := mustTable(t, db, name, []TableKind{Ordered, Hashed}[n%2])
		must(t, db.Update(t.Context(), func(tx *Tx) error {
			for i := range 80 {
				if err := tx.Put(table, fmt.Append(nil, i), make([]byte, 100_000)); err != nil {
					return err
				}
			}
			return tx.Put(kept, fmt.Append(nil, n), []byte(name))
		}))
		if n < last {
			must(t, db.DropTable(t.Context(), name))
			poll(t, func() error { return below(db.Stats().MemoryUsedBytes, 4<<20) })
		}
	}
	must(t, db.Close())
	db, err = Open(proofDir, o)
	must(t, err)
	if s := db.Stats(); len(db.Tables()) != 2 || s.Records != 80+int64(last)+1+3 {
		t.Errorf("%d tables with %d records", len(db.Tables()), s.Records)
	}
	must(t, db.Close())
}

// A database is not opened with a limit that is too small for what is in it.
func TestProofOpensWithinItsLimit(t *testing.T) {
	o := onFaults(faultfs.New(1))
	o.MemoryLimit = 2 * MinMemoryLimit
	db, err := Open(proofDir, o)
	must(t, err)
	table := mustTable(t, db, "t", Ordered)
	for i := range 200 {
		must(t, db.Update(t.Context(), func(tx *Tx) error { return tx.Put(table, fmt.Append(nil, i), make([]byte, 100_000)) }))
	}
	reopen := func(limit int64, want error) {
		t.Helper()
		must(t, db.Close())
		small := *o
		small.MemoryLimit = limit
		if db, err = Open(proofDir, &small); !errors.Is(err, want) {
			t.Errorf("opened with %d bytes: %v, want %v", limit, err, want)
		}
		if err != nil {
			db, err = Open(proofDir, o)
			must(t, err)
		}
	}
	reopen(MinMemoryLimit, ErrMemoryFull) // there are 20 MB
	must(t, db.Checkpoint(t.Context()))
	reopen(MinMemoryLimit, ErrMemoryFull)
	table, err = db.Table("t")
	must(t, err)
	must(t, db.Update(t.Context(), func(tx *Tx) error { _, err := tx.DeleteRange(table, []byte("5"), nil); return err }))
	reopen(MinMemoryLimit, nil)
	must(t, db.Close())
}

// In the middle of a replay, a table that the catalog does not know is dropped for
// good only if its number was given already: else its creation is still to come.
func TestReplayForgetsDroppedTablesOnly(t *testing.T) {
	db := memDB(t)
	mustTable(t, db, "a", Ordered)
	mustTable(t, db, "b", Hashed)
	err := db.removeCatalogEntry(t.Context(), "b", nil)
	must(t, err)
	for _, ordered := range []bool{true, false} {
		_, err := db.engine.AddTable(occ.MakeTableID(7, ordered))
		must(t, err)
	}
	r := &replay{db: db, replayers: make([]*occ.Replayer, 1)}
	r.begin()
	must(t, r.collect(db.clock.Last()))
	r.end()
	for id, want := range map[occ.TableID]bool{
		catalog.TableID(): true, occ.MakeTableID(1, true): true, occ.MakeTableID(2, false): false,
		occ.MakeTableID(7, true): true, occ.MakeTableID(7, false): true,
	} {
		if got := db.engine.TableByID(id) != nil; got != want {
			t.Errorf("table %d is there: %v, want %v", id, got, want)
		}
	}
}

func below(n, most int64) error {
	if n > most {
		return fmt.Errorf("%d, not yet below %d", n, most)
	}
	return nil
}
