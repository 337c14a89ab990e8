package occ

import (
	"bytes"
	"fmt"

	"github.com/godwitdb/godwit/internal/record"
	"github.com/godwitdb/godwit/internal/wal"
)

// Put sets the value of key.
func (tx *Tx) Put(t *Table, key, value []byte) error {
	if err := tx.enterWrite(t, key); err != nil {
		return err
	}
	if len(value) > ValueBytesMax {
		return fmt.Errorf("%w: value of %d bytes, the longest allowed is %d", ErrTooLarge, len(value), ValueBytesMax)
	}
	return tx.buffer(t, key, value, false)
}

// Insert sets the value of a key that does not exist yet, ErrExists if it does.
func (tx *Tx) Insert(t *Table, key, value []byte) error {
	if tx.mode == modeView || tx.mode == modeSnapshot {
		return ErrReadOnly
	}
	_, err := tx.Get(t, key)
	if err == nil {
		return ErrExists
	}
	if err != ErrNotFound { //nolint:errorlint // the sentinel itself, on a hot path
		return err
	}
	return tx.Put(t, key, value)
}

// Delete removes key; it is no error if it does not exist.
func (tx *Tx) Delete(t *Table, key []byte) error {
	if err := tx.enterWrite(t, key); err != nil {
		return err
	}
	return tx.buffer(t, key, nil, true)
}

// DeleteRange removes the keys from ≤ key < to and returns how many there
// were. A nil bound is no bound.
func (tx *Tx) DeleteRange(t *Table, from, to []byte) (int, error) {
	if err := tx.enterWrite(t, nil); err != nil {
		return 0, err
	}
	n := 0
	var failed error
	err := tx.Scan(t, Range{From: from, To: to}, func(key, _ []byte) bool {
		failed = tx.Delete(t, key)
		n++
		return failed == nil
	})
	if failed != nil {
		err = failed
	}
	return n, err
}

func (tx *Tx) enterWrite(t *Table, key []byte) error {
	if tx.mode == modeView || tx.mode == modeSnapshot {
		return ErrReadOnly
	}
	return tx.enter(t, key)
}

// buffer puts a write into the write set.
func (tx *Tx) buffer(t *Table, key, value []byte, del bool) error {
	size := wal.WriteBytes(len(key), len(value))
	if wal.TxHeaderBytes+tx.writes.bytes+size > TxBytesMax {
		return fmt.Errorf("%w: the transaction writes more than %d bytes", ErrTooLarge, TxBytesMax)
	}
	if !del {
		tx.onlyDel = false
	}
	h := tx.hash(t, key)
	w := tx.writes.find(h, t, key)
	if w == nil {
		w = tx.writes.add(t, tx.scratch.copy(key), h)
		if r := &tx.recent[h%recentReads]; r.hash == h && r.gen == tx.recentGen {
			if r.rec == 0 {
				w.missing = true
			} else if bytes.Equal(record.Key(tx.ptr(r.rec)), key) {
				w.rec, w.word, w.readAt, w.read = r.rec, r.word, r.read, true
			}
		}
	} else {
		tx.writes.bytes -= wal.WriteBytes(len(key), len(w.value))
	}
	tx.writes.bytes += size
	w.del = del
	// A new buffer each time: the caller may still hold the old one, from Get.
	w.value = tx.scratch.copy(value)
	return nil
}
