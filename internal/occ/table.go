package occ

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/index"
	"github.com/godwitdb/godwit/internal/invariant"
)

// TableID names a table in the log. It is never used again for another table.
// Its lowest bit says which index the table has, so that replay can make a
// table whose catalog entry it has not seen yet.
type TableID uint32

// hashedBit is set in the ids of tables without order.
const hashedBit TableID = 1

// MakeTableID returns the id of the nth table.
func MakeTableID(n uint32, ordered bool) TableID {
	id := TableID(n) << 1
	if !ordered {
		id |= hashedBit
	}
	return id
}

// Ordered tells whether the table's keys are kept in order.
func (id TableID) Ordered() bool { return id&hashedBit == 0 }

// Number returns the n that the id was made from.
func (id TableID) Number() uint32 { return uint32(id >> 1) }

// Table is a named key space.
type Table struct {
	id     TableID
	engine *Engine
	tree   *index.Tree // one of the two
	hash   *index.Hash
	// aside has records of deleted keys that a snapshot may need, at most one of
	// each key, so that the index is free of them. nil until there is one.
	aside atomic.Pointer[index.Tree]
	// closed is set before the table is dropped: attempts that have not
	// entered their commit phase by then fail. The dropper writes it.
	closed atomic.Bool
	// droppedAt is the timestamp of the transaction that dropped the table, 0
	// before. Snapshots at or after it do not see the table.
	droppedAt atomic.Uint64
	// freed is set when nobody can see the table any more. Maintain writes it.
	freed atomic.Bool
}

// Freed tells whether the table was dropped and nobody can see it any more.
func (t *Table) Freed() bool { return t.freed.Load() }

// DroppedAt returns the timestamp of the transaction that dropped the table, 0 if it is there.
func (t *Table) DroppedAt() hlc.Timestamp { return hlc.Timestamp(t.droppedAt.Load()) }

// ID returns the table's id.
func (t *Table) ID() TableID { return t.id }

// Ordered tells whether the table's keys are kept in order.
func (t *Table) Ordered() bool { return t.tree != nil }

func (t *Table) get(key []byte) index.Found {
	if t.tree != nil {
		return t.tree.Get(key)
	}
	return t.hash.Get(key)
}

func (t *Table) getMany(keys [][]byte, out []index.Found) {
	if t.tree != nil {
		t.tree.GetMany(keys, out)
	} else {
		t.hash.GetMany(keys, out)
	}
}

func (t *Table) insert(m index.Mem, rec arena.Ref, changes []index.Change) (arena.Ref, []index.Change, error) {
	if t.tree != nil {
		return t.tree.Insert(m, rec, changes)
	}
	return t.hash.Insert(m, rec, changes)
}

// remove takes a record out of the index. The caller holds its lock, so it is
// there.
func (t *Table) remove(m index.Mem, rec arena.Ref) {
	var found bool
	if t.tree != nil {
		found = t.tree.Remove(m, rec)
	} else {
		found = t.hash.Remove(m, rec)
	}
	invariant.Check(found, "a locked record is in its index")
}

// putAside moves a deleted record, locked by the caller, from the index to
// aside. It returns false, with nothing done, if there is no memory for that or if
// another record of the key is there. A snapshot looks in the index first, so it is
// never in neither.
func (t *Table) putAside(m index.Mem, rec arena.Ref) bool {
	aside := t.aside.Load()
	if aside == nil {
		made, err := index.NewTree(t.engine.arena, m)
		if err != nil {
			return false
		}
		if t.aside.CompareAndSwap(nil, made) {
			aside = made
		} else {
			made.Free(m, func(arena.Ref) {})
			aside = t.aside.Load()
		}
	}
	if existing, _, err := aside.Insert(m, rec, nil); err != nil || existing != 0 {
		return false
	}
	t.remove(m, rec)
	return true
}

