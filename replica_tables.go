package godwit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/occ"
)

// tableLookup is how long Table and Tables of a replica wait for its state, which a
// leader without a majority has none of.
const tableLookup = 5 * time.Second

// replicaTables are the tables that were handed out. The catalog of a replica changes as it
// is replayed, so that is where they are looked up; but a Table is one and the same, and
// good when the replica is opened again.
type replicaTables struct {
	sync.Mutex
	engine *occ.Engine
	byID   map[occ.TableID]*Table
}

// move makes the tables those of an engine that has taken the place of another.
func (t *replicaTables) move(e *occ.Engine) error {
	t.Lock()
	defer t.Unlock()
	for id, table := range t.byID {
		in, err := e.AddTable(id)
		if err != nil {
			return err
		}
		table.in.Store(in)
	}
	t.engine = e
	return nil
}

// count returns how many tables there are, the catalog among them.
func (t *replicaTables) count() int {
	t.Lock()
	defer t.Unlock()
	return len(t.engine.Tables())
}

// get returns the table with an id.
func (t *replicaTables) get(name string, id occ.TableID) (*Table, error) {
	t.Lock()
	defer t.Unlock()
	if table := t.byID[id]; table != nil {
		return table, nil
	}
	in, err := t.engine.AddTable(id)
	if err != nil {
		return nil, err
	}
	table := newTable(name, in)
	t.byID[id] = table
	return table, nil
}

// create makes a table and returns when that is released.
func (r *replica) create(ctx context.Context, name string, kind TableKind) (*Table, error) {
	if r.tables.count() > tablesMax {
		return nil, fmt.Errorf("%w: there are %d tables already", ErrTooLarge, tablesMax)
	}
	catalog, err := r.tables.get(catalogName, catalogID())
	if err != nil {
		return nil, err
	}
	var id occ.TableID
	_, err = r.update(ctx, func(tx *Tx) (err error) {
		id, err = insertTable(tx, catalog, name, kind)
		return err
	}, false)
	switch {
	case errors.Is(err, ErrExists):
		return nil, fmt.Errorf("%w: table %q", ErrExists, name)
	case err != nil:
		return nil, err
	}
	return r.tables.get(name, id)
}

// find returns the tables that are in the catalog: of that name, or all.
func (r *replica) find(ctx context.Context, name *string) ([]*Table, error) {
	s, n, err := r.snapshot(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return r.tablesIn(ctx, n, s, name)
}

// tablesIn returns the tables that a snapshot sees, in the order of their names.
func (r *replica) tablesIn(ctx context.Context, n *openReplica, s *occ.Snapshot, name *string) (tables []*Table, err error) {
	catalog, err := n.Engine().AddTable(catalogID())
	if err != nil {
		return nil, err
	}
	tx, err := s.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.End()
	note := func(name, value []byte) error {
		if len(value) != 4 {
			return dberr.Corrupt(r.db.dir, 0, "catalog entry %q has %d bytes, not 4", name, len(value))
		}
		t, err := r.tables.get(string(name), occ.TableID(binary.LittleEndian.Uint32(value)))
		tables = append(tables, t)
		return err
	}
	if name != nil {
		id, err := tx.Get(catalog, []byte(*name))
		if err != nil {
			return nil, err
		}
		return tables, note([]byte(*name), id)
	}
	var bad error
	err = tx.Scan(catalog, occ.Range{}, func(name, id []byte) bool {
		if len(name) > 0 {
			bad = note(name, id)
		}
		return bad == nil
	})
	return tables, errors.Join(err, bad)
}

// table returns the table of a name.
func (r *replica) table(name string) (*Table, error) {
	ctx, cancel := context.WithTimeout(context.Background(), tableLookup)
	defer cancel()
	found, err := r.find(ctx, &name)
	switch {
	case name == "" || errors.Is(err, ErrNotFound):
		return nil, fmt.Errorf("%w: %q", ErrNoTable, name)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return found[0], nil
}

// all returns all tables, none if the replica's state does not come.
func (r *replica) all() []*Table {
	ctx, cancel := context.WithTimeout(context.Background(), tableLookup)
	defer cancel()
	found, err := r.find(ctx, nil)
	if err != nil {
		r.db.logger.Warn("the tables of the replica are not known", "error", err)
	}
	return found
}
