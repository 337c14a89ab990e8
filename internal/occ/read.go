package occ

import (
	"sync/atomic"
	"unsafe"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/index"
	"github.com/godwitdb/godwit/internal/record"
)

// Get returns the value of key, ErrNotFound if there is none. The slice is good
// until the transaction ends.
func (tx *Tx) Get(t *Table, key []byte) ([]byte, error) {
	if err := tx.enter(t, key); err != nil {
		return nil, err
	}
	if tx.mode == modeSnapshot {
		return tx.snapshotFound(t, key, t.get(key))
	}
	h := tx.hash(t, key)
	if len(tx.writes.entries) > 0 {
		if w := tx.writes.find(h, t, key); w != nil {
			return w.result()
		}
	}
	return tx.readFound(t, key, h, t.get(key))
}

// GetMany looks up several keys at once, which hides much of the memory's
// latency. values[i] is nil if keys[i] does not exist, else as of Get; values
// is at least as long as keys.
func (tx *Tx) GetMany(t *Table, keys, values [][]byte) error {
	for _, key := range keys {
		if err := tx.enter(t, key); err != nil {
			return err
		}
	}
	if len(keys) == 0 {
		return tx.enter(t, nil)
	}
	if cap(tx.found) < len(keys) {
		tx.found = make([]index.Found, max(16, len(keys)))
	}
	found := tx.found[:len(keys)]
	t.getMany(keys, found)
	for i, key := range keys {
		var v []byte
		var err error
		if tx.mode == modeSnapshot {
			v, err = tx.snapshotFound(t, key, found[i])
		} else {
			var h uint64
			var own *write
			if tx.mode == modeUpdate {
				h = tx.hash(t, key)
			}
			if len(tx.writes.entries) > 0 {
				own = tx.writes.find(h, t, key)
			}
			if own != nil {
				v, err = own.result()
			} else {
				v, err = tx.readFound(t, key, h, found[i])
			}
		}
		if err != nil && err != ErrNotFound { //nolint:errorlint // the sentinel itself, on a hot path
			return err
		}
		values[i] = v
	}
	tx.found = keepSmall(tx.found)[:0]
	return nil
}

// result is what reading one's own write gives.
func (w *write) result() ([]byte, error) {
	if w.del {
		return nil, ErrNotFound
	}
	return w.value, nil
}

// readFound reads what an index lookup has found and notes what validation
// needs. The hash is for the writes that may follow, so a view needs none.
func (tx *Tx) readFound(t *Table, key []byte, hash uint64, f index.Found) ([]byte, error) {
	for {
		if f.Rec == 0 {
			if !tx.nodes.add(f.Node, f.Version) {
				return nil, tx.fail(ErrConflict)
			}
			if tx.mode == modeUpdate {
				tx.remember(hash, 0, 0)
			}
			return nil, ErrNotFound
		}
		value, word, err := tx.readRecord(f.Rec)
		if err != nil {
			return nil, err
		}
		if word&record.Dead != 0 {
			f = t.get(key)
			continue
		}
		tx.noteRead(f.Rec, word)
		if tx.mode == modeUpdate {
			tx.remember(hash, f.Rec, word)
		}
		if word&record.Absent != 0 {
			return nil, ErrNotFound
		}
		return value, nil
	}
}

func (tx *Tx) noteRead(rec arena.Ref, word record.Word) {
	tx.reads = append(tx.reads, readEntry{rec, word})
	if ts := word.Timestamp(); ts > tx.maxRead {
		tx.maxRead = ts
	}
}

// readRecord copies the newest version of a record. The word is never locked;
// with Absent or Dead in it there is no value. The only error is a conflict.
func (tx *Tx) readRecord(rec arena.Ref) ([]byte, record.Word, error) {
	p := tx.ptr(rec)
	spins := 0
	for {
		w := record.Word(atomic.LoadUint64((*uint64)(p)))
		if w&record.Locked != 0 {
			if !tx.spin(&spins) {
				return nil, 0, tx.fail(ErrConflict)
			}
			continue
		}
		if w&(record.Dead|record.Absent) != 0 {
			return nil, w, nil
		}
		if v, ok := tx.copyValue(p, w); ok {
			return v, w, nil
		}
		if err := tx.sameTerm(); err != nil {
			return nil, 0, err
		}
		if !tx.spin(&spins) {
			return nil, 0, tx.fail(ErrConflict)
		}
	}
}

// copyValue copies the value of the record or version block at p, whose word
// was w. It returns false if the word has changed meanwhile, or may have: in another
// term a record can have the same word again.
func (tx *Tx) copyValue(p unsafe.Pointer, w record.Word) ([]byte, bool) {
	meta := record.Meta(arena.Load64(unsafe.Add(p, record.MetaOffset)))
	at := record.Value(p, meta)
	n := meta.ValueBytes()
	if !meta.External() {
		v := tx.scratch.alloc(n)
		arena.CopyOut(v, at, n)
		if record.Word(atomic.LoadUint64((*uint64)(p))) == w && tx.inTerm() {
			return v, true
		}
		tx.scratch.undo(n)
		return nil, false
	}
	blob := arena.Ref(arena.Load64(at))
	if record.Word(atomic.LoadUint64((*uint64)(p))) != w || !tx.inTerm() {
		return nil, false
	}
	// The block is immutable and our pin keeps it alive.
	v := tx.scratch.alloc(n)
	copy(v, unsafe.Slice((*byte)(tx.ptr(blob)), n))
	return v, true
}
