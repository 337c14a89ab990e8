package tpcc

import (
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/bench"
)

// tables are the handles of a database.
type tables struct {
	warehouse, district, customer, history, newOrder, order, orderLine, item, stock bench.Table
	// stockInfo is the other half of stock, customerName and orderCustomer are
	// indexes.
	stockInfo, customerName, orderCustomer bench.Table
}

// each calls do for every table's handle with its name and whether it is only
// read by key.
func (t *tables) each(do func(handle *bench.Table, name string, byKey bool) error) error {
	for _, e := range []struct {
		handle *bench.Table
		name   string
		byKey  bool
	}{
		{&t.warehouse, "warehouse", true},
		{&t.district, "district", true},
		{&t.customer, "customer", true},
		{&t.history, "history", false},
		{&t.newOrder, "new_order", false},
		{&t.order, "orders", false},
		{&t.orderLine, "order_line", false},
		{&t.item, "item", true},
		{&t.stock, "stock", true},
		{&t.stockInfo, "stock_info", true},
		{&t.customerName, "customer_name", false},
		{&t.orderCustomer, "order_customer", false},
	} {
		if err := do(e.handle, e.name, e.byKey); err != nil {
			return err
		}
	}
	return nil
}

func (t *tables) create(e bench.Engine, keyTables bench.TableKind) error {
	return t.each(func(handle *bench.Table, name string, byKey bool) (err error) {
		kind := bench.Ordered
		if byKey {
			kind = keyTables
		}
		*handle, err = e.CreateTable(name, kind)
		return err
	})
}

func (t *tables) open(e bench.Engine) error {
	return t.each(func(handle *bench.Table, name string, _ bool) (err error) {
		*handle, err = e.OpenTable(name)
		return err
	})
}

// get returns a row of a key that must be there, with at least so many bytes.
func get(tx bench.Tx, t bench.Table, key []byte, bytesMin int) ([]byte, error) {
	row, err := tx.Get(t, key)
	if err != nil {
		return nil, missing(t, key, err)
	}
	return row, length(t, key, row, bytesMin)
}

// getMany is get for several keys of one table.
func getMany(tx bench.Tx, t bench.Table, keys, rows [][]byte, bytesMin int) error {
	if err := tx.GetMany(t, keys, rows); err != nil {
		return err
	}
	for i, row := range rows {
		if row == nil {
			return missing(t, keys[i], bench.ErrNotFound)
		}
		if err := length(t, keys[i], row, bytesMin); err != nil {
			return err
		}
	}
	return nil
}

// missing explains a lookup's error. A missing row is a defect of the engine; any
// other error is the engine's business and passes unchanged.
func missing(t bench.Table, key []byte, err error) error {
	if !errors.Is(err, bench.ErrNotFound) {
		return err
	}
	return fmt.Errorf("tpcc: %s has no row %x: %w", t.Name(), key, err)
}

func length(t bench.Table, key, row []byte, bytesMin int) error {
	if len(row) >= bytesMin {
		return nil
	}
	return fmt.Errorf("tpcc: row %x of %s has %d bytes, at least %d expected", key, t.Name(), len(row), bytesMin)
}
