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

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/once"
)

// The catalog is a table like any other, so that creating and dropping tables
// are transactions. A table's name leads to its id (4 bytes, little endian);
// the empty key, which is no table's name, to the number that the next table
// gets, so that an id is never used again, not even for a table dropped long ago
// whose writes are still in the log.
const catalogNumber = 0

// tablesMax bounds the tables of a database.
const tablesMax = 65000

var catalogNextKey = []byte{}

// catalog is what the database knows of its tables.
type catalog struct {
	table *occ.Table
	mu    struct {
		sync.RWMutex
		byName map[string]*Table
	}
	// changes are made one at a time. Nobody waits for a release in there: a
	// checkpoint has to pass too, and may be what a release needs.
	changes gatekeeper
}

func catalogID() occ.TableID { return occ.MakeTableID(catalogNumber, true) }

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
	t, err := db.engine.AddTable(catalogID())
	if err != nil {
		return 0, nil, err
	}
	db.catalog.table = t
	_, err = db.view(context.Background(), func(tx *Tx) error {
		db.catalog.mu.byName = map[string]*Table{}
		next, known = 0, map[occ.TableID]bool{catalogID(): true, once.TableID(): true}
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
	if err := db.catalog.changes.enter(ctx); err != nil {
		return nil, err
	}
	defer db.catalog.changes.leave()
	known, tables := db.catalog.find(name)
	if known != nil {
		return known, fmt.Errorf("%w: table %q", ErrExists, name)
	}
	if tables >= tablesMax {
		return nil, fmt.Errorf("%w: there are %d tables already", ErrTooLarge, tablesMax)
	}
	var id occ.TableID
	catalog := newTable(catalogName, db.catalog.table)
	o, err := db.update(ctx, func(tx *Tx) (err error) {
		id, err = insertTable(tx, catalog, name, kind)
		return err
	})
	if err != nil {
		return nil, err
	}
	in, err := db.engine.AddTable(id)
	if err != nil {
		_, rerr := db.removeCatalogEntry(context.WithoutCancel(ctx), name, nil)
		return nil, errors.Join(err, rerr)
	}
	t := newTable(name, in)
	t.created = o.ts
	db.catalog.mu.Lock()
	defer db.catalog.mu.Unlock()
	db.catalog.mu.byName[name] = t
	return t, nil
}

// insertTable puts a new table into the catalog.
func insertTable(tx *Tx, catalog *Table, name string, kind TableKind) (occ.TableID, error) {
	number := uint32(catalogNumber + 1)
	switch next, err := tx.Get(catalog, catalogNextKey); {
	case err == nil:
		number = binary.LittleEndian.Uint32(next)
	case !errors.Is(err, ErrNotFound):
		return 0, err
	}
	id := occ.MakeTableID(number, kind == Ordered)
	if number >= once.TableNumber {
		return 0, fmt.Errorf("%w: all table numbers are used up", ErrTooLarge)
	}
	if err := tx.Put(catalog, catalogNextKey, binary.LittleEndian.AppendUint32(nil, number+1)); err != nil {
		return 0, err
	}
	return id, tx.Insert(catalog, []byte(name), binary.LittleEndian.AppendUint32(nil, uint32(id)))
}

// removeCatalogEntry executes the removal, and drops the table, which is closed, if there is one. It
// returns the timestamp of that.
func (db *DB) removeCatalogEntry(ctx context.Context, name string, table *occ.Table) (hlc.Timestamp, error) {
	o, err := db.update(ctx, func(tx *Tx) error {
		tx.in.DropTable(table)
		return tx.in.Delete(db.catalog.table, []byte(name))
	})
	return o.ts, err
}

// catalogEntry returns the table that a row of the catalog stands for.
func catalogEntry(key, value []byte) (occ.TableID, bool) {
	if len(key) == 0 || len(value) != 4 {
		return 0, false
	}
	return occ.TableID(binary.LittleEndian.Uint32(value)), true
}

// find returns a table, nil if there is none of that name, and how many there are.
func (c *catalog) find(name string) (*Table, int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.mu.byName[name], len(c.mu.byName)
}

// Table returns a table, ErrNoTable if there is none of that name whose creation is
// released. On a replica it waits for a moment for what it has of the catalog, and
// returns ErrUnavailable if that does not come.
func (db *DB) Table(name string) (*Table, error) {
	if db.replica != nil {
		return db.replica.table(name)
	}
	if t, _ := db.catalog.find(name); t != nil && t.created <= db.released() {
		return t, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrNoTable, name)
}

// Tables returns all tables whose creation is released, in the order of their names.
func (db *DB) Tables() []*Table {
	if db.replica != nil {
		return db.replica.all()
	}
	released := db.released()
	return slices.DeleteFunc(db.catalog.all(), func(t *Table) bool { return t.created > released })
}

// all returns all tables in the order of their names.
func (c *catalog) all() []*Table {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.SortedFunc(maps.Values(c.mu.byName), func(a, b *Table) int { return cmp.Compare(a.name, b.name) })
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
	ts, err := db.dropTable(ctx, name)
	if err != nil {
		return err
	}
	return db.waitReleased(ctx, &executed{ts: ts, wrote: true})
}

// dropTable executes the removal of a table.
func (db *DB) dropTable(ctx context.Context, name string) (hlc.Timestamp, error) {
	if err := db.catalog.changes.enter(ctx); err != nil {
		return 0, err
	}
	defer db.catalog.changes.leave()
	t, _ := db.catalog.find(name)
	if t == nil {
		return 0, fmt.Errorf("%w: %q", ErrNoTable, name)
	}
	db.engine.CloseTable(t.inner())
	ts, err := db.removeCatalogEntry(ctx, name, t.inner())
	if err != nil {
		db.engine.ReopenTable(t.inner())
		return 0, err
	}
	db.catalog.mu.Lock()
	defer db.catalog.mu.Unlock()
	delete(db.catalog.mu.byName, name)
	return ts, nil
}
