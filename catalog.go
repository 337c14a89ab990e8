package godwit

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/godwitdb/godwit/internal/catalog"
	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/once"
	"github.com/godwitdb/godwit/speculate"
)

// tablesMax bounds the tables of a database.
const tablesMax = 65000

// knownTables is what the database knows of its tables: of the catalog.
type knownTables struct {
	table *occ.Table
	mu    struct {
		sync.RWMutex
		byName map[string]*Table
	}
	// changes are made one at a time. Nobody waits for a release in there: a
	// checkpoint has to pass too, and may be what a release needs.
	changes gatekeeper
}

// openCatalog reads the catalog of a recovered engine, and drops what belongs
// to no table in it.
func (db *DB) openCatalog() error {
	_, known, err := db.readCatalog()
	if err != nil {
		return err
	}
	db.forgetTables(func(id occ.TableID) bool { return !known[id] })
	return nil
}

// readCatalog makes the catalog's tables known, and returns their ids and the number
// that the next table gets. Nobody else uses the database.
func (db *DB) readCatalog() (next uint32, known map[occ.TableID]bool, err error) {
	t, err := db.engine.AddTable(catalog.TableID())
	if err != nil {
		return 0, nil, err
	}
	db.catalog.table = t
	_, err = db.view(context.Background(), func(tx *Tx) error {
		db.catalog.mu.byName = map[string]*Table{}
		next, known = 0, map[occ.TableID]bool{catalog.TableID(): true, once.TableID(): true}
		var bad error
		err := tx.in.Scan(t, occ.Range{}, func(key, value []byte) bool {
			if len(value) != 4 {
				bad = dberr.Corrupt(db.dir, 0, "catalog entry %q has %d bytes, not 4", key, len(value))
				return false
			}
			number := binary.LittleEndian.Uint32(value)
			if len(key) == 0 {
				next = number
				return true
			}
			id := occ.TableID(number)
			known[id] = true
			var in *occ.Table
			if in, bad = db.engine.AddTable(id); bad != nil {
				return false
			}
			db.catalog.mu.byName[string(key)] = newTable(string(key), in)
			return true
		})
		return errors.Join(err, bad)
	})
	if err != nil {
		return 0, nil, fmt.Errorf("read the catalog: %w", err)
	}
	return next, known, nil
}

// forgetTables drops tables whose catalog entries are gone already.
func (db *DB) forgetTables(gone func(occ.TableID) bool) {
	for _, in := range db.engine.Tables() {
		if gone(in.ID()) {
			db.engine.CloseTable(in)
			db.engine.DropTable(in, db.clock.Last())
		}
	}
}

// CreateTable makes an empty table and returns when it is released. ErrExists
// if there is one of that name. Names are UTF-8 text of 1 to 255 bytes, without
// NUL. There can be 65,000 tables.
func (db *DB) CreateTable(ctx context.Context, name string, kind TableKind) (*Table, error) {
	switch {
	case name == "":
		return nil, errors.New("godwit: a table needs a name")
	case len(name) > TableNameBytesMax:
		return nil, fmt.Errorf("%w: table name of %d bytes, the longest allowed is %d", ErrTooLarge, len(name), TableNameBytesMax)
	case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return nil, fmt.Errorf("godwit: table name %q is not UTF-8 text without NUL", name)
	case kind != Ordered && kind != Hashed:
		return nil, fmt.Errorf("godwit: table kind %d is neither Ordered nor Hashed", kind)
	}
	if db.replica != nil {
		return db.replica.create(ctx, name, kind)
	}
	t, err := db.createTable(ctx, name, kind)
	if t == nil {
		return nil, err
	}
	// For ErrExists too: it says that the table is there.
	if werr := db.waitReleased(ctx, &executed{ts: t.created, wrote: err == nil}); werr != nil {
		return nil, werr
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// createTable executes the creation of a table. With ErrExists it returns the table
// that is there.
func (db *DB) createTable(ctx context.Context, name string, kind TableKind) (*Table, error) {
	known, err := db.enterChange(ctx, name)
	if err != nil {
		return nil, err
	}
	defer db.catalog.changes.leave()
	if known != nil {
		return known, fmt.Errorf("%w: table %q", ErrExists, name)
	}
	if db.catalog.count() >= tablesMax {
		return nil, fmt.Errorf("%w: there are %d tables already", ErrTooLarge, tablesMax)
	}
	var id occ.TableID
	o, err := db.update(ctx, func(tx *Tx) (err error) {
		id, err = catalog.Insert(tx.in, db.catalog.table, name, kind == Ordered)
		return err
	})
	if err != nil {
		return nil, err
	}
	in, err := db.engine.AddTable(id)
	if err != nil {
		return nil, errors.Join(err, db.removeCatalogEntry(context.WithoutCancel(ctx), name, nil))
	}
	t := newTable(name, in)
	t.created = o.ts
	db.catalog.mu.Lock()
	defer db.catalog.mu.Unlock()
	db.catalog.mu.byName[name] = t
	return t, nil
}

// removeCatalogEntry executes the removal, and drops the table, which is closed, if there is one.
func (db *DB) removeCatalogEntry(ctx context.Context, name string, table *occ.Table) error {
	_, err := db.update(ctx, func(tx *Tx) error { return catalog.Remove(tx.in, db.catalog.table, name, table) })
	return err
}

// enterChange lets one in who creates or drops a table of that name, and has to leave; it
// returns the table that there is. A drop that its caller did not wait for is released by then, so
// that nobody hears of it before.
func (db *DB) enterChange(ctx context.Context, name string) (*Table, error) {
	for {
		if err := db.catalog.changes.enter(ctx); err != nil {
			return nil, err
		}
		t := db.catalog.find(name)
		if t == nil || t.inner().DroppedAt() == 0 {
			return t, nil
		}
		db.catalog.changes.leave()
		if err := db.waitReleased(ctx, &executed{ts: t.inner().DroppedAt()}); err != nil {
			return nil, err
		}
		db.catalog.forget(t)
	}
}

// find returns the table of a name, nil if there is none. It may be dropped, and that not released yet.
func (c *knownTables) find(name string) *Table {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.mu.byName[name]
}

// count returns how many tables find finds.
func (c *knownTables) count() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.mu.byName)
}

