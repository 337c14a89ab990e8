package checkpoint

import (
	"encoding/binary"

	"github.com/godwitdb/godwit/internal/dberr"
)

// Entries iterates over the keys and values of a block:
//
//	for e.Next() {
//		use(e.Key(), e.Value())
//	}
//	return e.Err()
//
// It does not allocate. Key and Value are valid until the block's buffer is used
// again, which its source says, and must not be modified.
type Entries struct {
	rest       []byte
	key, value []byte
	left       uint32
	err        error

	// count and where the block is, for errors.
	count  uint32
	file   string
	offset int64
}

func (e *Entries) reset(file string, offset int64, count uint32, body []byte) {
	*e = Entries{rest: body, left: count, count: count, file: file, offset: offset}
}

// Count returns how many entries the block has.
func (e *Entries) Count() int { return int(e.count) }

// Key returns the current entry's key.
func (e *Entries) Key() []byte { return e.key }

// Value returns the current entry's value.
func (e *Entries) Value() []byte { return e.value }

// Err returns the error that ended the iteration, which matches
// dberr.ErrCorrupt.
func (e *Entries) Err() error { return e.err }

// Next moves to the next entry and tells whether there is one.
func (e *Entries) Next() bool {
	b := e.rest
	if e.left > 0 && len(b) >= 2 && b[0]|b[1] < 0x80 {
		// Both lengths are one byte: most records of most databases.
		valueAt := 2 + int(b[0])
		end := valueAt + int(b[1])
		if end <= len(b) {
			e.key, e.value, e.rest = b[2:valueAt:valueAt], b[valueAt:end:end], b[end:]
			e.left--
			return true
		}
	}
	return e.nextSlow()
}

func (e *Entries) nextSlow() bool {
	if e.left == 0 || e.err != nil {
		if len(e.rest) > 0 && e.err == nil {
			e.fail("%d bytes follow the last entry", len(e.rest))
		}
		return false
	}
	keyBytes, n := binary.Uvarint(e.rest)
	if n <= 0 || keyBytes > KeyBytesMax {
		return e.fail("key length of entry %d is not valid", e.count-e.left)
	}
	valueBytes, m := binary.Uvarint(e.rest[n:])
	if m <= 0 || valueBytes > ValueBytesMax {
		return e.fail("value length of entry %d is not valid", e.count-e.left)
	}
	b := e.rest[n+m:]
	if keyBytes+valueBytes > uint64(len(b)) {
		return e.fail("entry %d has %d bytes, but only %d follow", e.count-e.left, keyBytes+valueBytes, len(b))
	}
	end := keyBytes + valueBytes
	e.key, e.value, e.rest = b[:keyBytes:keyBytes], b[keyBytes:end:end], b[end:]
	e.left--
	return true
}

// fail ends the iteration.
func (e *Entries) fail(format string, args ...any) bool {
	e.err = dberr.Corrupt(e.file, e.offset, "block: "+format, args...)
	e.key, e.value, e.left = nil, nil, 0
	return false
}

// verify walks over all entries.
func (e *Entries) verify() error {
	for e.Next() {
	}
	return e.err
}

// entryBytes returns the size of an entry in a block.
func entryBytes(keyBytes, valueBytes int) int {
	return uvarintBytes(keyBytes) + uvarintBytes(valueBytes) + keyBytes + valueBytes
}

func uvarintBytes(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

// appendEntryHead appends the part of an entry that precedes its value.
func appendEntryHead(b, key []byte, valueBytes int) []byte {
	b = binary.AppendUvarint(b, uint64(len(key)))
	b = binary.AppendUvarint(b, uint64(valueBytes))
	return append(b, key...)
}

// appendTable appends t to the body of a table directory block: an entry with
// the name as value and the id and the kind as key.
func appendTable(b []byte, t Table) []byte {
	var key [tableKeyBytes]byte
	binary.LittleEndian.PutUint32(key[:], uint32(t.ID))
	key[4] = byte(t.Kind)
	return append(appendEntryHead(b, key[:], len(t.Name)), t.Name...)
}

// decodeTables appends the tables of a directory block to tables.
func decodeTables(tables []Table, e *Entries) ([]Table, error) {
	for e.Next() {
		if len(e.key) != tableKeyBytes {
			return nil, dberr.Corrupt(e.file, e.offset, "table directory has a key of %d bytes", len(e.key))
		}
		t := Table{
			ID:   TableID(binary.LittleEndian.Uint32(e.key)),
			Kind: TableKind(e.key[4]),
			Name: string(e.value),
		}
		if err := t.validate(); err != nil {
			return nil, dberr.Corrupt(e.file, e.offset, "table directory: %v", err)
		}
		tables = append(tables, t)
	}
	return tables, e.err
}
