package shard

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/godwitdb/godwit/internal/catalog"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/image"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/once"
	"github.com/godwitdb/godwit/internal/wal"
)

// CreateTable executes the creation of an empty table. dberr.ErrExists: there is one of that name. Any
// goroutine may call it.
func (r *Replica) CreateTable(ctx context.Context, name string, ordered bool) (x Executed, id occ.TableID, err error) {
	rows, err := r.engine.AddTable(catalog.TableID())
	if err != nil {
		return Executed{}, 0, err
	}
	x, err = r.Execute(ctx, func(tx *occ.Tx) (err error) {
		id, err = catalog.Insert(tx, rows, name, ordered)
		return err
	})
	return x, id, err
}

// DropTable executes the removal of a table with all that is in it. dberr.ErrNotFound: there is none of
// that name. Any goroutine may call it, one at a time.
func (r *Replica) DropTable(ctx context.Context, name string) (Executed, error) {
	rows, err := r.engine.AddTable(catalog.TableID())
	if err != nil {
		return Executed{}, err
	}
	var id occ.TableID
	x, err := r.View(ctx, func(tx *occ.Tx) (err error) {
		id, err = catalog.Find(tx, rows, name)
		return err
	})
	if err != nil {
		return x, err
	}
	table, err := r.engine.AddTable(id)
	if err != nil {
		return Executed{}, err
	}
	r.engine.CloseTable(table)
	x, err = r.Execute(ctx, func(tx *occ.Tx) error {
		switch now, err := catalog.Find(tx, rows, name); {
		case err != nil:
			return err
		case now != id:
			return ErrNotLeader // another one has led meanwhile
		}
		return catalog.Remove(tx, rows, name, table)
	})
	if err != nil {
		r.engine.ReopenTable(table)
	}
	return x, err
}

// catalogFollower makes and drops an engine's tables as rows are replayed.
//
// Whenever the engine is at rest, it has each table of the catalog's rows. So one that is looked
// up in a snapshot is there, dropped since or not, and nobody makes it anew under its old id.
type catalogFollower struct {
	follows bool // Options.Catalog
	engine  *occ.Engine
	// ids are the tables of the rows that are applied, by their keys.
	ids map[string]occ.TableID
	mu  struct {
		sync.Mutex
		changes []catalogChange // that are being applied
	}
}

// catalogChange is a row that was written or removed.
type catalogChange struct {
	at  hlc.Timestamp
	key string
	id  occ.TableID // if there is a row for a table
	is  bool
}

// note takes note of a write to the catalog that is replayed. Several streams' may be at once.
func (c *catalogFollower) note(w *wal.Write, at hlc.Timestamp) {
	change := catalogChange{at: at, key: string(w.Key)}
	if w.Kind != wal.KindDelete {
		change.id, change.is = catalog.Entry(w.Key, w.Value)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.changes = append(c.mu.changes, change)
}

// follow makes and drops the tables of the rows that were noted: everything at or below applied is
// replayed.
func (c *catalogFollower) follow(applied hlc.Timestamp) error {
	slices.SortStableFunc(c.mu.changes, func(a, b catalogChange) int { return cmp.Compare(a.at, b.at) })
	for _, x := range c.mu.changes {
		if old, ok := c.ids[x.key]; ok && (!x.is || x.id != old) {
			delete(c.ids, x.key)
			if t := c.engine.TableByID(old); t != nil {
				c.engine.DropTable(t, applied)
			}
		}
		if x.is {
			if err := c.add(x.key, x.id); err != nil {
				return err
			}
		}
	}
	clear(c.mu.changes)
	c.mu.changes = c.mu.changes[:0]
	return nil
}

func (c *catalogFollower) add(key string, id occ.TableID) error {
	c.ids[key] = id
	_, err := c.engine.AddTable(id)
	return err
}

// readCatalog makes the applier know the rows that a sealed engine has at rest, which others have
// written.
func (r *Replica) readCatalog(ctx context.Context, applied hlc.Timestamp) error {
	if !r.options.Catalog {
		return nil
	}
	return r.job(ctx, "shard catalog", func() error {
		snap, err := r.engine.OpenSnapshotAt(applied)
		if err != nil {
			return err
		}
		defer snap.Close()
		c := &r.applier.catalog
		clear(c.ids)
		return eachTable(snap, c.add)
	})
}

// eachTable shows the tables that a snapshot has.
func eachTable(snap *occ.Snapshot, show func(key string, id occ.TableID) error) error {
	rows, err := snap.Engine().AddTable(catalog.TableID())
	if err != nil {
		return err
	}
	return image.WalkTable(context.Background(), snap, rows, func(key, value []byte) error {
		if id, ok := catalog.Entry(key, value); ok {
			return show(string(key), id)
		}
		return nil
	})
}

// tablesOf returns the tables that a checkpoint of a snapshot has: with a catalog those of its rows,
// which may be dropped by now.
func (r *Replica) tablesOf(snap *occ.Snapshot) (tables []image.Table, err error) {
	all := r.engine.Tables()
	if r.options.Catalog {
		of := func(id occ.TableID) error {
			t, err := r.engine.AddTable(id)
			all = append(all, t)
			return err
		}
		all = nil
		err = of(catalog.TableID())
		if err == nil && r.engine.TableByID(once.TableID()) != nil {
			err = of(once.TableID())
		}
		if err == nil {
			err = eachTable(snap, func(_ string, id occ.TableID) error { return of(id) })
		}
	}
	for _, t := range all {
		tables = append(tables, image.Table{Name: fmt.Sprintf("table %d", t.ID()), In: t})
	}
	return tables, err
}
