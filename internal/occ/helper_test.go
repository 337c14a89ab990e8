package occ

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/wal"
)

// newEngine returns an engine without a log.
func newEngine(t testing.TB, limitBytes int64, workers int) *Engine {
	t.Helper()
	clock := &hlc.Clock{}
	return newEngineReleasing(t, limitBytes, workers, clock, clock.Last)
}

// newUnreleased returns an engine that releases nothing: deleted records stay in the
// index.
func newUnreleased(t testing.TB, workers int) *Engine {
	t.Helper()
	return newEngineReleasing(t, 64<<20, workers, &hlc.Clock{}, func() hlc.Timestamp { return 0 })
}

func newEngineReleasing(t testing.TB, limitBytes int64, workers int, clock *hlc.Clock, released func() hlc.Timestamp) *Engine {
	t.Helper()
	return newEngineOf(t, limitBytes, Config{Clock: clock, Streams: wal.NewStreams(workers), Released: released})
}

// newUndoable returns an engine that can roll back.
func newUndoable(t testing.TB, workers int, clock *hlc.Clock, released func() hlc.Timestamp) *Engine {
	t.Helper()
	return newEngineOf(t, 128<<20, Config{Clock: clock, Streams: wal.NewStreams(workers), Released: released, Undo: true})
}

func newEngineOf(t testing.TB, limitBytes int64, c Config) *Engine {
	t.Helper()
	var err error
	if c.Arena, err = arena.New(limitBytes); err != nil {
		t.Fatal(err)
	}
	a := c.Arena
	c.Clock.Observe(1)
	e := New(c)
	t.Cleanup(func() {
		if t.Failed() {
			return // with transactions that have not ended, for which it would wait
		}
		e.Close()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func newTable(t testing.TB, e *Engine, n uint32, ordered bool) *Table {
	t.Helper()
	table, err := e.AddTable(MakeTableID(n, ordered))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// begin and friends return transactions that the test drives itself.
func begin(t testing.TB, e *Engine) *Tx {
	t.Helper()
	tx, err := e.Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// update runs fn until it commits.
func update(t testing.TB, e *Engine, fn func(tx *Tx) error) hlc.Timestamp {
	t.Helper()
	tx := begin(t, e)
	defer tx.End()
	for range 1_000_000 {
		err := fn(tx)
		if err == nil {
			var ts hlc.Timestamp
			if ts, err = tx.Commit(); err == nil {
				return ts
			}
		}
		if !errors.Is(err, ErrConflict) {
			t.Fatal(err)
		}
		tx.Restart()
	}
	t.Fatal("in conflict for ever")
	return 0
}

func put(t testing.TB, e *Engine, table *Table, key, value string) hlc.Timestamp {
	t.Helper()
	return update(t, e, func(tx *Tx) error { return tx.Put(table, []byte(key), []byte(value)) })
}

// dump returns what a scan shows, as "k=v k=v".
func dump(t testing.TB, tx *Tx, table *Table, r Range) string {
	t.Helper()
	var b bytes.Buffer
	err := tx.Scan(table, r, func(k, v []byte) bool {
		fmt.Fprintf(&b, "%s=%s ", k, v)
		return true
	})
	if err != nil {
		t.Fatalf("scan: %v", err)
	}
	return b.String()
}
