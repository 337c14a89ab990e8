package occ

import (
	"runtime"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/fifo"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/invariant"
	"github.com/godwitdb/godwit/internal/record"
)

const (
	// limboBatch is how many retired objects gather before a commit looks
	// whether they can be freed.
	limboBatch = 128
	// maintainBatch is how many objects Maintain looks at before it lets
	// commits through.
	maintainBatch = 256
)

// tombstone is a record whose key was deleted at a timestamp, and perhaps put and
// deleted again since. Each record has one at most (record.Buried), and is not freed as
// long as it has.
type tombstone struct {
	table *Table
	rec   arena.Ref
	at    hlc.Timestamp
	aside bool // it is in table.aside, not in the index any more
}

// collect does a bounded part of the garbage collection: so many tombstones, so many
// changes. The stream is locked.
func (w *Worker) collect(tombs, changes int) {
	// First what deletions have replaced: it is in the way of their tombstones.
	if w.undoable.Len() > 0 {
		w.collectUndoable(w.engine.released(), changes)
	}
	if w.tombs.Len() > 0 {
		w.collectTombstones(tombs)
	}
	if w.mem.Limbo.Len() >= limboBatch {
		w.engine.domain.Advance()
		w.mem.Limbo.Collect(w.mem.Cache, 2*limboBatch)
	}
}

// collectTombstones takes records that were deleted for good out of the index.
func (w *Worker) collectTombstones(most int) {
	if w.engine.favours.others(0) {
		return // it would change nodes that the favoured transaction has looked at
	}
	released := w.engine.released()
	for ; most > 0 && w.tombs.Len() > 0; most-- {
		t := w.tombs.Front()
		if t.at > released {
			return // they are in order
		}
		w.removeTombstone(w.tombs.Pop(), released)
	}
}

// removeTombstone takes a deleted record out of the index, unless its key was put
// again, or deleted again above until. If a snapshot needs what it was, it is put aside:
// those who run through the index at the same time do not meet it any more.
func (w *Worker) removeTombstone(t tombstone, until hlc.Timestamp) {
	p := unsafe.Add(w.engine.arena.Base(), t.rec)
	word := (*uint64)(p)
	gone := record.Word(atomic.LoadUint64(word))
	if gone&record.Locked != 0 || !atomic.CompareAndSwapUint64(word, uint64(gone), uint64(gone|record.Locked)) {
		w.tombs.Push(t) // somebody looks at it just now
		return
	}
	meta := unsafe.Add(p, record.MetaOffset)
	switch {
	case gone&record.Absent == 0:
		arena.Store64(meta, arena.Load64(meta)&^uint64(record.Buried))
		atomic.StoreUint64(word, uint64(gone))
		return
	case gone.Timestamp() > until:
		t.at = gone.Timestamp()
		atomic.StoreUint64(word, uint64(gone))
		w.tombs.Push(t)
		return
	}
	if atomic.LoadUint64((*uint64)(unsafe.Add(p, record.PrevOffset))) != 0 {
		if !w.engine.mayBeNeeded(p) {
			atomic.StoreUint64(word, uint64(gone))
			w.tombs.Push(t)
			return
		}
		if !t.aside && w.engine.snapMax.Load() != 0 && t.table.putAside(w.mem, t.rec) {
			t.aside = true
			gone |= record.Dead
		}
		atomic.StoreUint64(word, uint64(gone))
		w.blocked.Push(t)
		return
	}
	if t.aside {
		found := t.table.aside.Load().Remove(w.mem, t.rec)
		invariant.Check(found, "a record that was put aside is there")
	} else {
		t.table.remove(w.mem, t.rec)
	}
	atomic.StoreUint64(word, uint64(gone|record.Dead))
	w.mem.Limbo.Retire(t.rec, record.Meta(arena.Load64(meta)).Bytes())
}

// openSnapshots are the timestamps of the snapshots that were open at some time,
// in order, and a timestamp from before that time: a snapshot that is opened
// later has a larger one.
type openSnapshots struct {
	at   []hlc.Timestamp
	asOf hlc.Timestamp
}

