package shardsim

import (
	"errors"
	"fmt"
	"slices"

	"github.com/godwitdb/godwit/internal/history"
	"github.com/godwitdb/godwit/internal/occ"
)

// tables are those of the clients: lists, whose values are numbers one after the other, and
// rows, which come and go; those from hashedFrom on in a table without order, those from namedFrom on in
// one that comes and goes itself.
type tables struct{ lists, rows, hashed, named *occ.Table }

// hashedFrom is the first key of a row in the hashed table.
const hashedFrom = 1000

func openTables(e *occ.Engine, named *occ.Table) (t tables, err error) {
	t.named = named
	for i, table := range []**occ.Table{&t.lists, &t.rows, &t.hashed} {
		if *table, err = e.AddTable(occ.MakeTableID(uint32(i+1), i < 2)); err != nil {
			return t, err
		}
	}
	return t, nil
}

func (t *tables) rowsOf(key uint64) *occ.Table {
	switch {
	case key >= namedFrom:
		return t.named
	case key >= hashedFrom:
		return t.hashed
	}
	return t.rows
}

// perform runs operations.
func (t *tables) perform(tx *occ.Tx, ops []op, read *reads) error {
	for i := range ops {
		o := &ops[i]
		if o.kind == history.OpRange {
			var pairs []uint64
			err := tx.Scan(t.rows, occ.Range{From: number(o.key), To: number(o.to)}, func(key, value []byte) bool {
				pairs = append(append(pairs, numbers(key)...), numbers(value)...)
				return true
			})
			if err != nil {
				return err
			}
			read.reads = append(read.reads, pairs)
			continue
		}
		table := t.lists
		if !o.list() {
			table = t.rowsOf(o.key)
		}
		if err := performOne(tx, table, o, read); err != nil {
			return err
		}
	}
	return nil
}

func performOne(tx *occ.Tx, table *occ.Table, o *op, read *reads) error {
	key := number(o.key)
	if o.named() {
		key = number(o.key % namedRows)
	}
	switch o.kind {
	case history.OpWrite:
		return tx.Put(table, key, number(o.value))
	case history.OpDelete:
		return tx.Delete(table, key)
	}
	value, err := tx.Get(table, key)
	if err != nil && !errors.Is(err, occ.ErrNotFound) {
		return err
	}
	if o.kind == history.OpAppend {
		return tx.Put(table, key, append(slices.Clone(value), number(o.value)...))
	}
	read.reads = append(read.reads, numbers(value))
	return nil
}

// contents is what a snapshot shows.
type contents map[string]string

func (c contents) show(at string, value []byte) error {
	if _, twice := c[at]; twice {
		return fmt.Errorf("shardsim: %s is there twice", at)
	}
	c[at] = fmt.Sprint(numbers(value))
	return nil
}

// show writes down all that a snapshot shows of the tables that are there all the time.
func (t *tables) show(tx *occ.Tx, c contents) error {
	show := func(name string) func(key, value []byte) error {
		return func(key, value []byte) error { return c.show(fmt.Sprint(name, numbers(key)), value) }
	}
	return errors.Join(tx.EachOrdered(t.lists, show("list")), tx.EachOrdered(t.rows, show("row")), tx.EachHashed(t.hashed, show("row")))
}
