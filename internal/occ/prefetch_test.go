package occ

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
)

// TestPrefetchOfWhatCannotBe: a hint about a table that has gone, is ordered or
// another engine's, of too many keys or after the end, does nothing.
func TestPrefetchOfWhatCannotBe(t *testing.T) {
	e := newEngine(t, 64<<20, 1)
	hashed, ordered := newTable(t, e, 1, false), newTable(t, e, 2, true)
	other := newTable(t, newEngine(t, 64<<20, 1), 1, false)
	put(t, e, hashed, "k", "v")
	bound, err := e.NewBound(0)
	if err != nil {
		t.Fatal(err)
	}
	defer bound.Drop()
	tx, err := bound.Begin()
	if err != nil {
		t.Fatal(err)
	}
	many := make([][]byte, 2*prefetchMax)
	for i := range many {
		many[i] = []byte{byte(i), 1, 2, 3, 4, 5, 6, 7, 8}
	}
	for _, table := range []*Table{hashed, ordered, other, nil, hashed, hashed} {
		for _, keys := range [][][]byte{many, {[]byte("k"), nil}, nil} {
			tx.Prefetch(table, keys)
			if v, err := tx.Get(hashed, []byte("k")); string(v) != "v" || err != nil {
				t.Fatalf("a read behind it: %q, %v", v, err)
			}
		}
	}
	tx.Prefetch(hashed, many)
	if tx.coming.table != hashed || len(tx.coming.keys) != prefetchMax {
		t.Errorf("%d keys are noted", len(tx.coming.keys))
	}
	tx.Finish()
	tx.Prefetch(hashed, many)

	e.CloseTable(hashed)
	e.DropTable(hashed, e.clock.Next())
	for e.Maintain() {
	}
	if tx, err = bound.Begin(); err != nil {
		t.Fatal(err)
	}
	tx.Prefetch(hashed, many)
	if tx.coming.table != nil {
		t.Error("keys of a dropped table are noted")
	}
	tx.Finish()
}

// TestPrefetchWhileTablesChange is for the race detector: tables grow and go while
// hints about them are on their way.
func TestPrefetchWhileTablesChange(t *testing.T) {
	const rounds = 30
	e := newEngine(t, 64<<20, 2)
	tables := make(chan *Table, rounds)
	var done sync.WaitGroup
	done.Go(func() {
		defer close(tables)
		for n := range uint32(rounds) {
			table := newTable(t, e, n+1, false)
			tables <- table
			var key [8]byte
			for i := range uint64(300) {
				update(t, e, func(tx *Tx) error {
					binary.LittleEndian.PutUint64(key[:], i)
					return tx.Put(table, key[:], key[:])
				})
			}
			e.CloseTable(table)
			e.DropTable(table, e.clock.Next())
			e.Maintain()
		}
	})
	done.Go(func() {
		tx, err := e.BeginView(context.Background())
		if err != nil {
			t.Error(err)
			return
		}
		defer tx.End()
		keys := make([][]byte, 8)
		for table := range tables {
			for i := uint64(0); !table.closed.Load(); i++ {
				for k := range keys {
					keys[k] = binary.LittleEndian.AppendUint64(nil, i*8%300+uint64(k))
				}
				tx.Prefetch(table, keys)
				tx.Restart()
			}
		}
	})
	done.Wait()
}
