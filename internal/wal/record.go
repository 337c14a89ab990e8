package wal

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/internal/hlc"
)

// A transaction record: {bytes u32, writes u32, timestamp u64}, then its writes
// one behind the other: {table u32, kind u8, key bytes u16, value bytes u32, key,
// value}. bytes counts the whole record, this header included.
const (
	// TxHeaderBytes is the size of a record without its writes.
	TxHeaderBytes = 16
	// WriteHeaderBytes is the size of a write without key and value.
	WriteHeaderBytes = 11

	// KeyBytesMax, ValueBytesMax and TxBytesMax bound what a record holds. The
	// engine refuses what is larger; a decoder takes it for damage.
	KeyBytesMax   = 4 << 10
	ValueBytesMax = 64 << 20
	TxBytesMax    = 1 << 30
)

// Kind is what a write does to its key.
type Kind uint8

// The kinds of writes.
const (
	KindPut    Kind = 1 // the key has the value now
	KindDelete Kind = 2 // the key is gone; there is no value
)

// WriteBytes returns the encoded size of a write with a key and value of these
// lengths. A record has TxHeaderBytes more than its writes.
func WriteBytes(keyBytes, valueBytes int) int { return WriteHeaderBytes + keyBytes + valueBytes }

// PutTxHeader writes the header of a record of so many writes and bytes (header
// included) into b, and returns TxHeaderBytes.
func PutTxHeader(b []byte, ts hlc.Timestamp, writes, bytes int) int {
	_ = b[TxHeaderBytes-1]
	binary.LittleEndian.PutUint32(b, uint32(bytes))
	binary.LittleEndian.PutUint32(b[4:], uint32(writes))
	binary.LittleEndian.PutUint64(b[8:], uint64(ts))
	return TxHeaderBytes
}

// PutWrite writes one write into b and returns its size, WriteBytes of the
// lengths. A deletion has no value.
func PutWrite(b []byte, table uint32, kind Kind, key, value []byte) int {
	_ = b[WriteHeaderBytes-1]
	binary.LittleEndian.PutUint32(b, table)
	b[4] = byte(kind)
	binary.LittleEndian.PutUint16(b[5:], uint16(len(key)))
	binary.LittleEndian.PutUint32(b[7:], uint32(len(value)))
	n := WriteHeaderBytes
	n += copy(b[n:], key)
	n += copy(b[n:], value)
	return n
}

// Write is one decoded write. Key and Value point into the batch.
type Write struct {
	Table uint32
	Kind  Kind
	Key   []byte
	Value []byte
}

// Batch is what one stream contributed to one round: records in the order of
// their timestamps.
type Batch struct {
	Stream StreamID
	// Closed is the stream's closed timestamp: none of its later records is at
	// or below it.
	Closed hlc.Timestamp
	// First and Last are the timestamps of the first and the last record, 0 in a
	// batch without any.
	First, Last hlc.Timestamp
	// Records is how many there are, before and above the bounds too.
	Records int

	data     []byte
	from, to hlc.Timestamp // Records shows those in (from, to]
}

// Bytes returns the size of the batch's records, all of them.
func (b *Batch) Bytes() int { return len(b.data) }

// Read returns a reader before the first record. It shows the records that the
// batch's receiver has to apply: those in the batch that are above the
// checkpoint and were not dropped.
func (b *Batch) Read() Reader { return Reader{rest: b.data, from: b.from, to: b.to} }

// Reader goes through the transactions of a batch and their writes without
// allocating:
//
//	r := batch.Read()
//	for r.Next() {
//		for r.NextWrite(&w) {
//			... r.Timestamp(), w ...
//		}
//	}
//	return r.Err()
//
// It trusts nothing: what it returns lies within the batch.
type Reader struct {
	rest     []byte // behind the current record
	writes   []byte // of the current record, those still to come
	left     int    // how many those are
	count    int
	ts, last hlc.Timestamp
	from, to hlc.Timestamp
	at       int // of the current record in the batch
	next     int // of rest in the batch
	err      error
}

// Next goes to the next transaction, past writes that were not read. It returns
// false at the end and at damage; Err tells.
func (r *Reader) Next() bool {
	for r.err == nil && len(r.rest) > 0 {
		if !r.take() {
			return false
		}
		if r.ts > r.from && r.ts <= r.to {
			return true
		}
	}
	return false
}

