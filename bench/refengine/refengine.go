// Package refengine is a small and plainly correct bench.Engine: one lock held
// for a whole transaction, sorted maps, changes made in place and undone on
// failure. Workloads, checkers and the runner are tested on it; it is also the
// bottom line that a comparison can show.
//
// It can be told to fail attempts at random places in the sequence, so that
// procedures prove that they may run twice, and to hold releases back, so that
// the runner proves that it bounds what is in flight.
package refengine

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/google/btree"

	"github.com/godwitdb/godwit/bench"
)

// btreeDegree is the fan-out of the maps, a middling value.
const btreeDegree = 32

// Options choose the misbehaviour that a test wants.
type Options struct {
	// AbortEvery makes every n-th attempt of a transaction fail after its
	// function has run, as a conflict would; 0 is never, 1 is not allowed.
	AbortEvery uint64
	// ManualRelease holds every release back until ReleaseAll.
	ManualRelease bool
}

// Engine is the database. The zero Engine is not usable; see New.
type Engine struct {
	options Options
	// clock is the timestamp of the last executed transaction, released the
	// last that Session.Released covers.
	clock, released atomic.Uint64
	attempts        atomic.Uint64

	mu struct {
		sync.RWMutex
		tables map[string]*Table
	}
}

// Table is a sorted map.
type Table struct {
	name string
	kind bench.TableKind
	rows *btree.BTreeG[row]
}

// row is a pair; the slices are never changed once they are in a table.
type row struct{ key, value []byte }

var (
	_ bench.Engine  = (*Engine)(nil)
	_ bench.Session = (*session)(nil)
	_ bench.Tx      = (*tx)(nil)
)

// New returns an empty database.
func New(options Options) *Engine {
	if options.AbortEvery == 1 {
		panic("refengine: AbortEvery 1 would never finish")
	}
	e := &Engine{options: options}
	e.mu.tables = map[string]*Table{}
	return e
}

// Name implements bench.Engine.
func (e *Engine) Name() string { return "reference" }

// Close implements bench.Engine.
func (e *Engine) Close() error { return nil }

// CreateTable implements bench.Engine.
func (e *Engine) CreateTable(name string, kind bench.TableKind) (bench.Table, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.tables[name] != nil {
		return nil, fmt.Errorf("refengine: table %q: %w", name, bench.ErrExists)
	}
	less := func(a, b row) bool { return bytes.Compare(a.key, b.key) < 0 }
	t := &Table{name: name, kind: kind, rows: btree.NewG(btreeDegree, less)}
	e.mu.tables[name] = t
	return t, nil
}

