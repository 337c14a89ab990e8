package occ

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/invariant"
	"github.com/godwitdb/godwit/internal/record"
)

// RollBack takes back what a sealed engine has executed above final: each record gets its
// newest version at or below, keys that were new go, deleted ones come back. So do
// dropped tables; one that was new stays and is empty. Snapshots
// above final end with ErrRolledBack, the others stay good and may be read meanwhile. It
// takes time for what is not released, not for what there is, and needs no memory of
// the arena. The error says that nothing was done, because the caller may not want this:
// the engine is not sealed or keeps no versions for it, or final is below what is
// released (Invariant I6) or was replayed.
//
// Nothing leaves an index here: who was new becomes one of the deleted, with a
// tombstone, and Maintain sees to it.
func (e *Engine) RollBack(final hlc.Timestamp) error {
	e.snaps.Lock()
	defer e.snaps.Unlock()
	for _, w := range e.workers {
		w.stream.Lock()
		defer w.stream.Unlock()
	}
	if err := e.mayRollBack(final); err != nil {
		return err
	}
	// First those who read are told: whoever sees something of what follows sees
	// that too.
	e.voidSnapshots(final)
	e.term.word.Add(2)
	e.undropTables(final)
	r := rollback{engine: e, final: final, tables: e.allTables()}
	for _, u := range e.changesAbove(final) {
		r.restore(u.worker, &u.change)
	}
	for _, w := range e.workers {
		r.forget(w)
	}
	return nil
}

// mayRollBack returns why RollBack cannot be done. All streams are locked.
func (e *Engine) mayRollBack(final hlc.Timestamp) error {
	switch released, replayed := e.released(), e.replayed.Last(); {
	case !e.undo:
		return errors.New("occ: roll back: the engine was not made for it (Config.Undo)")
	case !e.Sealed():
		return errors.New("occ: roll back: the engine has to be sealed first")
	case final < released:
		return fmt.Errorf("occ: roll back to %d: everything up to %d is released", final, released)
	case final < replayed:
		return fmt.Errorf("occ: roll back to %d: what was replayed stays, and that was up to %d", final, replayed)
	}
	return nil
}

// undropTables brings the tables back that were dropped above final.
func (e *Engine) undropTables(final hlc.Timestamp) {
	e.tables.Lock()
	defer e.tables.Unlock()
	stay := e.tables.dropped[:0]
	for _, t := range e.tables.dropped {
		if hlc.Timestamp(t.droppedAt.Load()) <= final {
			stay = append(stay, t)
			continue
		}
		t.droppedAt.Store(0)
		t.closed.Store(false)
		e.tables.byID[t.id] = t
	}
	clear(e.tables.dropped[len(stay):])
	e.tables.dropped = stay
}

// allTables returns the tables that are not dropped by their ids, and the dropped ones.
func (e *Engine) allTables() map[TableID]*Table {
	e.tables.RLock()
	defer e.tables.RUnlock()
	all := make(map[TableID]*Table, len(e.tables.byID)+len(e.tables.dropped))
	for _, t := range e.tables.dropped {
		all[t.id] = t
	}
	for id, t := range e.tables.byID {
		all[id] = t
	}
	return all
}

// undo is a change and who made it.
type undo struct {
	worker *Worker
	change change
}

// changesAbove returns all changes above final, the newest first. All streams are locked.
func (e *Engine) changesAbove(final hlc.Timestamp) []undo {
	var all []undo
	for _, w := range e.workers {
		for i := range w.undoable.Len() {
			if c := w.undoable.At(i); c.at > final {
				all = append(all, undo{w, *c})
			}
		}
	}
	slices.SortFunc(all, func(a, b undo) int { return cmp.Compare(b.change.at, a.change.at) })
	return all
}

// rollback is one that is being done. All streams are locked; so nobody changes a record.
type rollback struct {
	engine *Engine
	final  hlc.Timestamp
	tables map[TableID]*Table
}

// restore puts the record of a change back to what it was before. Later changes of it
// have been taken back, so the version is the first one of the record's chain, if it is
// linked. It is retired then, and stays as it is for those who are looking at it.
func (r *rollback) restore(w *Worker, c *change) {
	base := r.engine.arena.Base()
	p := unsafe.Add(base, c.rec)
	word, prev := (*uint64)(p), (*uint64)(unsafe.Add(p, record.PrevOffset))
	now := record.Word(atomic.LoadUint64(word))
	if invariant.Enabled {
		first := arena.Ref(atomic.LoadUint64(prev))
		invariant.Check(now&(record.Locked|record.Dead) == 0 && now.Timestamp() == c.at, "record %#x with word %#x is to be rolled back to before %d", c.rec, uint64(now), c.at)
		invariant.Check(!c.linked || first == c.version, "record %#x has version %#x to go back to, its chain begins with %#x", c.rec, c.version, first)
		invariant.Check(c.version != 0 || first == 0, "record %#x was new at %d, its chain begins with %#x", c.rec, c.at, first)
	}
	atomic.StoreUint64(word, uint64(now|record.Locked))
	meta := record.Meta(arena.Load64(unsafe.Add(p, record.MetaOffset)))
	wasAbsent := now&record.Absent != 0
	if !wasAbsent {
		retireBlob(w, p, meta)
	}
	then := record.WordOf(0, true)
	if c.version != 0 {
		v := unsafe.Add(base, c.version)
		vm := record.Meta(arena.Load64(unsafe.Add(v, record.MetaOffset)))
		then = record.Word(atomic.LoadUint64((*uint64)(v)))
		meta = meta.WithValue(vm.ValueBytes(), vm.External())
		// The block of a long value goes back with the Ref.
		arena.MoveWords(record.Value(p, meta), record.Value(v, vm), vm.Room()/8)
		if c.linked {
			older := atomic.LoadUint64((*uint64)(unsafe.Add(v, record.PrevOffset)))
			atomic.StoreUint64(prev, older)
			if older != 0 {
				arena.Store64(unsafe.Add(base, older+keptNewerOffset), 0)
			}
		}
		if c.linked {
			w.mem.Limbo.Retire(c.version, vm.Bytes())
		}
	}
	absent := then&record.Absent != 0
	if absent {
		meta = meta.WithValue(0, false)
		if meta&record.Buried == 0 {
			meta |= record.Buried
			w.tombs.Push(tombstone{table: r.tables[c.table], rec: c.rec, at: then.Timestamp()})
		}
	}
	switch {
	case absent && !wasAbsent:
		w.records--
	case !absent && wasAbsent:
		w.records++
	}
	arena.Store64(unsafe.Add(p, record.MetaOffset), uint64(meta))
	atomic.StoreUint64(word, uint64(then))
}

// forget drops the worker's changes above final, which are restored.
func (r *rollback) forget(w *Worker) {
	for n := w.undoable.Len(); n > 0; n-- {
		if c := w.undoable.Pop(); c.at <= r.final {
			w.undoable.Push(c)
		}
	}
	// The records of later deletions are back, or were deleted before too.
	for n := w.tombs.Len(); n > 0; n-- {
		t := w.tombs.Pop()
		t.at = min(t.at, r.final)
		w.tombs.Push(t)
	}
}
