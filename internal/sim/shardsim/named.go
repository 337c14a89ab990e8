package shardsim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/catalog"
	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/history"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/once"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/quorum"
)

// What clients do with tables that come and go, beside reading and writing their rows, and what
// members have seen of them.
const (
	opCreate history.OpKind = 100 + iota // the table of a name: with order if the value is 1; the value becomes the table's id
	opDrop                               // the table of a name
	opFind                               // which table has a name, if any
	opGone                               // the table with an id is in no row of the catalog
)

const (
	// namesFrom is the first name of a table that comes and goes.
	namesFrom = 10_000
	// namesCount is how many names there are: few, so that they are given again.
	namesCount = 3
	// namedFrom is the first key of a row in such a table. Clients count the tables by their
	// names, and everything else by their ids.
	namedFrom = 1 << 20
	// namedRows bounds the rows of each.
	namedRows = 4
)

// namedRow is the key of a row of a table that comes and goes.
func namedRow(table, row uint64) uint64 { return namedFrom + table*namedRows + row }

// named tells whether the operation is about a table that comes and goes.
func (o *op) named() bool { return o.key >= namedFrom || o.changesTables() }

// changesTables tells whether the operation creates or drops a table. It is alone in its transaction.
func (o *op) changesTables() bool { return o.kind == opCreate || o.kind == opDrop }

func (r *request) changesTables() bool { return r.ops[0].changesTables() }

// tableOf returns the table of the row that an operation is on.
func (o *op) tableOf() uint64 { return (o.key - namedFrom) / namedRows }

// drawNamed makes a transaction about a table that comes and goes.
func (x *client) drawNamed() *request {
	name := namesFrom + uint64(x.rng.IntN(namesCount))
	switch x.rng.IntN(8) {
	case 0, 1:
		return &request{ops: []op{{kind: opDrop, key: name}}}
	case 2, 3:
		return &request{ops: []op{{kind: opCreate, key: name, value: uint64(x.rng.IntN(2))}}}
	}
	r := &request{snapshot: x.rng.IntN(3) == 0}
	for range 1 + x.rng.IntN(3) {
		x.value++
		o := op{kind: history.OpRead, key: namedRow(name, uint64(x.rng.IntN(namedRows))), value: x.value}
		if !r.snapshot {
			o.kind = []history.OpKind{history.OpRead, history.OpWrite, history.OpWrite, history.OpDelete}[x.rng.IntN(4)]
		}
		r.ops = append(r.ops, o)
	}
	return r
}

// tableName is a name in the catalog.
func tableName(name uint64) string { return fmt.Sprint("table ", name) }

// createTables creates those that are there all the time, in the order of their numbers.
func (c *Cluster) createTables() error {
	for _, x := range []struct {
		name    string
		ordered bool
	}{{"lists", true}, {"rows", true}, {"hashed", false}} {
		for there := false; !there; {
			if !c.world.RunUntil(time.Minute, func() bool { return c.leader() != nil }) {
				return errors.Join(errors.New("shardsim: nobody leads"), c.world.Failed())
			}
			l := c.leader()
			task := l.node.Runtime().Go("create", func(ctx context.Context) error {
				created, _, err := l.replica.CreateTable(ctx, x.name, x.ordered)
				if err == nil {
					err = certain(ctx, created.Notify)
				}
				return err
			})
			l.node.Runtime().Post(func() {})
			if !c.world.RunUntil(time.Minute, task.Decided) {
				return errors.Join(fmt.Errorf("shardsim: the table of %s is not created", x.name), c.world.Failed())
			}
			there = task.Err() == nil || errors.Is(task.Err(), dberr.ErrExists)
			if !there {
				_ = c.world.Run(10 * time.Millisecond) // until somebody leads
			}
		}
	}
	return nil
}

// changeTables creates or drops a table.
func (m *member) changeTables(ctx context.Context, req *request) (*response, error) {
	o := req.ops[0]
	var x shard.Executed
	var err error
	if err := m.amidGather(ctx, func() {
		if o.kind == opDrop {
			x, err = m.replica.DropTable(ctx, tableName(o.key))
			return
		}
		var id occ.TableID
		x, id, err = m.replica.CreateTable(ctx, tableName(o.key), o.value == 1)
		o.value = uint64(id)
	}); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	m.cluster.truth.executed = append(m.cluster.truth.executed, executed{req.name, x.Lead().Epoch, looked{m.node.ID(), x.TS, []op{o}, reads{}}})
	if err := certain(ctx, x.Notify); err != nil {
		return nil, err
	}
	return &response{at: x.TS}, nil
}

// useNamed runs a transaction on a table that it looks up before, as users do. It may be dropped
// meanwhile, and another one have its name.
func (m *member) useNamed(ctx context.Context, req *request) (*response, error) {
	table, err := m.find(ctx, req.ops[0].tableOf())
	if err != nil {
		return nil, err
	}
	if err := quorum.Sleep(ctx, m.cluster.snapshotRest()); err != nil {
		return nil, err
	}
	own := *req
	own.named, own.ops = table, slices.Clone(req.ops)
	for i := range own.ops {
		own.ops[i].key = namedRow(uint64(table.ID()), own.ops[i].key%namedRows)
	}
	resp, err := m.transact(ctx, &own)
	if errors.Is(err, dberr.ErrNoTable) {
		// Whoever looks now does not find it either.
		_, lerr := m.look(ctx, op{kind: opGone, key: uint64(table.ID())}, func(*occ.Tx) ([]uint64, error) { return nil, nil })
		err = errors.Join(err, lerr)
	}
	return resp, err
}

