package occ

import (
	"sync/atomic"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/cpu"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/record"
	"github.com/godwitdb/godwit/internal/wal"
)

// collectPerCommit is how many garbage objects a commit looks at, more than it
// makes, so that garbage does not grow with load.
const collectPerCommit = 8

// prepareAll allocates what installing the locked writes needs, and returns the
// length of their log record, 0 if none is locked. After an error undo frees what it
// has allocated.
func (w *Worker) prepareAll(tx *Tx) (int, error) {
	// Inside the commit phase: a snapshot that opens now either is seen here or
	// waits for this phase to end before it takes its timestamp.
	snapMax := hlc.Timestamp(w.engine.snapMax.Load())
	w.versions.mark()
	bytes, writes := wal.TxHeaderBytes, 0
	for i := range tx.writes.entries {
		x := &tx.writes.entries[i]
		if !x.locked {
			continue
		}
		writes++
		bytes += wal.WriteBytes(len(x.key), len(x.value))
		if err := w.prepare(tx, x, snapMax); err != nil {
			return 0, memoryFull(err)
		}
	}
	if writes == 0 {
		return 0, nil
	}
	return bytes, nil
}

func (w *Worker) prepare(tx *Tx, x *write, snapMax hlc.Timestamp) error {
	var err error
	meta := tx.meta(x.rec)
	if !x.del && len(x.value) > meta.Room() {
		if x.blob, err = w.mem.Cache.Alloc(len(x.value)); err != nil {
			return err
		}
		copy(unsafe.Slice((*byte)(tx.ptr(x.blob)), len(x.value)), x.value)
	}
	// A key that has never been there is known to have been absent.
	from := x.word.Timestamp()
	x.linked = from <= snapMax && !x.created
	switch {
	case x.linked:
		if x.version, err = w.mem.Cache.Alloc(versionBytes(tx, x)); err != nil {
			x.version = 0
			return err
		}
		// It was freed long ago, and is written to when all others are prepared.
		cpu.Prefetch192(tx.ptr(x.version))
	case tx.undo && from != 0:
		x.version, err = w.versions.alloc(w.mem.Cache, versionBytes(tx, x))
	}
	return err
}

func (tx *Tx) meta(rec arena.Ref) record.Meta {
	return record.Meta(arena.Load64(unsafe.Add(tx.ptr(rec), record.MetaOffset)))
}

// versionMeta returns the shape of the block that keeps the version which x
// replaces.
func versionMeta(tx *Tx, x *write) record.Meta {
	meta, links := tx.meta(x.rec), 0
	if x.linked {
		links = keptBytes
	}
	switch {
	case x.word&record.Absent != 0:
		return record.MakeMeta(links, 0, 0, false)
	case meta.External():
		return record.MakeMeta(links, 8, meta.ValueBytes(), true)
	}
	return record.MakeMeta(links, record.Pad(meta.ValueBytes()), meta.ValueBytes(), false)
}

func versionBytes(tx *Tx, x *write) int { return versionMeta(tx, x).Bytes() }

// installAll makes the locked writes the newest versions and unlocks them.
func (w *Worker) installAll(tx *Tx, ts hlc.Timestamp) {
	for i := range tx.writes.entries {
		if x := &tx.writes.entries[i]; x.locked {
			w.install(tx, x, ts)
		}
	}
}

func (w *Worker) install(tx *Tx, x *write, ts hlc.Timestamp) {
	p := tx.ptr(x.rec)
	meta := tx.meta(x.rec)
	at := record.Value(p, meta)
	wasAbsent := x.word&record.Absent != 0
	if x.version != 0 {
		w.keepVersion(tx, x, p, meta, ts)
	} else if tx.undo {
		w.undoable.Push(change{rec: x.rec, at: ts, table: x.table.id})
	} else if meta.External() && !wasAbsent {
		w.mem.Limbo.Retire(arena.Ref(arena.Load64(at)), meta.ValueBytes())
	}
	switch {
	case x.del:
		if meta&record.Buried == 0 {
			w.tombs.Push(tombstone{table: x.table, rec: x.rec, at: ts})
		}
		meta = meta.WithValue(0, false) | record.Buried
	case x.blob != 0:
		arena.Store64(at, uint64(x.blob))
		meta = meta.WithValue(len(x.value), true)
	default:
		arena.CopyIn(at, x.value)
		meta = meta.WithValue(len(x.value), false)
	}
	arena.Store64(unsafe.Add(p, record.MetaOffset), uint64(meta))
	// The store publishes everything above and unlocks.
	atomic.StoreUint64((*uint64)(p), uint64(record.WordOf(ts, x.del)))
	switch {
	case x.del:
		if !wasAbsent { // replay may delete what it has not seen yet
			w.records--
		}
	case wasAbsent:
		w.records++
	}
}

// keepVersion copies the version that is about to be overwritten into the block
// that prepare allocated, and links it behind the record if a snapshot may need it.
func (w *Worker) keepVersion(tx *Tx, x *write, p unsafe.Pointer, meta record.Meta, ts hlc.Timestamp) {
	v := tx.ptr(x.version)
	vm := versionMeta(tx, x)
	// Nobody knows the block before link, whose last store is a release.
	arena.Store64(v, uint64(x.word))
	arena.Store64(unsafe.Add(v, record.MetaOffset), uint64(vm))
	arena.MoveWords(record.Value(v, vm), record.Value(p, meta), vm.Room()/8)
	if x.linked {
		w.link(x.version, p)
	}
	if tx.undo {
		w.undoable.Push(change{version: x.version, rec: x.rec, at: ts, table: x.table.id, linked: x.linked, external: vm.External()})
	} else {
		w.kept.push(x.version, x.rec, ts)
	}
}

// link puts a version block behind the record at p, which is locked.
func (w *Worker) link(version arena.Ref, p unsafe.Pointer) {
	base := w.engine.arena.Base()
	v, prev := unsafe.Add(base, version), unsafe.Add(p, record.PrevOffset)
	older := arena.Load64(prev)
	arena.Store64(unsafe.Add(v, record.PrevOffset), older)
	arena.Store64(unsafe.Add(v, keptNewerOffset), 0)
	if older != 0 {
		arena.Store64(unsafe.Add(base, older+keptNewerOffset), uint64(version))
	}
	arena.Store64(prev, uint64(version))
}