// openSnapshots returns the snapshots that are open now, in buf if they fit. It
// waits while one is being opened.
func (e *Engine) openSnapshots(buf []hlc.Timestamp) openSnapshots {
	// The clock is read first: whoever is not in the list takes its timestamp
	// later.
	asOf := e.clock.Last()
	if e.undo {
		asOf = min(asOf, e.released()) // see OpenSnapshotAt
	}
	e.snaps.Lock()
	defer e.snaps.Unlock()
	for _, s := range e.snaps.open {
		buf = append(buf, s.at)
	}
	return openSnapshots{buf, asOf}
}

// need tells whether a snapshot, or one that is opened later, may see a version
// that was the newest from one timestamp until another.
func (o *openSnapshots) need(from, until hlc.Timestamp) bool {
	if until > o.asOf {
		return true
	}
	i, _ := slices.BinarySearch(o.at, from)
	return i < len(o.at) && o.at[i] < until
}

// collectKept goes through at most most kept versions and frees those that no
// snapshot needs.
func (w *Worker) collectKept(open *openSnapshots, most int) {
	for n := min(most, w.kept.count); n > 0; n-- {
		k := w.kept.pop()
		needed := open.need(k.from, k.until) && !(w.engine.undo && w.engine.showsNothing(k.version))
		if needed || !w.unlink(k) {
			w.kept.append(k.version)
			continue
		}
		retireVersion(w, k.version)
	}
}

// unlink takes a version out of its record's chain; the caller retires it. It returns
// false if the record is locked just now.
func (w *Worker) unlink(k keptVersion) bool {
	base := w.engine.arena.Base()
	p := unsafe.Add(base, k.rec)
	word := (*uint64)(p)
	v := atomic.LoadUint64(word)
	if v&uint64(record.Locked) != 0 || !atomic.CompareAndSwapUint64(word, v, v|uint64(record.Locked)) {
		return false
	}
	version := unsafe.Add(base, k.version)
	newer := arena.Load64(unsafe.Add(version, keptNewerOffset))
	older := atomic.LoadUint64((*uint64)(unsafe.Add(version, record.PrevOffset)))
	if newer != 0 {
		p = unsafe.Add(base, newer)
	}
	link := unsafe.Add(p, record.PrevOffset)
	if invariant.Enabled {
		invariant.Check(arena.Load64(link) == uint64(k.version), "the chain of record %#x leads to %#x, not to %#x", k.rec, arena.Load64(link), k.version)
	}
	arena.Store64(link, older) // the word's store is behind it
	if older != 0 {
		arena.Store64(unsafe.Add(base, older+keptNewerOffset), newer)
	}
	atomic.StoreUint64(word, v)
	return true
}

// retireVersion retires a version block and the block of its value.
func retireVersion(w *Worker, version arena.Ref) {
	p := unsafe.Add(w.engine.arena.Base(), version)
	meta := record.Meta(arena.Load64(unsafe.Add(p, record.MetaOffset)))
	retireBlob(w, p, meta)
	w.mem.Limbo.Retire(version, meta.Bytes())
}

// retireBlob retires the block of the value of a record or version block, if it has one.
func retireBlob(w *Worker, p unsafe.Pointer, meta record.Meta) {
	if meta.External() {
		w.mem.Limbo.Retire(arena.Ref(arena.Load64(record.Value(p, meta))), meta.ValueBytes())
	}
}

