package occ

import (
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/record"
)

// deleteBy deletes a key in a transaction of one worker.
func deleteBy(t *testing.T, e *Engine, worker int, table *Table, key string) hlc.Timestamp {
	t.Helper()
	b, err := e.NewBound(worker)
	must(t, err)
	defer b.Drop()
	tx, err := b.Begin()
	must(t, err)
	defer tx.Finish()
	must(t, tx.Delete(table, []byte(key)))
	ts, err := tx.Commit()
	must(t, err)
	return ts
}

// A worker that comes late to a record that it has deleted, and that another one has
// deleted again and wanted to free since, does not find other data in its place: whatever
// is put there, be it the very word that the record had.
func TestTombstonesDoNotOutliveTheirRecords(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		var released hlc.Timestamp
		e := newEngineReleasing(t, 64<<20, 2, &hlc.Clock{}, func() hlc.Timestamp { return released })
		table := newTable(t, e, 1, ordered)
		put(t, e, table, "key", "value")
		rec := table.get([]byte("key")).Rec
		first := deleteBy(t, e, 0, table, "key")
		put(t, e, table, "key", "value")
		last := deleteBy(t, e, 1, table, "key")
		if table.get([]byte("key")).Rec != rec {
			t.Fatal("the key has another record")
		}
		released = last
		late, quick := e.workers[0], e.workers[1]
		quick.collectTombstones(100)
		for range 5 {
			e.domain.Advance()
		}
		quick.mem.Limbo.Collect(quick.mem.Cache, 100)
		// As what takes the place of the record, if it has one by now.
		bytes := record.MakeMeta(len("key"), 8, 0, false).Bytes()
		word := record.WordOf(first, true)
		got, err := quick.mem.Cache.Alloc(bytes)
		must(t, err)
		at := (*uint64)(unsafe.Add(e.arena.Base(), got))
		atomic.StoreUint64(at, uint64(word))
		clear(unsafe.Slice((*byte)(unsafe.Add(e.arena.Base(), got+record.PrevOffset)), bytes-8))
		late.collectTombstones(100)
		if w := record.Word(atomic.LoadUint64(at)); w != word {
			t.Errorf("ordered %v: a tombstone has changed what is not its record: %x is %x", ordered, word, w)
		}
		quick.mem.Cache.Free(got, bytes)
		if f := table.get([]byte("key")); f.Rec != 0 {
			t.Errorf("ordered %v: the deleted record is still there", ordered)
		}
		settle(e)
	}
}

// However often a key comes and goes, one tombstone waits for its record.
func TestOneTombstoneForARecord(t *testing.T) {
	e := newUnreleased(t, 2)
	table := newTable(t, e, 1, true)
	for i := range 100 {
		put(t, e, table, "key", "value")
		deleteBy(t, e, i%2, table, "key")
	}
	if n := e.Stats().Deleted; n != 1 {
		t.Errorf("%d tombstones for one record", n)
	}
}
