// Package catalog is the table that says which other tables there are. It is a table like any
// other, so that creating and dropping tables are transactions.
//
// A table's name leads to its id (4 bytes, little endian); the empty key, which is no table's name, to
// the number that the next table gets, so that an id is never used again, not even for a table
// dropped long ago whose writes are still in the log.
package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/once"
)

const (
	tableNumber = 0
	idBytes     = 4
)

var nextKey = []byte{}

// TableID returns the catalog's own id.
func TableID() occ.TableID { return occ.MakeTableID(tableNumber, true) }

// Entry returns the table that a row stands for; false if for none.
func Entry(key, value []byte) (occ.TableID, bool) {
	if len(key) == 0 || len(value) != idBytes {
		return 0, false
	}
	return occ.TableID(binary.LittleEndian.Uint32(value)), true
}

// Next returns the number that the next table gets.
func Next(tx *occ.Tx, catalog *occ.Table) (uint32, error) {
	next, err := tx.Get(catalog, nextKey)
	switch {
	case errors.Is(err, dberr.ErrNotFound):
		return tableNumber + 1, nil
	case err != nil:
		return 0, err
	case len(next) != idBytes:
		return 0, fmt.Errorf("catalog: the next table's number has %d bytes, not %d", len(next), idBytes)
	}
	return binary.LittleEndian.Uint32(next), nil
}

// Find returns the table of a name. dberr.ErrNotFound: there is none.
func Find(tx *occ.Tx, catalog *occ.Table, name string) (occ.TableID, error) {
	value, err := tx.Get(catalog, []byte(name))
	if err != nil {
		return 0, err
	}
	id, ok := Entry([]byte(name), value)
	if !ok {
		return 0, fmt.Errorf("%w: the catalog has no table under %q", dberr.ErrNotFound, name)
	}
	return id, nil
}

// Insert puts a new table into the catalog. dberr.ErrExists: there is one of that name.
// dberr.ErrTooLarge: all numbers are used up.
func Insert(tx *occ.Tx, catalog *occ.Table, name string, ordered bool) (occ.TableID, error) {
	number, err := Next(tx, catalog)
	if err != nil {
		return 0, err
	}
	if number >= once.TableNumber {
		return 0, fmt.Errorf("%w: all table numbers are used up", dberr.ErrTooLarge)
	}
	if err := tx.Put(catalog, nextKey, binary.LittleEndian.AppendUint32(nil, number+1)); err != nil {
		return 0, err
	}
	id := occ.MakeTableID(number, ordered)
	return id, tx.Insert(catalog, []byte(name), binary.LittleEndian.AppendUint32(nil, uint32(id)))
}

// Remove takes a table out of the catalog, and drops it: it is closed, and the transaction does not
// use it.
func Remove(tx *occ.Tx, catalog *occ.Table, name string, table *occ.Table) error {
	tx.DropTable(table)
	return tx.Delete(catalog, []byte(name))
}
