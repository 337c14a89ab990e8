package shard

import (
	"context"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/image"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/wal"
)

func testCatalog() *Catalog {
	return &Catalog{Table: occ.MakeTableID(0, true), Entry: func(_, value []byte) (occ.TableID, bool) {
		if len(value) != 4 {
			return 0, false
		}
		return occ.TableID(binary.LittleEndian.Uint32(value)), true
	}}
}

func row(id occ.TableID) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(id)) }

// TestCheckpointTables: the tables of a checkpoint are those of its snapshot, also one that is dropped
// before they are listed.
func TestCheckpointTables(t *testing.T) {
	c := newCluster(t, 1)
	c.options.Catalog = testCatalog()
	n := leader(t, c.start(1))
	catalog, err := n.Engine().AddTable(c.options.Catalog.Table)
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
	execute(func(tx *occ.Tx) error { return tx.Put(catalog, []byte("one"), row(table.ID())) })
	n.mustPut("key", []byte("value"))
	before := snapshot()
	n.Engine().CloseTable(table)
	execute(func(tx *occ.Tx) error {
		tx.DropTable(table)
		return tx.Delete(catalog, []byte("one"))
	})
	for s, want := range map[*occ.Snapshot][]occ.TableID{before: {catalog.ID(), table.ID()}, snapshot(): {catalog.ID()}} {
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

// TestCatalogFollows: an engine's tables follow the rows in the order of their timestamps, in whatever
// order the streams have them.
func TestCatalogFollows(t *testing.T) {
	c := newCluster(t, 1)
	e := c.start(1).Engine()
	f := catalogFollower{Catalog: testCatalog(), engine: e, ids: map[string]occ.TableID{}}
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