// take takes the next record off rest.
func (r *Reader) take() bool {
	r.at = r.next
	if len(r.rest) < TxHeaderBytes {
		return r.fail("%d bytes are too few for a record", len(r.rest))
	}
	bytes := binary.LittleEndian.Uint32(r.rest)
	writes := binary.LittleEndian.Uint32(r.rest[4:])
	ts := hlc.Timestamp(binary.LittleEndian.Uint64(r.rest[8:]))
	switch {
	case bytes < TxHeaderBytes || bytes > TxBytesMax || uint64(bytes) > uint64(len(r.rest)):
		return r.fail("a record of %d bytes where %d are left", bytes, len(r.rest))
	case uint64(writes)*WriteHeaderBytes > uint64(bytes)-TxHeaderBytes:
		return r.fail("%d writes in a record of %d bytes", writes, bytes)
	case ts == 0 || ts > hlc.Max || ts <= r.last:
		return r.fail("timestamp %d after %d", ts, r.last)
	}
	r.writes, r.rest = r.rest[TxHeaderBytes:bytes], r.rest[bytes:]
	r.count, r.left = int(writes), int(writes)
	r.ts, r.last = ts, ts
	r.next += int(bytes)
	return true
}

// Timestamp returns the current transaction's timestamp.
func (r *Reader) Timestamp() hlc.Timestamp { return r.ts }

// Writes returns how many writes the current transaction has.
func (r *Reader) Writes() int { return r.count }

// NextWrite decodes the current transaction's next write into w. It returns
// false at the end and at damage.
func (r *Reader) NextWrite(w *Write) bool {
	if r.left == 0 || r.err != nil {
		if r.err == nil && len(r.writes) > 0 {
			return r.fail("%d bytes after the last write of a record", len(r.writes))
		}
		return false
	}
	b := r.writes
	if len(b) < WriteHeaderBytes {
		return r.fail("%d bytes are too few for a write", len(b))
	}
	w.Table = binary.LittleEndian.Uint32(b)
	w.Kind = Kind(b[4])
	key := int(binary.LittleEndian.Uint16(b[5:]))
	value := binary.LittleEndian.Uint32(b[7:])
	switch {
	case w.Kind != KindPut && w.Kind != KindDelete:
		return r.fail("a write of unknown kind %d", w.Kind)
	case key > KeyBytesMax || value > ValueBytesMax || w.Kind == KindDelete && value > 0:
		return r.fail("a write with a key of %d and a value of %d bytes", key, value)
	case len(b)-WriteHeaderBytes < key+int(value):
		return r.fail("a write with a key of %d and a value of %d bytes where %d are left", key, value, len(b)-WriteHeaderBytes)
	}
	b = b[WriteHeaderBytes:]
	w.Key, b = b[:key:key], b[key:]
	w.Value, r.writes = b[:value:value], b[value:]
	r.left--
	return true
}

// Err returns what is wrong with the batch, nil if nothing was found so far. It
// is a *FormatError; what knows the file makes a dberr.CorruptionError of it.
func (r *Reader) Err() error { return r.err }

func (r *Reader) fail(format string, args ...any) bool {
	r.err = &FormatError{Offset: r.at, Reason: fmt.Sprintf(format, args...)}
	return false
}

// FormatError says that bytes are not what this package writes.
type FormatError struct {
	Offset int // where in the bytes the damaged unit begins
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("wal: bad bytes at %d: %s", e.Offset, e.Reason)
}

// validate goes through all records, within the bounds or not, and compares them
// with the batch's header. It returns how many of them are above the bounds.
func (b *Batch) validate() (above int, err error) {
	r := Reader{rest: b.data, to: hlc.Max}
	records, first := 0, hlc.Timestamp(0)
	var w Write
	for r.Next() {
		if records == 0 {
			first = r.ts
		}
		records++
		if r.ts > b.to {
			above++
		}
		for r.NextWrite(&w) {
		}
	}
	switch {
	case r.err != nil:
		return 0, r.err
	case records != b.Records || first != b.First || r.last != b.Last:
		return 0, &FormatError{Reason: fmt.Sprintf("%d records from %d to %d, but the header says %d from %d to %d",
			records, first, r.last, b.Records, b.First, b.Last)}
	}
	return above, nil
}

// shift moves the place that an error names.
func shift(err error, by int) error {
	var f *FormatError
	if errors.As(err, &f) {
		return &FormatError{Offset: f.Offset + by, Reason: f.Reason}
	}
	return err
}