// Maintain does the garbage collection that commits leave over: what idle
// workers hold, versions of closed snapshots, dropped tables. It is to be called
// every few milliseconds by one goroutine, and returns whether there is more to
// do soon.
func (e *Engine) Maintain() bool {
	e.domain.Advance()
	busy := e.freeDropped()
	e.keeper.Lock()
	e.keeper.mem.Limbo.Collect(e.keeper.mem.Cache, maintainBatch)
	busy = busy || e.keeper.mem.Limbo.Len() > 0
	e.keeper.Unlock()
	var buf [16]hlc.Timestamp
	for _, w := range e.workers {
		// The closed snapshots are counted before the open ones are listed: one
		// that closes in between is looked at again.
		closed := e.closedSnaps.Load()
		open := e.openSnapshots(buf[:0])
		changes := w.maintainUndoable()
		w.stream.Lock()
		// With snapshots open it is worth a look only after one has closed;
		// without, until nothing is kept.
		again := w.kept.count+w.blocked.Len() > 0 && (len(open.at) == 0 || w.looked != closed)
		left := 0
		if again {
			left = w.kept.count
		}
		e.keeper.pin.Enter() // it goes through an index that others change
		w.collectTombstones(maintainBatch)
		e.keeper.pin.Exit()
		w.mem.Limbo.Collect(w.mem.Cache, maintainBatch)
		busy = busy || changes || w.tombs.Len() > 0 || w.mem.Limbo.Len() > 0
		w.stream.Unlock()
		for left > 0 {
			n := min(left, maintainBatch)
			w.stream.Lock()
			w.collectKept(&open, n)
			w.mem.Limbo.Collect(w.mem.Cache, 2*maintainBatch)
			w.stream.Unlock()
			left -= n
			busy = true
		}
		if again {
			w.stream.Lock()
			w.looked = closed
			for w.blocked.Len() > 0 {
				w.tombs.Push(w.blocked.Pop())
			}
			w.stream.Unlock()
			busy = true
		}
	}
	return busy
}

// freeDropped frees the dropped tables that no snapshot can read any more.
func (e *Engine) freeDropped() bool {
	open, released := e.openSnapshots(nil), hlc.Max
	if e.undo {
		released = e.released()
	}
	e.tables.Lock()
	free := []*Table(nil)
	e.tables.dropped = slices.DeleteFunc(e.tables.dropped, func(t *Table) bool {
		at := hlc.Timestamp(t.droppedAt.Load())
		if at > released || len(open.at) > 0 && open.at[0] < at {
			return false
		}
		free = append(free, t)
		return true
	})
	e.tables.Unlock()
	for _, t := range free {
		t.freed.Store(true)
		e.freeTable(t)
	}
	return len(free) > 0
}

// freeTable frees the memory of a table that no new transaction can use and no
// snapshot can read.
func (e *Engine) freeTable(t *Table) {
	// What the workers keep of the table goes first: it refers to records.
	// All of the table's kept versions were replaced before it was dropped, so
	// that none is needed; nobody locks its records any more.
	open := e.openSnapshots(nil)
	for _, w := range e.workers {
		for w.maintainUndoable() {
			runtime.Gosched() // somebody has locked a record, or is opening a snapshot
		}
		w.stream.Lock()
		w.collectKept(&open, w.kept.count)
		for _, q := range []*fifo.Queue[tombstone]{&w.tombs, &w.blocked} {
			for n := q.Len(); n > 0; n-- {
				if tomb := q.Pop(); tomb.table != t {
					q.Push(tomb)
				}
			}
		}
		w.stream.Unlock()
	}
	e.keeper.Lock()
	defer e.keeper.Unlock()
	mem := e.keeper.mem
	freed := 0
	each := func(rec arena.Ref) {
		p := unsafe.Add(e.arena.Base(), rec)
		meta := record.Meta(arena.Load64(unsafe.Add(p, record.MetaOffset)))
		if meta.External() {
			mem.Limbo.Retire(arena.Ref(arena.Load64(record.Value(p, meta))), meta.ValueBytes())
		}
		mem.Limbo.Retire(rec, meta.Bytes())
		if freed++; freed%limboBatch == 0 {
			e.domain.Advance()
			mem.Limbo.Collect(mem.Cache, 4*limboBatch)
		}
		if record.Word(atomic.LoadUint64((*uint64)(p)))&record.Absent == 0 {
			e.freedRecords.Add(1)
		}
	}
	if t.tree != nil {
		t.tree.Free(mem, each)
	} else {
		t.hash.Free(mem, each)
	}
	if aside := t.aside.Load(); aside != nil {
		aside.Free(mem, each)
	}
}