// forget makes find not find a table whose drop is released.
func (c *knownTables) forget(t *Table) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.byName[t.name] == t {
		delete(c.mu.byName, t.name)
	}
}

// Table returns a table, ErrNoTable if there is none of that name, whose creation is
// released and a drop is not. On a replica it waits for a moment for what it has of the catalog, and
// returns ErrUnavailable if that does not come.
func (db *DB) Table(name string) (*Table, error) {
	if db.replica != nil {
		return db.replica.table(name)
	}
	if t := db.catalog.find(name); t != nil && t.existsAt(db.released()) {
		return t, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrNoTable, name)
}

// Tables returns all tables that Table would, in the order of their names.
func (db *DB) Tables() []*Table {
	if db.replica != nil {
		return db.replica.all()
	}
	return db.catalog.at(db.released())
}

// at returns the tables that there are at a timestamp, in the order of their names.
func (c *knownTables) at(ts hlc.Timestamp) []*Table {
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := slices.SortedFunc(maps.Values(c.mu.byName), func(a, b *Table) int { return cmp.Compare(a.name, b.name) })
	return slices.DeleteFunc(all, func(t *Table) bool { return !t.existsAt(ts) })
}

// DropTable removes a table with all that is in it, and returns when that is
// released. Transactions that use the table and have not committed fail with
// ErrNoTable; snapshots that are open keep seeing it. Its memory is freed in the
// background. ErrNoTable if there is none of that name. On a replica the errors are those of
// Update too.
func (db *DB) DropTable(ctx context.Context, name string) error {
	if db.replica != nil {
		return db.replica.drop(ctx, name)
	}
	t, err := db.dropTable(ctx, name)
	if err != nil {
		return err
	}
	dropped := executed{ts: t.inner().DroppedAt(), wrote: true}
	if err := db.waitReleased(ctx, &dropped); err != nil {
		db.gate.Notify(speculate.Point(dropped.ts), func(err error) {
			if err == nil {
				db.catalog.forget(t)
			}
		})
		return err
	}
	db.catalog.forget(t)
	return nil
}

// dropTable executes the removal of a table.
func (db *DB) dropTable(ctx context.Context, name string) (*Table, error) {
	t, err := db.enterChange(ctx, name)
	if err != nil {
		return nil, err
	}
	defer db.catalog.changes.leave()
	if t == nil {
		return nil, fmt.Errorf("%w: %q", ErrNoTable, name)
	}
	db.engine.CloseTable(t.inner())
	if err := db.removeCatalogEntry(ctx, name, t.inner()); err != nil {
		db.engine.ReopenTable(t.inner())
		return nil, err
	}
	return t, nil
}
