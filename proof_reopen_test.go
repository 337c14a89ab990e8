package godwit

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

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
	for n := range 700 {
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
	for n := range 12 {
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
		if n < 11 {
			must(t, db.DropTable(t.Context(), name))
			poll(t, func() error { return below(db.Stats().MemoryUsedBytes, 4<<20) })
		}
	}
	must(t, db.Close())
	db, err = Open(proofDir, o)
	must(t, err)
	if s := db.Stats(); len(db.Tables()) != 2 || s.Records != 80+12+3 {
		t.Errorf("%d tables with %d records", len(db.Tables()), s.Records)
	}
	must(t, db.Close())
}

// In the middle of a replay, a table that the catalog does not know is dropped for
// good only if its number was given already: else its creation is still to come.
func TestReplayForgetsDroppedTablesOnly(t *testing.T) {
	db := memDB(t)
	mustTable(t, db, "a", Ordered)
	mustTable(t, db, "b", Hashed)
	_, err := db.removeCatalogEntry(t.Context(), "b")
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
		catalogID(): true, occ.MakeTableID(1, true): true, occ.MakeTableID(2, false): false,
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
