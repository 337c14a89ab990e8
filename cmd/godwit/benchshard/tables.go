package benchshard

import (
	"fmt"
	"slices"
	"sync"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/internal/occ"
)

// table is a handle for the workload.
type table struct {
	*occ.Table
	name string
}

// Name implements bench.Table.
func (t *table) Name() string { return t.name }

// own returns a table as what CreateTable returned.
func own(t bench.Table) *occ.Table {
	return t.(*table).Table //nolint:forcetypeassert // another engine's table is a mistake of the caller
}

// tables are the tables of an engine, numbered in the order in which they were first
// asked for.
type tables struct {
	engine *occ.Engine
	mu     struct {
		sync.Mutex
		names []string
	}
}

func (t *tables) number(name string) uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := slices.Index(t.mu.names, name)
	if n < 0 {
		n = len(t.mu.names)
		t.mu.names = append(t.mu.names, name)
	}
	return uint32(n + 1)
}

// CreateTable implements bench.Engine. It makes no record: a replica that has no row of
// a table does not know of it.
func (t *tables) CreateTable(name string, kind bench.TableKind) (bench.Table, error) {
	made, err := t.engine.AddTable(occ.MakeTableID(t.number(name), kind == bench.Ordered))
	if err != nil {
		return nil, err
	}
	return &table{made, name}, nil
}

// OpenTable implements bench.Engine.
func (t *tables) OpenTable(name string) (bench.Table, error) {
	n := t.number(name)
	for _, ordered := range []bool{true, false} {
		if found := t.engine.TableByID(occ.MakeTableID(n, ordered)); found != nil {
			return &table{found, name}, nil
		}
	}
	return nil, fmt.Errorf("%w: table %d, %s", bench.ErrNotFound, n, name)
}
