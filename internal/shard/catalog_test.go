package shard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/catalog"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/image"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/wal"
)

func row(id occ.TableID) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(id)) }

// TestCheckpointTables: the tables of a checkpoint are those of its snapshot, also one that is dropped
// before they are listed.
func TestCheckpointTables(t *testing.T) {
	c := newCluster(t, 1)
	c.options.Catalog = true
	n := leader(t, c.start(1))
	rows, err := n.Engine().AddTable(catalog.TableID())
	if err != nil {
		t.Fatal(err)
	}
	table := testTable(t, n)
	execute := func(fn func(tx *occ.Tx) error) {
		t.Helper()
		x, err := n.Execute(t.Context(), fn)
		if err == nil {
			err = x.Wait(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	snapshot := func() (s *occ.Snapshot) {
		t.Helper()
		n.must(func(ctx context.Context) (err error) { s, err = n.Snapshot(ctx, 0); return err })
		t.Cleanup(s.Close)
		return s
	}
	execute(func(tx *occ.Tx) error { return tx.Put(rows, []byte("one"), row(table.ID())) })
	n.mustPut("key", []byte("value"))
	before := snapshot()
	n.Engine().CloseTable(table)
	execute(func(tx *occ.Tx) error {
		tx.DropTable(table)
		return tx.Delete(rows, []byte("one"))
	})
	for s, want := range map[*occ.Snapshot][]occ.TableID{before: {rows.ID(), table.ID()}, snapshot(): {rows.ID()}} {
		tables, err := n.tablesOf(s)
		if err != nil {
			t.Fatal(err)
		}
		var got []occ.TableID
		rows := 0
		for _, x := range tables {
			got = append(got, x.In.ID())
			if err := image.WalkTable(t.Context(), s, x.In, func(_, _ []byte) error { rows++; return nil }); err != nil {
				t.Error(err)
			}
		}
		if !slices.Equal(got, want) || rows != 2*(len(want)-1) {
			t.Errorf("tables %v with %d rows, want %v", got, rows, want)
		}
	}
}

// TestDropGivenUp: a drop whose context ends before it is executed leaves the table as it was.
func TestDropGivenUp(t *testing.T) {
	c := newCluster(t, 1)
	c.options.Catalog, c.options.PendingBytesMax = true, 64<<10
	n := leader(t, c.start(1))
	var tables []occ.TableID
	for i := range 100 {
		x, id, err := n.CreateTable(t.Context(), fmt.Sprint(i), true)
		if err == nil {
			err = x.Wait(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		tables = append(tables, id)
	}
	held := make(chan struct{})
	c.disks[1].SetHook(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpSync {
			<-held
		}
		return nil
	})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	put := func(ctx context.Context, id occ.TableID, bytes int) error {
		table, err := n.Engine().AddTable(id)
		if err != nil {
			return err
		}
		_, err = n.Execute(ctx, func(tx *occ.Tx) error { return tx.Put(table, nil, make([]byte, bytes)) })
		return err
	}
	// It is executed as long as the log takes it.
	given := -1
	for i := 0; given < 0 && i+1 < len(tables); i++ {
		for put(over, tables[len(tables)-1], 64<<10) == nil {
		}
		if _, err := n.DropTable(over, fmt.Sprint(i)); errors.Is(err, context.Canceled) {
			given = i
		}
	}
	c.disks[1].SetHook(nil)
	close(held)
	if given < 0 {
		t.Fatal("all drops were executed on a disk that hangs")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := put(ctx, tables[given], 1); err != nil {
		t.Errorf("a write to a table whose drop was given up: %v", err)
	}
}

// TestCatalogFollows: an engine's tables follow the rows in the order of their timestamps, in whatever
// order the streams have them.
func TestCatalogFollows(t *testing.T) {
	c := newCluster(t, 1)
	e := c.start(1).Engine()
	f := catalogFollower{follows: true, engine: e, ids: map[string]occ.TableID{}}
	id := func(n uint32) occ.TableID { return occ.MakeTableID(n, false) }
	put := func(at hlc.Timestamp, key string, n uint32) {
		f.note(&wal.Write{Kind: wal.KindPut, Key: []byte(key), Value: row(id(n))}, at)
	}
	drop := func(at hlc.Timestamp, key string) { f.note(&wal.Write{Kind: wal.KindDelete, Key: []byte(key)}, at) }
	want := func(applied hlc.Timestamp, numbers ...uint32) {
		t.Helper()
		if err := f.follow(applied); err != nil {
			t.Fatal(err)
		}
		var got []uint32
		for _, x := range e.Tables() {
			got = append(got, x.ID().Number())
		}
		if !slices.Equal(got, numbers) || len(f.ids) != len(numbers) {
			t.Errorf("tables %v, rows for %v, want %v", got, f.ids, numbers)
		}
	}
	put(9, "a", 12)
	put(5, "a", 10)
	drop(7, "a")
	put(6, "b", 11)
	put(4, "b", 11)
	f.note(&wal.Write{Kind: wal.KindPut, Key: nil, Value: []byte("no table")}, 9)
	want(9, 11, 12)
	drop(10, "b")
	drop(11, "b")
	want(12, 12)
	want(13, 12)
	put(20, "b", 13)
	want(20, 12, 13)
	for _, n := range []uint32{10, 11} { // kept for snapshots, or gone
		if e.TableByID(id(n)) != nil {
			t.Errorf("table %d is there", n)
		}
	}
}
