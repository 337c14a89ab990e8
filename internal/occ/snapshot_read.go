package occ

import (
	"sync/atomic"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/index"
	"github.com/godwitdb/godwit/internal/invariant"
	"github.com/godwitdb/godwit/internal/record"
)

// snapshotFound reads what an index lookup has found, as of the snapshot.
func (tx *Tx) snapshotFound(t *Table, key []byte, f index.Found) ([]byte, error) {
	rec := f.Rec
	for aside := false; ; aside = true {
		if rec != 0 {
			v, word, err := tx.snapshotRecord(rec)
			if err != nil || word&record.Absent == 0 {
				return v, err
			}
		}
		tree := t.aside.Load()
		if aside || tree == nil {
			return nil, ErrNotFound
		}
		rec = tree.Get(key).Rec
	}
}

// snapshotRecord copies the version of a record that the snapshot sees. A word
// with Absent says that there is none. A record that has left the index since
// the caller found it there is as good as any: who put the key again did it
// later, and is not seen.
func (tx *Tx) snapshotRecord(rec arena.Ref) ([]byte, record.Word, error) {
	for spins := 0; ; {
		v, w, ok := tx.tryAsOf(rec)
		switch {
		case !tx.inTerm():
			if err := tx.followTerm(); err != nil {
				return nil, 0, err
			}
		case ok:
			if w&record.Absent == 0 {
				tx.sawVersion(w)
			}
			return v, w, nil
		default:
			if err := tx.waitForUnlock(&spins); err != nil {
				return nil, 0, err
			}
		}
	}
}

// tryAsOf is snapshotRecord, unless somebody is changing the record. What it returns
// is right if the term has not changed.
func (tx *Tx) tryAsOf(rec arena.Ref) ([]byte, record.Word, bool) {
	p := tx.ptr(rec)
	w := record.Word(atomic.LoadUint64((*uint64)(p)))
	switch {
	case w&record.Locked != 0:
		return nil, 0, false
	case w.Timestamp() > tx.at:
		invariant.Yield()
		prev := arena.Ref(atomic.LoadUint64((*uint64)(unsafe.Add(p, record.PrevOffset))))
		// A rollback cuts off the versions that it gives up, and the one that it puts
		// in their place.
		if record.Word(atomic.LoadUint64((*uint64)(p))) != w {
			return nil, 0, false
		}
		return tx.olderVersion(prev)
	case w&record.Absent != 0:
		return nil, w, true
	}
	v, ok := tx.copyValue(p, w)
	return v, w, ok
}

// olderVersion copies the newest version in the chain from prev on that the
// snapshot sees.
func (tx *Tx) olderVersion(prev arena.Ref) ([]byte, record.Word, bool) {
	for prev != 0 {
		p := tx.ptr(prev)
		w := record.Word(atomic.LoadUint64((*uint64)(p)))
		if w.Timestamp() > tx.at {
			prev = arena.Ref(atomic.LoadUint64((*uint64)(unsafe.Add(p, record.PrevOffset))))
			continue
		}
		if w&record.Absent != 0 {
			return nil, w, true
		}
		v, ok := tx.copyValue(p, w) // a version block's word never changes
		return v, w, ok
	}
	return nil, record.Absent, true
}

func (tx *Tx) sawVersion(w record.Word) {
	if ts := w.Timestamp(); ts > tx.maxRead {
		tx.maxRead = ts
	}
}

// waitForUnlock waits for a commit phase, which does not depend on anything
// that could wait for us. Only the context ends it early.
func (tx *Tx) waitForUnlock(spins *int) error {
	if spin(spins) {
		return nil
	}
	*spins = lockSpinsHot
	if tx.ctx != nil {
		if err := tx.ctx.Err(); err != nil {
			return tx.fail(err)
		}
	}
	return nil
}