// AddTable makes an empty table, or returns the one that has the id, also if it is dropped and not
// freed yet: so whoever knows the id from a snapshot gets what that shows. ErrClosed: the engine is
// closed, and its memory perhaps gone.
func (e *Engine) AddTable(id TableID) (*Table, error) {
	if t := e.TableByID(id); t != nil {
		return t, nil
	}
	e.tables.Lock()
	defer e.tables.Unlock()
	if t := e.tables.byID[id]; t != nil {
		return t, nil
	}
	for _, t := range e.tables.dropped {
		if t.id == id {
			return t, nil
		}
	}
	if e.closed.Load() {
		return nil, ErrClosed
	}
	e.keeper.Lock()
	defer e.keeper.Unlock()
	t := &Table{id: id, engine: e}
	var err error
	if id.Ordered() {
		t.tree, err = index.NewTree(e.arena, e.keeper.mem)
	} else {
		t.hash, err = index.NewHash(e.arena, e.keeper.mem, e.hashSeed)
	}
	if err != nil {
		return nil, memoryFull(err)
	}
	e.tables.byID[id] = t
	return t, nil
}

// AddTable is that of the engine that executes the transaction.
func (tx *Tx) AddTable(id TableID) (*Table, error) { return tx.engine.AddTable(id) }

// TableByID returns a table, nil if there is none.
func (e *Engine) TableByID(id TableID) *Table {
	e.tables.RLock()
	defer e.tables.RUnlock()
	return e.tables.byID[id]
}

// Tables returns all tables that are not dropped, in the order of their ids.
func (e *Engine) Tables() []*Table {
	e.tables.RLock()
	defer e.tables.RUnlock()
	all := make([]*Table, 0, len(e.tables.byID))
	for _, t := range e.tables.byID {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *Table) int { return cmp.Compare(a.id, b.id) })
	return all
}

// CloseTable makes transactions on the table wait from now on, by attempts that fail, until it is
// dropped or reopened: on return none that uses it can commit any more. It tells whether this
// call was the one that closed it.
func (e *Engine) CloseTable(t *Table) bool {
	if t.closed.Swap(true) {
		return false
	}
	e.passCommitPhases()
	return true
}

// ReopenTable takes CloseTable back, when dropping the table did not work out. One that is dropped
// all the same, by replay, stays closed.
func (e *Engine) ReopenTable(t *Table) {
	e.tables.Lock()
	defer e.tables.Unlock()
	if t.droppedAt.Load() == 0 {
		t.closed.Store(false)
	}
}

// DropTable forgets a table whose catalog entry was removed at ts, by replay: nothing executes.
// Its memory is freed by Maintain, once no snapshot can read it.
func (e *Engine) DropTable(t *Table, ts hlc.Timestamp) {
	e.tables.Lock()
	defer e.tables.Unlock()
	if t.droppedAt.Load() != 0 {
		return
	}
	t.closed.Store(true)
	t.droppedAt.Store(uint64(ts))
	delete(e.tables.byID, t.id)
	e.tables.dropped = append(e.tables.dropped, t)
}

// DropTable makes the attempt drop a table if it commits, as Engine.DropTable does at its
// timestamp. It is to remove the catalog entry of the table, which is closed (CloseTable) and which
// it does not use. Being part of the commit phase, the drop is before or behind any snapshot, and a
// rollback takes both back or none.
func (tx *Tx) DropTable(t *Table) { tx.drop = t }

// passCommitPhases returns when every commit phase that was running has ended.
func (e *Engine) passCommitPhases() {
	for _, w := range e.workers {
		w.stream.Lock()
		w.stream.Unlock() //nolint:staticcheck // the empty section is the point
	}
}

// usable returns an error unless the transaction may use the table.
func (t *Table) usable(tx *Tx) error {
	if t.engine != tx.engine {
		return fmt.Errorf("%w: it belongs to another database", ErrNoTable)
	}
	if tx.mode == modeSnapshot {
		if at := t.DroppedAt(); at != 0 && at <= tx.at {
			return ErrNoTable
		}
		return nil
	}
	if !t.closed.Load() {
		return nil
	}
	at := t.DroppedAt()
	if at == 0 {
		return tx.fail(ErrConflict) // it is being dropped, and perhaps that does not work out
	}
	tx.maxRead = max(tx.maxRead, at) // that it is gone rests on the drop
	return ErrNoTable
}
