package godwit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/godwitdb/godwit/internal/catalog"
	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/shard"
)

// tableLookup is how long Table and Tables of a replica wait for its state: while it is opened again,
// or has not noticed yet that it leads without a majority.
const tableLookup = 5 * time.Second

// replicaTables are the tables that were handed out. The catalog of a replica changes as it
// is replayed, so that is where they are looked up; but a Table is one and the same, and
// good when the replica is opened again.
type replicaTables struct {
	sync.Mutex
	engine *occ.Engine
	byID   map[occ.TableID]*Table
	tidyAt int        // how many are worth a look at which are dropped
	drops  gatekeeper // one at a time
}

// move makes the tables those of an engine that has taken the place of another. It knows of tables
// that were dropped meanwhile in a snapshot of the new one, whose next table has a number.
func (t *replicaTables) move(e *occ.Engine, next uint32) error {
	t.Lock()
	defer t.Unlock()
	for id, table := range t.byID {
		in := e.TableByID(id)
		if in == nil && id.Number() < next { // what it had is closed, and stays so
			delete(t.byID, id)
			continue
		}
		if in == nil {
			var err error
			if in, err = e.AddTable(id); err != nil {
				return err
			}
		}
		table.in.Store(in)
	}
	t.engine = e
	return nil
}

// moveTables moves the tables to a replica that was opened again.
func (r *replica) moveTables(n *openReplica) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r.db.tasks.Go(func() {
		select {
		case <-r.db.closed:
			cancel()
		case <-ctx.Done():
		}
	})
	var s *occ.Snapshot
	err := n.do(ctx, "snapshot", func(ctx context.Context) (err error) {
		s, err = n.Snapshot(ctx, 0)
		return err
	})
	if err != nil {
		return err
	}
	defer s.Close()
	next, err := nextTable(ctx, s)
	if err != nil {
		return err
	}
	return r.tables.move(n.Engine(), next)
}

// nextTable returns the number that the next table gets, according to a snapshot.
func nextTable(ctx context.Context, s *occ.Snapshot) (uint32, error) {
	rows, err := s.Engine().AddTable(catalog.TableID())
	if err != nil {
		return 0, err
	}
	tx, err := s.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer tx.End()
	return catalog.Next(tx, rows)
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
	if len(t.byID) >= t.tidyAt {
		t.tidy()
	}
	table := newTable(name, in)
	t.byID[id] = table
	return table, nil
}

// tidy forgets tables whose drop is released. Those who have them learn that they are dropped.
func (t *replicaTables) tidy() {
	for id, table := range t.byID {
		if table.inner().Freed() {
			delete(t.byID, id)
		}
	}
	t.tidyAt = 2*len(t.byID) + 16
}

// create makes a table and returns when that is released.
func (r *replica) create(ctx context.Context, name string, kind TableKind) (*Table, error) {
	if r.tables.count() > tablesMax {
		return nil, fmt.Errorf("%w: there are %d tables already", ErrTooLarge, tablesMax)
	}
	var id occ.TableID
	_, err := r.transact(ctx, func(n *shard.Replica, ctx context.Context) (x shard.Executed, err error) {
		x, id, err = n.CreateTable(ctx, name, kind == Ordered)
		return x, err
	}, false)
	switch {
	case errors.Is(err, ErrExists):
		return nil, fmt.Errorf("%w: table %q", ErrExists, name)
	case err != nil:
		return nil, err
	}
	return r.tables.get(name, id)
}

// drop removes a table and returns when that is released.
func (r *replica) drop(ctx context.Context, name string) error {
	if err := r.tables.drops.enter(ctx); err != nil {
		return err
	}
	defer r.tables.drops.leave()
	_, err := r.transact(ctx, func(n *shard.Replica, ctx context.Context) (shard.Executed, error) {
		return n.DropTable(ctx, name)
	}, false)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%w: %q", ErrNoTable, name)
	}
	return err
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
	rows, err := n.Engine().AddTable(catalog.TableID())
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
		id, err := tx.Get(rows, []byte(*name))
		if err != nil {
			return nil, err
		}
		return tables, note([]byte(*name), id)
	}
	var bad error
	err = tx.Scan(rows, occ.Range{}, func(name, id []byte) bool {
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
		return nil, r.unavailable(err)
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
