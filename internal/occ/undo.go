package occ

import (
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/cpu"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/record"
)

// With Config.Undo each worker remembers what it has changed until that is released.
// The queue is as long as the log lets the release lag behind (Log.Throttle).

// change is one write that may be taken back: at a timestamp, a version of a record was
// replaced, or, if version is 0, a key came that had never been there. A version that no
// snapshot can need, now or later, is not linked behind its record: only the change knows
// it, whoever frees it leaves the record alone, and it is in the worker's undoSpace.
type change struct {
	version, rec arena.Ref
	at           hlc.Timestamp
	table        TableID
	linked       bool
	external     bool // the version has a block for its value
}

// undoAhead is how many changes collectUndoable prefetches.
const undoAhead = 8

// collectUndoable goes through at most most changes that are released, and frees what
// they have replaced unless a snapshot may need it. It returns whether there are
// more. The stream is locked.
func (w *Worker) collectUndoable(released hlc.Timestamp, most int) bool {
	// Inside a commit phase: see prepareAll.
	snapMax, snapMin := hlc.Timestamp(w.engine.snapMax.Load()), hlc.Timestamp(w.engine.snapMin.Load())
	if snapMax == math.MaxUint64 {
		return w.undoable.Len() > 0 // a snapshot is being opened
	}
	for ; w.undoable.Len() > 0; most-- {
		c := *w.undoable.Front()
		if c.at > released {
			return false // they are in order
		}
		if most <= 0 {
			return true
		}
		if w.undoable.Len() > undoAhead {
			w.engine.prefetchChange(w.undoable.At(undoAhead))
		}
		if c.version != 0 && !w.dropVersion(&c, snapMax, snapMin) {
			return true
		}
		w.undoable.Pop()
	}
	w.versions.reuse(w.mem.Cache)
	return false
}

func (e *Engine) prefetchChange(c *change) {
	if c.linked || c.external {
		cpu.Prefetch64(unsafe.Add(e.arena.Base(), c.version))
	}
	if c.linked {
		cpu.Prefetch64(unsafe.Add(e.arena.Base(), c.rec))
	}
}

// dropVersion frees the version that a change has replaced, or leaves it to those that are
// kept for snapshots. It returns false if the record is locked just now.
func (w *Worker) dropVersion(c *change, snapMax, snapMin hlc.Timestamp) bool {
	if !c.linked {
		if c.external {
			p := unsafe.Add(w.engine.arena.Base(), c.version)
			retireBlob(w, p, record.Meta(arena.Load64(unsafe.Add(p, record.MetaOffset))))
		}
		w.versions.freeBefore(w.mem.Cache, c.version)
		return true
	}
	from := record.Word(arena.Load64(unsafe.Add(w.engine.arena.Base(), c.version))).Timestamp()
	if from <= snapMax && c.at > snapMin && !w.engine.showsNothing(c.version) {
		w.kept.push(c.version, c.rec, c.at)
		return true
	}
	if !w.unlink(keptVersion{rec: c.rec, version: c.version}) {
		return false
	}
	if snapMax != 0 {
		retireVersion(w, c.version)
		return true
	}
	w.freeVersion(c.version) // only who reads from a snapshot follows the chain, and nobody does
	return true
}

// freeVersion frees a version that was linked, and that nobody can be looking at. But the block of its value
// has been in the record.
func (w *Worker) freeVersion(version arena.Ref) {
	p := unsafe.Add(w.engine.arena.Base(), version)
	meta := record.Meta(arena.Load64(unsafe.Add(p, record.MetaOffset)))
	retireBlob(w, p, meta)
	w.mem.Cache.Free(version, meta.Bytes())
}

// showsNothing tells whether a version says what the end of a chain says too: there is no
// such key.
func (e *Engine) showsNothing(version arena.Ref) bool {
	p := unsafe.Add(e.arena.Base(), version)
	return record.Word(arena.Load64(p))&record.Absent != 0 && atomic.LoadUint64((*uint64)(unsafe.Add(p, record.PrevOffset))) == 0
}

// mayBeNeeded tells whether a snapshot that is open now may need a version in the chain
// of the record at p, which is locked. What none needs any more will go with its change.
func (e *Engine) mayBeNeeded(p unsafe.Pointer) bool {
	if !e.undo {
		return true
	}
	snapMax := hlc.Timestamp(e.snapMax.Load())
	for {
		ref := arena.Ref(atomic.LoadUint64((*uint64)(unsafe.Add(p, record.PrevOffset))))
		if ref == 0 {
			return false
		}
		p = unsafe.Add(e.arena.Base(), ref)
		if v := record.Word(arena.Load64(p)); v&record.Absent == 0 && v.Timestamp() <= snapMax {
			return true
		}
	}
}

// maintainUndoable goes through all changes that are released now, some at a time. It
// returns whether it has to be called again.
func (w *Worker) maintainUndoable() bool {
	if !w.engine.undo {
		return false
	}
	released := w.engine.released()
	for {
		w.stream.Lock()
		before := w.undoable.Len()
		more := w.collectUndoable(released, maintainBatch)
		progress := w.undoable.Len() < before
		if w.undoable.Len() == 0 {
			w.versions.free(w.mem.Cache)
		}
		w.mem.Limbo.Collect(w.mem.Cache, 2*maintainBatch)
		w.stream.Unlock()
		if !more || !progress {
			return more
		}
	}
}
