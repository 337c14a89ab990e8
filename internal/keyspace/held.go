package keyspace

import (
	"errors"
	"fmt"

	"github.com/godwitdb/godwit"
)

const (
	// heldShare is which part of the memory's limit one transaction may hold, heldBytesMin what it may hold in any case.
	heldShare    = 4
	heldBytesMin = 256 << 20
	// heldRecordBytes is what a transaction holds of a record beside its name and value, about.
	heldRecordBytes = 160
)

// ErrTooMuch says that a transaction reads and writes more than it may hold in memory.
var ErrTooMuch = errors.New("keyspace: the transaction reads and writes too much")

// HeldBytesMax returns how many bytes of memory a transaction may hold.
func HeldBytesMax(db *godwit.DB) int {
	return int(max(db.Stats().MemoryLimitBytes/heldShare, heldBytesMin))
}

// Held returns how many bytes of memory the attempt holds, about: all that it has read and written, each time anew.
func (t *Tx) Held() int { return t.held }

// hold counts what the attempt holds of a record that it reads or writes.
func (t *Tx) hold(bytes int) error {
	t.held += heldRecordBytes + bytes
	if t.held > t.Space.heldBytesMax {
		return fmt.Errorf("%w: more than %d MiB", ErrTooMuch, t.Space.heldBytesMax>>20)
	}
	return nil
}

// put writes a record.
func (t *Tx) put(table *godwit.Table, name, value []byte) error {
	if err := t.hold(len(name) + len(value)); err != nil {
		return err
	}
	return t.in.Put(table, name, value)
}