// OpenTable implements bench.Engine.
func (e *Engine) OpenTable(name string) (bench.Table, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if t := e.mu.tables[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("refengine: table %q: %w", name, bench.ErrNotFound)
}

// own returns a table as what CreateTable made of it.
func own(t bench.Table) *Table {
	return t.(*Table) //nolint:forcetypeassert // another engine's table is a mistake of the caller
}

// Name implements bench.Table.
func (t *Table) Name() string { return t.name }

// Executed counts the transactions that have changed the database.
func (e *Engine) Executed() uint64 { return e.clock.Load() }

// ReleaseAll releases everything executed so far and returns how much that was.
func (e *Engine) ReleaseAll() uint64 {
	for {
		was, now := e.released.Load(), e.clock.Load()
		if now <= was || e.released.CompareAndSwap(was, now) {
			return now - min(was, now)
		}
	}
}

// NewSession implements bench.Engine.
func (e *Engine) NewSession(int) (bench.Session, error) {
	s := &session{engine: e}
	s.tx.session = s
	return s, nil
}

type session struct {
	engine *Engine
	aborts uint64
	tx     tx
}

// Update implements bench.Session.
func (s *session) Update(fn func(bench.Tx) error) (bench.Timestamp, error) {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	return s.attempt(fn, true)
}

// View implements bench.Session.
func (s *session) View(fn func(bench.Tx) error) (bench.Timestamp, error) {
	s.engine.mu.RLock()
	defer s.engine.mu.RUnlock()
	return s.attempt(fn, false)
}

// attempt runs fn until it succeeds or fails by itself. The caller holds the
// engine's lock.
func (s *session) attempt(fn func(bench.Tx) error, writable bool) (bench.Timestamp, error) {
	e := s.engine
	s.tx.writable = writable
	for {
		err := fn(&s.tx)
		every := e.options.AbortEvery
		conflict := every != 0 && e.attempts.Add(1)%every == 0
		if err != nil || conflict {
			s.tx.undoAll()
		}
		if conflict {
			s.aborts++
			continue
		}
		s.tx.undo = s.tx.undo[:0]
		if err != nil || !writable {
			return bench.Timestamp(e.clock.Load()), err
		}
		ts := e.clock.Add(1)
		if !e.options.ManualRelease {
			e.released.Store(ts)
		}
		return bench.Timestamp(ts), nil
	}
}

// Released implements bench.Session.
func (s *session) Released() bench.Timestamp { return bench.Timestamp(s.engine.released.Load()) }

// Aborts implements bench.Session.
func (s *session) Aborts() uint64 { return s.aborts }

// Close implements bench.Session.
func (s *session) Close() error { return nil }

// tx changes the tables in place and remembers what was there before.
type tx struct {
	session  *session
	writable bool
	undo     []change
}

// change is one table entry before the transaction touched it; a nil value says
// that there was none.
type change struct {
	table *Table
	row   row
}

func (x *tx) undoAll() {
	for i := len(x.undo) - 1; i >= 0; i-- {
		c := x.undo[i]
		if c.row.value == nil {
			c.table.rows.Delete(c.row)
		} else {
			c.table.rows.ReplaceOrInsert(c.row)
		}
	}
	x.undo = x.undo[:0]
}

// Get implements bench.Tx.
func (x *tx) Get(t bench.Table, key []byte) ([]byte, error) {
	r, ok := own(t).rows.Get(row{key: key})
	if !ok {
		return nil, bench.ErrNotFound
	}
	return r.value, nil
}

// GetMany implements bench.Tx.
func (x *tx) GetMany(t bench.Table, keys, values [][]byte) error {
	for i, key := range keys {
		r, _ := own(t).rows.Get(row{key: key})
		values[i] = r.value
	}
	return nil
}

// Put implements bench.Tx.
func (x *tx) Put(t bench.Table, key, value []byte) error {
	if !x.writable {
		return fmt.Errorf("refengine: write to %s in a read-only transaction", t.Name())
	}
	n := row{key: bytes.Clone(key), value: append(make([]byte, 0, len(value)), value...)}
	if old, ok := own(t).rows.ReplaceOrInsert(n); ok {
		n = old
	} else {
		n.value = nil
	}
	x.undo = append(x.undo, change{own(t), n})
	return nil
}

// Insert implements bench.Tx.
func (x *tx) Insert(t bench.Table, key, value []byte) error {
	if own(t).rows.Has(row{key: key}) {
		return bench.ErrExists
	}
	return x.Put(t, key, value)
}

// Delete implements bench.Tx.
func (x *tx) Delete(t bench.Table, key []byte) error {
	if !x.writable {
		return fmt.Errorf("refengine: delete from %s in a read-only transaction", t.Name())
	}
	if old, ok := own(t).rows.Delete(row{key: key}); ok {
		x.undo = append(x.undo, change{own(t), old})
	}
	return nil
}

// Scan implements bench.Tx.
func (x *tx) Scan(t bench.Table, from, to []byte, reverse bool, limit int, each func(key, value []byte) bool) error {
	table := own(t)
	if table.kind == bench.Hashed {
		return fmt.Errorf("refengine: scan of %s, which is hashed", table.name)
	}
	seen := 0
	visit := func(r row) bool {
		seen++
		return each(r.key, r.value) && seen != limit
	}
	if !reverse {
		table.rows.AscendGreaterOrEqual(row{key: from}, func(r row) bool {
			return (to == nil || bytes.Compare(r.key, to) < 0) && visit(r)
		})
		return nil
	}
	down := func(r row) bool {
		if to != nil && bytes.Compare(r.key, to) >= 0 {
			return true // to itself, which the range excludes
		}
		return bytes.Compare(r.key, from) >= 0 && visit(r)
	}
	if to == nil {
		table.rows.Descend(down)
	} else {
		table.rows.DescendLessOrEqual(row{key: to}, down)
	}
	return nil
}