// find returns the table of a name that a snapshot shows. dberr.ErrNotFound: there is none.
func (m *member) find(ctx context.Context, name uint64) (*occ.Table, error) {
	found, err := m.look(ctx, op{kind: opFind, key: name}, func(tx *occ.Tx) ([]uint64, error) {
		rows, err := m.replica.Engine().AddTable(catalog.TableID())
		if err != nil {
			return nil, err
		}
		id, err := catalog.Find(tx, rows, tableName(name))
		if errors.Is(err, dberr.ErrNotFound) {
			return nil, nil
		}
		return []uint64{uint64(id)}, err
	})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, dberr.ErrNotFound
	}
	return m.replica.Engine().AddTable(occ.TableID(found[0]))
}

// look does one operation on a snapshot, for the record.
func (m *member) look(ctx context.Context, o op, do func(*occ.Tx) ([]uint64, error)) ([]uint64, error) {
	s, err := m.replica.Snapshot(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	tx, err := s.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.End()
	found, err := do(tx)
	if err == nil {
		m.cluster.truth.looked = append(m.cluster.truth.looked, looked{m.node.ID(), s.Timestamp(), []op{o}, reads{[][]uint64{found}}})
	}
	return found, err
}

// showNamed shows the tables that come and go, with their rows, and counts what else there is that nobody
// sees: the rest of the catalog, and what is remembered of clients.
func (m *member) showNamed(tx *occ.Tx, show func(at string, value []byte) error) (hidden int, err error) {
	e := m.replica.Engine()
	count := func(_, _ []byte) error { hidden++; return nil }
	for _, id := range []occ.TableID{catalog.TableID(), once.TableID()} {
		table, err := e.AddTable(id)
		if err == nil {
			err = tx.EachOrdered(table, count)
		}
		if err != nil {
			return 0, err
		}
	}
	rows, err := e.AddTable(catalog.TableID())
	if err != nil {
		return 0, err
	}
	for name := namesFrom; name < namesFrom+namesCount; name++ {
		id, err := catalog.Find(tx, rows, tableName(uint64(name)))
		if errors.Is(err, dberr.ErrNotFound) {
			continue
		}
		if err == nil {
			err = show(fmt.Sprint("table ", name), number(uint64(id)))
		}
		if err != nil {
			return 0, err
		}
		hidden-- // it was shown
		table, err := e.AddTable(id)
		if err != nil {
			return 0, err
		}
		each := tx.EachHashed
		if table.Ordered() {
			each = tx.EachOrdered
		}
		err = each(table, func(key, value []byte) error {
			return show(fmt.Sprint("row", []uint64{namedRow(uint64(id), numbers(key)[0])}), value)
		})
		if err != nil {
			return 0, err
		}
	}
	return hidden, nil
}

// life is that of a table: from its creation until it is dropped.
type life struct {
	name     uint64
	from, to hlc.Timestamp
}

// names are the tables that come and go: their lives by their ids, and the ids, oldest first, by their names.
type names struct {
	lives map[uint64]life
	ids   map[uint64][]uint64
}

// change adds what has been created or dropped at a timestamp.
func (n *names) change(o *op, at hlc.Timestamp) error {
	id, there := n.find(o.key, at)
	switch {
	case o.kind == opCreate && there:
		return fmt.Errorf("table %d was created at %d as %d, when it was there as %d", o.key, at, o.value, id)
	case o.kind == opDrop && !there:
		return fmt.Errorf("table %d was dropped at %d, when it was not there", o.key, at)
	case o.kind == opDrop:
		n.lives[id] = life{o.key, n.lives[id].from, at}
		return nil
	}
	if old, used := n.lives[o.value]; used {
		return fmt.Errorf("table %d was created at %d with the id %d, which %d has had", o.key, at, o.value, old.name)
	}
	n.lives[o.value] = life{o.key, at, hlc.Max}
	n.ids[o.key] = append(n.ids[o.key], o.value)
	return nil
}

// has tells whether the table with an id is there at a timestamp.
func (n *names) has(id uint64, at hlc.Timestamp) bool {
	l, ok := n.lives[id]
	return ok && l.from <= at && at < l.to
}

// check demands that the table that an operation is on is there at a timestamp, or not.
func (n *names) check(o *op, at hlc.Timestamp) error {
	switch {
	case o.kind == opGone && n.has(o.key, at):
		return fmt.Errorf("table %d had been dropped according to an error, and is there", o.key)
	case o.key >= namedFrom && o.kind < opCreate && !n.has(o.tableOf(), at):
		return fmt.Errorf("operation %d is on table %d, which is not there", o.kind, o.tableOf())
	}
	return nil
}

// find returns the id of the table that has a name at a timestamp.
func (n *names) find(name uint64, at hlc.Timestamp) (id uint64, there bool) {
	for _, id := range n.ids[name] {
		if n.has(id, at) {
			return id, true
		}
	}
	return 0, false
}
