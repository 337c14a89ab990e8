package godwit

import (
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/occ"
)

// TableKind says how a table finds its keys.
type TableKind uint8

const (
	// Ordered tables can be scanned in the order of their keys.
	Ordered TableKind = 1
	// Hashed tables find single keys faster and know no order.
	Hashed TableKind = 2
)

// String returns "ordered" or "hashed".
func (k TableKind) String() string {
	switch k {
	case Ordered:
		return "ordered"
	case Hashed:
		return "hashed"
	}
	return "unknown"
}

// TableNameBytesMax is the longest name of a table, in bytes.
const TableNameBytesMax = 255

// Table is a named key space of a database. It is good until it is dropped or
// the database is closed.
type Table struct {
	name string
	// created is the timestamp of the transaction that created the table, 0 if it was
	// there when the database was opened.
	created hlc.Timestamp
	// in changes when a replica is opened again.
	in atomic.Pointer[occ.Table]
}

func newTable(name string, in *occ.Table) *Table {
	t := &Table{name: name}
	t.in.Store(in)
	return t
}

// Name returns the table's name.
func (t *Table) Name() string { return t.name }

// Kind returns how the table finds its keys.
func (t *Table) Kind() TableKind {
	if t.in.Load().Ordered() {
		return Ordered
	}
	return Hashed
}

// existsAt tells whether a table of an embedded database is there at a timestamp.
func (t *Table) existsAt(ts hlc.Timestamp) bool {
	dropped := t.inner().DroppedAt()
	return t.created <= ts && (dropped == 0 || dropped > ts)
}

func (t *Table) inner() *occ.Table {
	if t == nil {
		return nil
	}
	return t.in.Load()
}
